import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { describeWithFixtures, fixture } from '../../test/fixtures.ts';
import { HOUR, MINUTE } from '../domain/interval.ts';
import { chanceOf, drawn } from '../evaluate/chance.ts';
import { EveryMeter, inLonger } from '../evaluate/every-meter.ts';
import { zoneDays } from '../host/zone.ts';
import { MISSING } from '../performance/kernel.ts';
import { type LoadSeries, loadSeries } from '../performance/load-series.ts';
import { readReadings } from '../performance/readings-csv.ts';
import { seriesOf } from '../performance/series.ts';
import { evLikeOf } from './sustained-steps.ts';

const READINGS = 'data/lcl/readings.csv.gz';
const SESSIONS = 'data/ev-trondheim/sessions.csv.gz';

/** Charging at home as it was: plug-in by local time, energy until plug-out. */
type Session = { readonly at: number; readonly wh: number; readonly hours: number };

/** Sessions of the first half of 2019 by user, on the clock of London homes of 2013: 1 January was a Tuesday in both years. */
function chargingOf(text: string): Map<string, Session[]> {
  const by = new Map<string, Session[]>();
  for (const line of text.split('\n').slice(1)) {
    const [, , user, , from, to, wh] = line.split(',');
    if (!from?.startsWith('2019-0') || from > '2019-07' || !to || !wh) continue;
    const local = (instant: string) => Date.parse(`${instant.slice(0, 19).replace('2019', '2013')}Z`);
    by.set(user!, [...(by.get(user!) ?? []), { at: local(from), wh: Number(wh), hours: (local(to) - local(from)) / HOUR }]);
  }
  return by;
}

/** A home that also charges: from plug-in at full power until the energy is there. `laid` is what was added where there are readings. */
function withCharging(home: LoadSeries, sessions: readonly Session[], watts: number): { home: LoadSeries; laid: Float64Array } {
  const laid = new Float64Array(home.importWh.length);
  const step = home.minutes * MINUTE;
  for (const { at, wh } of sessions) {
    const end = at + (wh / watts) * HOUR;
    for (let i = Math.max(0, Math.floor((at - home.start) / step)); home.start + i * step < end && i < laid.length; i++) {
      const from = Math.max(at, home.start + i * step);
      laid[i]! += (watts * Math.max(0, Math.min(end, home.start + (i + 1) * step) - from)) / HOUR;
    }
  }
  const importWh = home.importWh.map((wh, i) => (wh === MISSING ? MISSING : wh + Math.round(laid[i]!)));
  return { home: { ...home, importWh }, laid };
}

const CHARGING = 30;
const DAYS = 181;
/** A session in a fortnight, or the home is not one that charges. */
const LEAST = 13;

describeWithFixtures('EV-like load, where it is known who charges', [READINGS, SESSIONS], () => {
  const everything = (async () => {
    const rows = new EveryMeter();
    await readReadings(fixture(READINGS)!, rows);
    const homes = [...rows.keys()].sort().map((id) => loadSeries(id, seriesOf(rows.get(id)), 30));
    const users = [...chargingOf(gunzipSync(readFileSync(fixture(SESSIONS)!)).toString())].sort(([a], [b]) => (a < b ? -1 : 1));
    const drivers = users.flatMap(([, sessions]) => (sessions.length >= LEAST ? [sessions] : []));
    return { homes, drivers };
  })();

  /** Of 30 homes that charge and 70 that do not, as far as anybody knows: some of London's may have had a heater that looks the same. */
  test.each<[watts: number, minutes: number, recall: number, energy: number]>([
    [3600, 30, 0.8, 0.7],
    [7200, 30, 0.8, 0.7],
    [3600, 60, 0.8, 0.7],
    // Half of the sessions are shorter than two hours there, and show no plateau.
    [7200, 60, 0.6, 0.4],
  ])(
    'at %i W in readings of %i minutes it is found who charges, when, and how much',
    {
      timeout: 120_000,
    },
    async (watts, minutes, leastRecall, leastEnergy) => {
      const { homes, drivers } = await everything;
      const among = drawn(CHARGING, homes.length, chanceOf(1));
      const read = (home: LoadSeries) => (minutes === 30 ? home : inLonger(home, minutes, zoneDays('UTC')));
      const energy = { laid: 0, found: 0, both: 0 };
      let charging = 0;
      among.forEach((h, i) => {
        const { home, laid } = withCharging(homes[h]!, drivers[i % drivers.length]!, watts);
        const whole = read(home);
        const put = read({ ...home, importWh: Int32Array.from(laid) }).importWh;
        const ev = evLikeOf(whole, DAYS);
        if (ev) charging++;
        put.forEach((wh, at) => {
          if (whole.importWh[at] === MISSING) return;
          const seen = ((ev?.watts[at] ?? 0) * minutes) / 60;
          energy.laid += wh;
          energy.found += seen;
          energy.both += Math.min(wh, seen);
        });
      });
      const wrong = homes.filter((home, h) => !among.includes(h) && evLikeOf(read(home), DAYS) !== null).length;
      const percent = (share: number) => `${Math.round(100 * share)} %`;
      console.log(
        `EV-like at ${watts} W, ${minutes} minutes: recall ${charging} of ${CHARGING} homes, precision ${percent(charging / (charging + wrong))} ` +
          `(${wrong} of ${homes.length - CHARGING} others named); energy ${percent(energy.found / energy.laid)} of what was laid, ` +
          `${percent(energy.both / energy.laid)} at its time, ${percent(energy.both / energy.found)} of what is found is charging`,
      );
      expect(charging / CHARGING).toBeGreaterThanOrEqual(leastRecall);
      expect(charging / (charging + wrong)).toBeGreaterThanOrEqual(0.8);
      expect(energy.found / energy.laid).toBeGreaterThan(leastEnergy);
      expect(energy.found / energy.laid).toBeLessThan(1.15);
      expect(energy.both / energy.found).toBeGreaterThan(0.75);
    },
  );
});
