import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import { bitsOf } from '../oracle/bits.ts';
import { launchChromium } from './chromium.ts';

const FIRST = 5_000_000;
const CROWDS = 120;

test('the core says the same bits in Chromium as in Node', async () => {
  const entry = fileURLToPath(new URL('../oracle/bits.ts', import.meta.url));
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    build: { write: false, minify: false, lib: { entry, formats: ['iife'], name: 'oracle' } },
  });
  const [bundle] = Array.isArray(built) ? built : [built];
  if (!bundle || !('output' in bundle)) throw new Error('nothing was bundled');
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    // A page of localhost is a secure context, so it has SubtleCrypto; no server is asked.
    await page.route('http://localhost/**', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
    await page.goto('http://localhost/');
    await page.addScriptTag({ content: bundle.output[0].code });
    const core = Buffer.from(coreBytes()).toString('base64');
    const said = await page.evaluate(
      ([bytes, from, to]) => {
        const { oracle } = globalThis as unknown as { oracle: { bitsOf: typeof bitsOf } };
        return oracle.bitsOf(
          Uint8Array.from(atob(bytes as string), (c) => c.charCodeAt(0)),
          from as number,
          to as number,
        );
      },
      [core, FIRST, FIRST + CROWDS],
    );
    expect(said).toBe(await bitsOf(coreBytes(), FIRST, FIRST + CROWDS));
  } finally {
    await browser.close();
  }
});
