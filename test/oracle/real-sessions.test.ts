import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../../services/domain/interval.ts';
import { compare, type Rational, rational } from '../../services/domain/rational.ts';
import { coreBytes } from '../../services/host/core-file.ts';
import { zoneDays } from '../../services/host/zone.ts';
import type { ChargingSession } from '../../services/performance/charging.ts';
import { type Estimator, estimator } from '../../services/performance/estimate.ts';
import { loadKernel } from '../../services/performance/kernel.ts';
import type { LoadSeries } from '../../services/performance/load-series.ts';
import { UNMANAGED } from '../../services/performance/session-plan.ts';
import { remembering } from '../../services/performance/windows.ts';
import { describeWithFixtures, fixture } from '../fixtures.ts';

const STEP = 15 * MINUTE;

/** What is real: who plugged in and out where, and with how much energy. The load within a session is made up, steered from 18 to 20. */
const SETS = [
  { name: 'ev-dundee', zone: remembering(zoneDays('Europe/London')), point: ['charger_id', 'connector'], power: ratedPower },
  { name: 'ev-trondheim', zone: remembering(zoneDays('Europe/Oslo')), point: ['user_id'], power: () => 7200 },
] as const;

let estimate: Estimator;
beforeAll(async () => {
  estimate = estimator({ kernel: await loadKernel(coreBytes()) });
});

describeWithFixtures(
  'real charging sessions, held back from 18 to 20 on every day',
  SETS.map(({ name }) => `data/${name}`),
  () => {
    test.each(SETS)('$name', { timeout: 120_000 }, ({ name, zone, point, power }) => {
      const calendar = { zone, holidays: new Set<string>(), excluded: new Map<string, string>() };
      const met = { sessions: 0, moved: 0, movedWh: 0, interrupted: 0, lifted: 0, early: 0 };
      for (const sessions of byPoint(name, point, power).values()) {
        for (const session of sessions) {
          const day = zone.dayOf(session.pluggedInAt);
          const window = { start: zone.startOf(day) + 18 * HOUR, end: zone.startOf(day) + 20 * HOUR };
          if (session.pluggedInAt >= window.end || session.pluggedOutAt! <= window.start) continue;
          const series = steered(session, window);
          const earlier = sessions.filter(({ pluggedOutAt }) => pluggedOutAt! <= series.start);
          const [found] = estimate(UNMANAGED, [{ ...series, sessions: [...earlier, session] }], calendar, {
            window,
            noticeAt: window.start - 4 * HOUR,
          });
          expect(found!.quality.status, session.sessionId).toBe('ok');
          const line =
            found!.evidence?.kind === 'ev_session'
              ? found!.evidence.sessions.find((one) => one.sessionId === session.sessionId)!
              : null;
          met.sessions++;
          if (line!.flags.includes('drew_more_than_stated')) met.lifted++;
          if (line!.flags.includes('plugged_in_early_after_notice')) met.early++;
          if (line!.energyBasis === 'metered' || line!.energyBasis === 'lower_bound')
            expect(line!.baselineWh, session.sessionId).toEqual(whole(line!.meteredWh)); // delivered over the session is zero
          else expect(compare(line!.baselineWh, whole(line!.energyWh))).toBeLessThanOrEqual(0);
          if (line!.flags.includes('interrupted')) met.interrupted++;
          // Each block's metered Wh was rounded down, and so the made-up car lags the unsteered one by less than a Wh a block.
          const least = inWindow(series, window) - series.importWh.length;
          if (line!.from === session.pluggedInAt) expect(compare(line!.windowWh, whole(least))).toBeGreaterThanOrEqual(0);
          const moved = Number(line!.windowWh.num / line!.windowWh.den) - inWindow(series, window);
          if (moved > 0) met.moved++;
          met.movedWh += moved;
        }
      }
      console.log(`${name}: ${JSON.stringify(met)}`);
      expect(met.sessions).toBeGreaterThan(500);
      expect(met.moved).toBeGreaterThan(100);
      expect(met.interrupted).toBeGreaterThan(10);
    });
  },
);

const whole = (wh: number): Rational => rational(BigInt(wh));

const inWindow = ({ start, importWh }: LoadSeries, window: { start: number; end: number }): number =>
  importWh.reduce((total, wh, i) => total + (start + i * STEP >= window.start && start + i * STEP < window.end ? wh : 0), 0);

/** Charges at its rate, but at a fifth of it inside the window; a car that runs out of time draws what is left in its last block. */
function steered(session: ChargingSession, window: { start: number; end: number }): LoadSeries {
  const start = Math.floor(session.pluggedInAt / STEP) * STEP;
  const blocks = Math.ceil((session.pluggedOutAt! - start) / STEP);
  const importWh = new Int32Array(Math.max(blocks, Math.ceil((window.end - start) / STEP)));
  let left = session.energyWh!;
  for (let t = 0; t < blocks && left > 0; t++) {
    const [from, to] = [Math.max(start + t * STEP, session.pluggedInAt), Math.min(start + (t + 1) * STEP, session.pluggedOutAt!)];
    const held = from >= window.start && from < window.end;
    importWh[t] = Math.min(left, Math.floor(((session.powerW / (held ? 5 : 1)) * (to - from)) / HOUR));
    left -= importWh[t]!;
  }
  return {
    ...{ meterId: session.sessionId, start, minutes: 15, importWh, exportWh: null, quality: null, temperature: null },
    ...{ marks: new Map(), connectedLoadW: null },
  };
}

/** Complete sessions with energy, of at most two days, by charge point. */
function byPoint(
  name: string,
  point: readonly string[],
  power: (row: Record<string, string>) => number,
): Map<string, ChargingSession[]> {
  const [head, ...lines] = gunzipSync(readFileSync(fixture('data', name, 'sessions.csv.gz')!))
    .toString()
    .trim()
    .split('\n');
  const columns = head!.split(',');
  const points = new Map<string, ChargingSession[]>();
  for (const text of lines) {
    const fields = [...text.matchAll(/("[^"]*"|[^,]*)(?:,|$)/g)].map((match) => match[1]!);
    const row = Object.fromEntries(columns.map((column, i) => [column, fields[i]!]));
    const [pluggedInAt, pluggedOutAt] = [Date.parse(row.plug_in!), Date.parse(row.plug_out!)];
    if (!(Number(row.energy_wh) > 0) || !(pluggedOutAt > pluggedInAt) || pluggedOutAt - pluggedInAt > 2 * DAY) continue;
    const key = point.map((column) => row[column]).join('/');
    points.set(key, points.get(key) ?? []);
    points.get(key)!.push({
      ...{ sessionId: row.session_id!, pluggedInAt, pluggedOutAt, energyWh: Number(row.energy_wh), plannedWh: null },
      ...{ powerW: power(row), driverId: row.user_id ?? null },
    });
  }
  return points;
}

/** "APT 22kW Dual Outlet" says 22 kW; others 7.2. */
function ratedPower({ model }: Record<string, string>): number {
  const kilowatts = /(\d+)\s*kW/i.exec(model!)?.[1];
  return kilowatts ? Number(kilowatts) * 1000 : 7200;
}
