import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import type { Member } from '../../services/performance/control-group.ts';
import { fixedOffset } from '../../services/performance/days.ts';
import { type Estimator, estimator } from '../../services/performance/estimate.ts';
import { loadKernel } from '../../services/performance/kernel.ts';
import { type LoadSeries, loadSeries } from '../../services/performance/load-series.ts';
import { readReadings } from '../../services/performance/readings-csv.ts';
import { noRows, type Rows, seriesOf } from '../../services/performance/series.ts';
import { describeWithFixtures, fixture } from '../fixtures.ts';

const zone = fixedOffset('+00:00')!;

describeWithFixtures('London homes on dynamic prices against the others', ['data/lcl'], () => {
  const table = (name: string) =>
    readFileSync(fixture('data/lcl', name)!, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','));
  const members = new Map<string, Member>();
  let homes: LoadSeries[];
  let estimate: Estimator;
  beforeAll(async () => {
    estimate = estimator({ kernel: await loadKernel(coreBytes()) });
    for (const [id, tariff] of table('meters.csv')) {
      const dynamic = tariff === 'ToU';
      members.set(id!, dynamic ? { role: 'treated', stratum: '' } : { role: 'control', stratum: '', basis: 'consent' });
    }
    const rows = new Map<string, Rows>(Array.from(members.keys(), (id) => [id, noRows()]));
    await readReadings(fixture('data/lcl/readings.csv.gz')!, rows);
    homes = Array.from(rows, ([id, own]) => loadSeries(id, seriesOf(own), 30));
  }, 120_000);

  /** Impact and baseline over all events of one price within a day of February to June, Wh a home. */
  function over(price: string, design: 'holdout' | 'matched') {
    const events = table('events.csv').map(([, start, end, tariff]) => ({
      start: Date.parse(start!),
      end: Date.parse(end!),
      tariff,
    }));
    const days = new Map(events.map(({ start }) => [zone.dayOf(start), 'price event']));
    const found = { events: 0, impact: 0, baseline: 0, clear: 0, opposite: 0 };
    for (const { start, end, tariff } of events) {
      const day = zone.dayOf(start);
      if (tariff !== price || day < '2013-02-01' || day > '2013-06-28' || zone.dayOf(end - 1) !== day) continue;
      const excluded = new Map([...days].filter(([other]) => other !== day));
      const answers = estimate(
        {
          ...{ kind: 'control_group', design, quantity: 'import', members, dayType: 'weekday_vs_nonworking' },
          ...{ minGapDays: 1, lookbackDays: 60, days: 5, seed: 7n, confidence: 90 },
        },
        homes,
        { zone, holidays: new Set(), excluded },
        { window: { start, end }, noticeAt: start },
      );
      const evidence = answers.find((one) => one.evidence !== null)?.evidence;
      if (evidence?.kind !== 'control_group' || evidence.means === null) continue;
      const { treated, totalWh, interval } = evidence.means;
      found.events++;
      found.impact += totalWh;
      found.baseline += treated.reduce((total, wh) => total + wh, 0) + totalWh;
      if (interval && interval[0] > 0) found.clear++;
      if (interval && interval[1] < 0) found.opposite++;
    }
    return { ...found, share: found.impact / found.baseline };
  }

  test.each(['holdout', 'matched'] as const)(
    'use less when the price is high and more when it is low: %s',
    { timeout: 120_000 },
    (design) => {
      const high = over('High', design);
      const low = over('Low', design);
      const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
      console.log(
        `${design}: High ${percent(high.share)} of ${high.events} events, ${high.clear} clearly; Low ${percent(low.share)} of ${low.events}, ${low.opposite} clearly`,
      );
      expect(high.events).toBeGreaterThan(20);
      expect(high.share).toBeGreaterThan(0.05);
      expect(high.clear).toBeGreaterThan(3 * high.opposite);
      expect(low.events).toBeGreaterThan(10);
      expect(low.share).toBeLessThan(-0.05);
    },
  );
});
