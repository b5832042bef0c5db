import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { HOUR } from '../../services/domain/interval.ts';
import { coreBytes } from '../../services/host/core-file.ts';
import { type Kernel, loadKernel } from '../../services/performance/kernel.ts';
import { charge } from './sessions.ts';

const WH = 3_600_000n;
let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

const blocks = 6;
const session = fc.record({
  energy: fc.integer({ min: 0, max: 40 }),
  power: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: blocks, maxLength: blocks }),
  metered: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 12 })), { minLength: blocks, maxLength: blocks }),
});
const site = fc.array(fc.option(fc.integer({ min: 0, max: 20 })), { minLength: blocks, maxLength: blocks });

test('the core charges as one who deals out single watt-hours does', () => {
  const met = { lifted: 0, short: 0, limited: 0 };
  fc.assert(
    fc.property(fc.array(session, { minLength: 1, maxLength: 4 }), site, (sessions, limits) => {
      const result = kernel.sessions.unsteered({
        ...{ sessions: sessions.length, blocks, blockMs: HOUR },
        energy: Int32Array.from(sessions, ({ energy }) => energy),
        power: Int32Array.from(sessions.flatMap(({ power }) => power)),
        allowed: new Int32Array(sessions.length * blocks).fill(HOUR),
        metered: Int32Array.from(sessions.flatMap(({ metered }) => metered)),
        site: Int32Array.from(limits, (limit) => limit ?? -1),
      });
      const wanted = charge(
        sessions.map(({ energy, power, metered }) => ({ energy, cap: power, metered })),
        limits,
      );
      expect(Array.from(result.baseline, (watts) => Number(watts / WH))).toEqual(wanted.baseline.flat());
      expect(Array.from(result.short, (watts) => Number(watts / WH))).toEqual(wanted.short);
      expect(Array.from(result.flags, (flag) => (flag & 1) === 1)).toEqual(wanted.lifted);

      sessions.forEach(({ energy, power, metered }, s) => {
        const own = wanted.baseline[s]!;
        const drawn = metered.reduce((a, b) => a + b, 0);
        if (energy <= drawn) expect(own.reduce((a, b) => a + b, 0)).toBe(energy);
        for (const [t, wh] of own.entries()) expect(wh).toBeLessThanOrEqual(Math.max(power[t]!, metered[t]!));
        if (wanted.lifted[s]) met.lifted++;
        if (wanted.short[s]! > 0) met.short++;
      });
      const together = limits.map((_, t) => wanted.baseline.reduce((sum, own) => sum + own[t]!, 0));
      const broken = limits.some(
        (limit, t) => limit !== null && together[t]! > Math.max(limit, sum(sessions.map(({ metered }) => metered[t]!))),
      );
      expect(Array.from(result.flags).some((flag) => flag & 2)).toBe(broken);
      if (limits.some((limit, t) => limit !== null && together[t] === limit)) met.limited++;
    }),
    { numRuns: 5000, seed: 20261125 },
  );
  console.log(`sessions: ${JSON.stringify(met)}`);
  for (const [corner, times] of Object.entries(met)) expect(times, corner).toBeGreaterThan(100);
});

test('a car that draws no more than its rate is never behind the metered one unsteered, and no limit is broken', () => {
  const steered = fc.record({
    rate: fc.integer({ min: 1, max: 12 }),
    shares: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: blocks, maxLength: blocks }),
  });
  fc.assert(
    fc.property(fc.array(steered, { minLength: 1, maxLength: 4 }), site, (cars, limits) => {
      const metered = cars.map(({ rate, shares }) => shares.map((share) => Math.min(rate, share)));
      const energy = metered.map(sum);
      const result = kernel.sessions.unsteered({
        ...{ sessions: cars.length, blocks, blockMs: HOUR, energy: Int32Array.from(energy) },
        power: Int32Array.from(cars.flatMap(({ rate }) => Array.from({ length: blocks }, () => rate))),
        allowed: new Int32Array(cars.length * blocks).fill(HOUR),
        metered: Int32Array.from(metered.flat()),
        site: Int32Array.from(limits, (limit) => limit ?? -1),
      });
      cars.forEach((_, s) => {
        let [charged, drawn] = [0n, 0n];
        for (let t = 0; t < blocks; t++) {
          charged += result.baseline[s * blocks + t]!;
          drawn += BigInt(metered[s]![t]!) * WH;
          expect(charged >= drawn).toBe(true);
        }
        expect(charged).toBe(drawn); // delivered over the session is zero: only its timing is worth anything
      });
      expect(Array.from(result.flags)).toEqual(cars.map(() => 0));
      limits.forEach((limit, t) => {
        const charged = cars.reduce((total, _, s) => total + result.baseline[s * blocks + t]!, 0n);
        if (limit !== null) expect(charged <= BigInt(Math.max(limit, sum(metered.map((own) => own[t]!)))) * WH).toBe(true);
      });
    }),
    { numRuns: 3000, seed: 5 },
  );
});

test('at the bound nothing overflows, beyond it everything is refused', () => {
  const day = 24 * HOUR;
  const full = (value: number, length = 4096 * 2) => new Int32Array(length).fill(value);
  const most = {
    ...{ sessions: 4096, blocks: 2, blockMs: day, power: full(10_000_000), allowed: full(day), metered: full(240_000_000) },
    ...{ energy: full(2 ** 31 - 1, 4096), site: full(10_000_000, 2) },
  };
  const { baseline } = kernel.sessions.unsteered(most);
  expect(baseline.every((watts) => watts === 240_000_000n * WH)).toBe(true);
  for (const over of [
    { power: full(10_000_001) },
    { power: full(-1) },
    { metered: full(240_000_001) },
    { metered: full(-1) },
    { allowed: full(day + 1) },
    { energy: full(-1, 4096) },
    { site: full(-2, 2) },
    { blockMs: 0 },
    { energy: full(1, 3) },
  ])
    expect(() => kernel.sessions.unsteered({ ...most, ...over })).toThrow(RangeError);
});

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
