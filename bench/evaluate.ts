import { cpus } from 'node:os';
import { presets } from '../services/catalogue/presets.ts';
import { chanceOf } from '../services/evaluate/chance.ts';
import { evaluate } from '../services/evaluate/evaluation.ts';
import { candidatesOf, USUAL } from '../services/evaluate/methods.ts';
import { placebos, readHours, remembered, spanOf } from '../services/evaluate/occasions.ts';
import { presetTerms } from '../services/evaluate/terms.ts';
import { coreBytes } from '../services/host/core-file.ts';
import { zoneDays } from '../services/host/zone.ts';
import { estimator } from '../services/performance/estimate.ts';
import { loadKernel } from '../services/performance/kernel.ts';
import type { LoadSeries } from '../services/performance/load-series.ts';

/*
 * How long does it take to judge twelve methods on half a year of 100 homes? Beside it, in the same run, the estimates alone: what remains are
 * figures, money and intervals. Repeat: npm run bench -- evaluate
 */

const HOMES = 100;
const DAYS = 182;

export async function evaluateBench(print: (line: string) => void): Promise<Record<string, number>> {
  const zone = remembered(zoneDays('Asia/Kolkata'));
  const hours = readHours('18:00-21:00');
  const series = Array.from({ length: HOMES }, (_, h) => homeOf(h, zone.startOf('2026-01-01')));
  const span = spanOf(series, hours, zone)!;
  const days = placebos(series, {
    ...{ zone, hours, noticeMinutes: 120, holidays: new Set(), called: new Map(), everyDay: false },
    ...{ from: zone.plus(span.first, 28), to: span.last },
  });
  const calendar = { zone, holidays: new Set<string>(), excluded: new Map<string, string>() };
  const estimate = estimator({ kernel: await loadKernel(coreBytes()) });
  const candidates = candidatesOf(USUAL, 30, false);
  const terms = [presetTerms(presets[0]!.name)];
  const categories = series.map(() => '');
  const whole = timed(() =>
    evaluate(
      {
        ...{ series, categories, candidates, placebos: days, events: [], calendar, terms, seed: 1 },
        ...{ quietHours: { occasions: [], around: [] }, committed: { of: 'load', share: 0.2 }, meters: new Map(), optOuts: null },
      },
      estimate,
    ),
  );
  const alone = timed(() => {
    for (const { spec } of candidates) for (const { event } of days) estimate(spec, series, calendar, event);
  });
  print(
    `evaluate: ${HOMES} homes × ${DAYS} days (${days.length} placebos) × ${candidates.length} methods in ${whole.toFixed(1)} s, ` +
      `of which the estimates alone take ${alone.toFixed(1)} s (goal ≤ 20 s; ${cpus()[0]?.model.trim()}, Node ${process.version})`,
  );
  return { seconds: whole, vs_estimates: whole / alone };
}

/** Half hours of a made-up home: evenings are high, days differ. */
function homeOf(seed: number, start: number): LoadSeries {
  const chance = chanceOf(seed);
  const importWh = Int32Array.from({ length: DAYS * 48 }, (_, i) => Math.floor((i % 48 >= 34 ? 600 : 200) * (0.5 + chance())));
  return {
    ...{ meterId: `H${String(seed).padStart(3, '0')}`, start, minutes: 30, importWh, exportWh: null, quality: null },
    ...{ temperature: null, marks: new Map(), connectedLoadW: null },
  };
}

function timed(work: () => unknown): number {
  const began = performance.now();
  work();
  return (performance.now() - began) / 1000;
}
