import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import { type Kernel, loadKernel, MISSING } from '../../services/performance/kernel.ts';
import { fraction, type Hourly, leastSquares, number, range, towt } from './regression.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
});

/** Within rounding of f64 for problems as well posed as these; integers of a few digits. */
const near = (got: number, wanted: number, size: number) => Math.abs(got - wanted) <= 1e-7 * Math.max(1, size);

test('degree-hours agree with fractions of bigint, also where columns say the same or nothing', { timeout: 60_000 }, () => {
  const row = fc.record({
    wh: fc.option(fc.integer({ min: -2000, max: 5000 })),
    degrees: fc.option(fc.integer({ min: 0, max: 40 })),
  });
  const met = { full: 0, deficient: 0, none: 0, floored: 0 };
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 14 }),
      fc.integer({ min: 0, max: 40 }),
      fc.constantFrom(0, 20, 60),
      (rows, now, span) => {
        // span 0: no degree lies between the balance points; 60: all do, and both columns are zero.
        const [cooling, heating] = span === 60 ? [60, -20] : [24, 24 - span];
        const model = kernel.weather.degreeHours(
          { scale: 1, cooling, heating },
          {
            ...{ days: rows.length, slots: 1, eventHeat: Int32Array.of(now) },
            wh: Int32Array.from(rows, ({ wh }) => wh ?? MISSING),
            heat: Int32Array.from(rows, ({ degrees }) => degrees ?? MISSING),
          },
        );
        const used = rows.filter(({ wh, degrees }) => wh !== null && degrees !== null);
        expect(model.rows[0]).toBe(used.length);
        if (used.length === 0) {
          met.none++;
          expect(model.baseline[0]).toBeNaN();
          return;
        }
        const line = (t: number) => [1, Math.max(t - cooling, 0), Math.max(heating - t, 0)].map((x) => fraction(x));
        const wanted = leastSquares(
          used.map(({ degrees }) => line(degrees!)),
          used.map(({ wh }) => fraction(wh!)),
          used.map(() => fraction(1)),
        ).map(number);
        const size = Math.max(...wanted.map(Math.abs), 1);
        for (const [i, coefficient] of wanted.entries()) expect(near(model.coefficient[i]!, coefficient, size)).toBe(true);
        const predicted = line(now).reduce((total, x, i) => total + number(x) * wanted[i]!, 0);
        expect(near(model.baseline[0]!, Math.max(0, predicted), size * 40)).toBe(true);
        if (predicted < 0) met.floored++;
        met[model.rank[0] === 3 ? 'full' : 'deficient']++;
      },
    ),
    { numRuns: 3000, seed: 20261125 },
  );
  console.log(`degree-hours: ${JSON.stringify(met)}`);
  for (const [corner, times] of Object.entries(met)) expect(times, corner).toBeGreaterThan(20);
});

test('time of week and temperature agrees with fractions of bigint, thin bins and weightless months included', {
  timeout: 120_000,
}, () => {
  const met = { occupied: 0, joined: 0, none: 0, deficient: 0, split: 0 };
  const numbers = { edges: [10, 20, 30], hot: 24, cold: 12, share: fraction(13, 20), least: 3 };
  const hours = [0, 5, 100];
  const row = fc.record({
    wh: fc.option(fc.integer({ min: 0, max: 900 }), { freq: 12 }),
    degrees: fc.option(fc.integer({ min: -2, max: 41 }), { freq: 12 }),
    hour: fc.constantFrom(...hours),
    month: fc.constantFrom(0, 1, 2, 11),
  });
  const some = fc.oneof(fc.array(row, { maxLength: 12 }), fc.array(row, { minLength: 40, maxLength: 60 }));
  const constant = fc.constantFrom(null, null, 25);
  fc.assert(
    fc.property(some, constant, fc.constantFrom(0 as const, 1 as const), (drawn, fixed, neighbour) => {
      const rows: Hourly[] = drawn.map((one) => (fixed === null || one.degrees === null ? one : { ...one, degrees: fixed }));
      const terms = {
        ...{ scale: 1, edges: Int32Array.from(numbers.edges), hot: numbers.hot, cold: numbers.cold },
        ...{ occupiedShare: { num: 13, den: 20 }, leastRows: numbers.least, neighbour },
      };
      const columns = {
        wh: Int32Array.from(rows, ({ wh }) => wh ?? MISSING),
        heat: Int32Array.from(rows, ({ degrees }) => degrees ?? MISSING),
        hour: Uint8Array.from(rows, ({ hour }) => hour),
        month: Uint8Array.from(rows, ({ month }) => month),
      };
      const model = kernel.weather.fitMonths(terms, [0], columns);
      const oracle = towt(rows, 0, { ...numbers, neighbour });
      const asked = [...hours, 7].flatMap((hour) => [-1, 15, 25, 35].map((degrees) => ({ hour, degrees })));
      const predicted = kernel.weather.predict(terms, model, {
        heat: Int32Array.from(asked, ({ degrees }) => degrees),
        hour: Uint8Array.from(asked, ({ hour }) => hour),
        month: new Uint8Array(asked.length),
      });
      if (oracle === null) {
        met.none++;
        expect(predicted.every(Number.isNaN)).toBe(true);
        return;
      }
      expect(range(168).filter((hour) => model.occupied[hour])).toEqual(oracle.occupied);
      oracle.kept.forEach((edges, state) => {
        expect(numbers.edges.filter((_, e) => model.kept[state * 3 + e])).toEqual(edges);
        if (edges.length < 3) met.joined++;
        if (edges.length > 0) met.split++;
      });
      if (oracle.occupied.length > 0) met.occupied++;
      if (model.rank[0]! < new Set(columns.hour).size + 2) met.deficient++;
      asked.forEach(({ hour, degrees }, i) => {
        const wanted = oracle.predict(hour, degrees);
        if (wanted === null) expect(predicted[i]).toBeNaN();
        else expect(near(predicted[i]!, number(wanted), 1e4), `${predicted[i]} for ${number(wanted)}`).toBe(true);
      });
    }),
    { numRuns: 300, seed: 20261125 },
  );
  console.log(`time of week: ${JSON.stringify(met)}`);
  for (const [corner, times] of Object.entries(met)) expect(times, corner).toBeGreaterThan(5);
});

test('twice the load is twice the model, bit for bit; rows in another order are the same model within rounding', () => {
  const count = 24 * 90;
  const columns = {
    wh: Int32Array.from(range(count), (i) => 400 + ((i * 7919) % 1009)),
    heat: Int32Array.from(range(count), (i) => 200_000 + ((i * 104_729) % 170_003)),
    hour: Uint8Array.from(range(count), (i) => i % 168),
    month: Uint8Array.from(range(count), (i) => Math.floor(i / 720)),
  };
  const terms = {
    ...{ scale: 9000, edges: Int32Array.from([22, 26, 30, 34], (edge) => edge * 9000), hot: 24 * 9000, cold: 18 * 9000 },
    ...{ occupiedShare: { num: 13, den: 20 }, leastRows: 20, neighbour: 1 as const },
  };
  const model = kernel.weather.fitMonths(terms, [1], columns);
  const doubled = kernel.weather.fitMonths(terms, [1], { ...columns, wh: columns.wh.map((wh) => 2 * wh) });
  expect(Array.from(doubled.coefficient)).toEqual(Array.from(model.coefficient, (value) => 2 * value));
  const order = range(count).sort((a, b) => ((a * 31) % count) - ((b * 31) % count));
  const turned = kernel.weather.fitMonths(terms, [1], {
    wh: Int32Array.from(order, (i) => columns.wh[i]!),
    heat: Int32Array.from(order, (i) => columns.heat[i]!),
    hour: Uint8Array.from(order, (i) => columns.hour[i]!),
    month: Uint8Array.from(order, (i) => columns.month[i]!),
  });
  for (const [i, value] of turned.coefficient.entries()) expect(Math.abs(value - model.coefficient[i]!)).toBeLessThan(1e-6);
});

test('nothing that goes in brings a NaN out, or an infinity', () => {
  const hostile = fc.record({
    wh: fc.constantFrom(MISSING, 0, 1, -(2 ** 31) + 1, 2 ** 31 - 1),
    heat: fc.constantFrom(MISSING, 0, 1, -(2 ** 31) + 1, 2 ** 31 - 1),
    hour: fc.constantFrom(0, 167, 200),
    month: fc.constantFrom(0, 1, 200),
  });
  fc.assert(
    fc.property(fc.array(hostile, { maxLength: 40 }), (rows) => {
      const columns = {
        wh: Int32Array.from(rows, ({ wh }) => wh),
        heat: Int32Array.from(rows, ({ heat }) => heat),
        hour: Uint8Array.from(rows, ({ hour }) => hour),
        month: Uint8Array.from(rows, ({ month }) => month),
      };
      const terms = {
        ...{ scale: 1, edges: Int32Array.of(-5, 0, 5), hot: 0, cold: 0, occupiedShare: { num: 1, den: 2 }, leastRows: 1 },
        neighbour: 2 as const,
      };
      const model = kernel.weather.fitMonths(terms, [0, 11], columns);
      for (const column of [model.coefficient, model.squares, model.weight, model.load])
        expect(column.every(Number.isFinite)).toBe(true);
      const degree = kernel.weather.degreeHours(
        { scale: 1, cooling: 0, heating: 0 },
        { days: rows.length, slots: 1, wh: columns.wh, heat: columns.heat, eventHeat: Int32Array.of(2 ** 31 - 1) },
      );
      expect([...degree.coefficient, ...degree.squares].every(Number.isFinite)).toBe(true);
    }),
    { numRuns: 2000, seed: 7 },
  );
});
