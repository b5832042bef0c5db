import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { iso } from '../../services/domain/interval.ts';
import { evaluateCommand } from '../../services/evaluate/evaluate-cli.ts';
import { potentialCommand } from '../../services/potential/potential-cli.ts';
import { launchChromium } from './chromium.ts';

const START = Date.parse('2026-03-01T18:30:00Z'); // midnight in Kolkata
const HALF_HOUR = 1_800_000;
const DAYS = 60;
const folder = mkdtempSync(join(tmpdir(), 'lachak-reports-'));
const put = (name: string, lines: readonly string[]) => {
  writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
  return join(folder, name);
};

/** What a page shows of itself, with all details open: whether it scrolls sideways, its plots, and its boxes that hide something at their edge. */
const LOOK = `(() => {
  for (const one of document.querySelectorAll('details')) one.open = true;
  const boxes = [...document.querySelectorAll('*')].filter(
    (one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === 'auto',
  );
  const isOutside = (one) => one.getBoundingClientRect().left < 0 || one.getBoundingClientRect().right > innerWidth;
  const isUnshown = (one) => one.tabIndex !== 0 || getComputedStyle(one).backgroundAttachment !== 'local, local, scroll, scroll';
  return {
    sideways: document.documentElement.scrollWidth > innerWidth,
    outside: [...document.querySelectorAll('svg, .figure, .ticks span')].filter(isOutside).length,
    plots: document.querySelectorAll('svg').length,
    hiding: boxes.length,
    unshown: boxes.filter(isUnshown).length,
  };
})()`;
type Look = Readonly<Record<'outside' | 'plots' | 'hiding' | 'unshown', number>> & { readonly sideways: boolean };

describe('the pages of evaluate and potential, in a browser', () => {
  let browser: Browser;
  const pages = { evaluate: join(folder, 'evaluate.html'), potential: join(folder, 'potential.html') };

  beforeAll(async () => {
    vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
    const homes = ['A', 'B', 'C'];
    const slots = Array.from({ length: DAYS * 48 }, (_, i) => i);
    const readings = put('readings.csv', [
      'meter_id,interval_start,import_wh,export_wh',
      ...homes.flatMap((id, m) =>
        slots.map((i) => `${id},${iso(START + i * HALF_HOUR)},${300 + 100 * m + ((i * (7 + m)) % 97)},`),
      ),
    ]);
    put('temperature.csv', ['interval_start,temp_c', ...slots.map((i) => `${iso(START + i * HALF_HOUR)},${25 + (i % 48) / 8}`)]);
    put('meters.csv', ['meter_id,category', 'A,LT-I domestic', 'B,LT-II', 'C,LT-II']);
    const at = (day: number, hour: number) => iso(START + (day * 48 + hour * 2) * HALF_HOUR);
    const nights = [33, 40, 47, 54].map((day) => `N${day},${at(day, 22)},${at(day, 26)},High`);
    const events = put('events.csv', ['event_id,start,end,kind', ...nights]);
    const asked = put('asked.csv', ['meter_id,role', 'A,asked', 'B,held_out']);
    const call = ['--event-days', events, '--participants', asked, '--terms', 'residential-10of10,deg-uc1-compatible'];
    await evaluateCommand(['--readings', readings, ...call, '--html', pages.evaluate]);
    await potentialCommand(['--readings', readings, '--meters', join(folder, 'meters.csv'), '--html', pages.potential]);
    browser = await launchChromium();
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each([
    ['evaluate', 1400],
    ['evaluate', 360],
    ['potential', 1400],
    ['potential', 360],
  ] as const)(
    '%s at %i px: nothing of a plot lies outside, and what scrolls shows that it does',
    { timeout: 60_000 },
    async (which, width) => {
      const page = await browser.newPage({ viewport: { width, height: 900 } });
      await page.goto(pathToFileURL(pages[which]).href);
      const { plots, hiding, ...found } = await page.evaluate<Look>(LOOK);
      expect(found).toEqual({ sideways: false, outside: 0, unshown: 0 });
      expect(plots).toBeGreaterThan(4);
      if (width === 360) expect(hiding).toBeGreaterThan(1);
      await page.close();
    },
  );
});
