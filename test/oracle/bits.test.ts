import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { beforeAll, expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import { bitsOf } from './bits.ts';

const DIST = new URL('../../dist/', import.meta.url);
const WORKER = new URL('test/oracle/bits-worker.js', DIST);
const FIRST = 4_000_000;
const PARTS = 4;
const CROWDS = process.env.LACHAK_LONG ? 4000 : 60;

const parts = Array.from({ length: PARTS }, (_, i) => FIRST + i * CROWDS);
let wanted: string[];
beforeAll(async () => {
  wanted = await Promise.all(parts.map((from) => bitsOf(coreBytes(), from, from + CROWDS)));
}, 600_000);

test('the scalar build, in which the exact core does every lane, says the same bits', { timeout: 600_000 }, async () => {
  // Only this test needs it: built here, from the very sources, not at every install.
  execFileSync('npm', ['run', '--silent', 'build:scalar'], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    stdio: 'ignore',
  });
  const scalar = new Uint8Array(readFileSync(new URL('core/scalar.wasm', DIST)));
  for (const [i, from] of parts.entries()) expect(await bitsOf(scalar, from, from + CROWDS)).toBe(wanted[i]);
});

test('workers at the same time, each with a memory of its own, say the same bits', { timeout: 600_000 }, async () => {
  const found = await Promise.all(
    parts.map(
      (from) =>
        new Promise<string>((resolve, reject) => {
          const worker = new Worker(WORKER, { workerData: { core: coreBytes(), from, to: from + CROWDS } });
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    ),
  );
  expect(found).toEqual(wanted);
});

// Another release of Node compiles the same module with another compiler.
const other = process.env.LACHAK_OTHER_NODE;
if (!other) console.log('not run: another Node: set LACHAK_OTHER_NODE to its binary');
test.skipIf(!other)('another release of Node says the same bits', { timeout: 600_000 }, () => {
  const core = fileURLToPath(new URL('core/core.wasm', DIST));
  for (const [i, from] of parts.entries()) {
    const said = execFileSync(other!, [fileURLToPath(WORKER), core, String(from), String(from + CROWDS)], { encoding: 'utf8' });
    expect(said.trim()).toBe(wanted[i]);
  }
});
