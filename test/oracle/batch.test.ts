import { beforeAll, describe, expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import { type BatchAnswers, fill } from '../../services/performance/batch.ts';
import { type EstimateInput, type Estimates, type Kernel, loadKernel, MISSING } from '../../services/performance/kernel.ts';
import { crowd } from './crowd.ts';
import { columnsOf, extremeBatch, batch as homes } from './homes.ts';

const SEED = 20251101;
/** Lanes a kind of crowd; the long variant looks for what only many find. */
const LANES = process.env.LACHAK_LONG ? 4_000_000 : 60_000;

let kernel: Kernel;
/** Of its own memory: the exact core's columns would lie where the batch's do. */
let own: Kernel;
beforeAll(async () => {
  kernel = await loadKernel(coreBytes());
  own = await loadKernel(coreBytes());
});

describe('the batch says what the exact core says, bit for bit', () => {
  test.each(['i16', 'i32'] as const)('random shapes and terms, hostile readings, %s', { timeout: 3_600_000 }, (type) => {
    let [lanes, redone] = [0, 0];
    for (let seed = SEED; lanes < LANES; seed++) {
      const input = crowd(seed, type);
      redone += agree(input, type, `crowd ${seed}`);
      lanes += input.meters;
    }
    console.log(`batch ${type}: ${lanes} lanes, ${redone} redone`);
  });

  test('homes built on ties, halves and caps', { timeout: 3_600_000 }, () => {
    let [lanes, redone] = [0, 0];
    for (let seed = SEED; lanes < LANES; seed++) {
      const input = columnsOf(homes(seed, 101));
      redone += agree(input, 'i32', `homes ${seed}`);
      if (narrow(input)) redone += agree(input, 'i16', `homes ${seed}`);
      lanes += input.meters;
    }
    console.log(`batch: ${lanes} homes, ${redone} redone`);
    expect(redone).toBeLessThan(lanes);
  });

  test('at the bound of readings, days, slots and fractions', { timeout: 3_600_000 }, () => {
    for (let seed = SEED; seed < SEED + 4; seed++) agree(columnsOf(extremeBatch(seed, 3)), 'i32', `extreme ${seed}`);
  });
});

/** Throws at the first cell that differs; returns how many lanes were redone. */
function agree(input: EstimateInput, type: 'i16' | 'i32', place: string): number {
  const { meters, days, eventSlots, windowSlots, notSettled } = input;
  const door = own.batch.open({ meters, days, eventSlots, windowSlots, width: type === 'i16' ? 2 : 4 });
  const cells = (column: Int32Array) =>
    type === 'i32' ? column : Int16Array.from(column, (wh) => (wh === MISSING ? -32768 : wh));
  fill(door, {
    history: cells(input.history),
    actual: cells(input.actual),
    excluded: input.excluded,
    ...(notSettled && { notSettled }),
  });
  const answers = own.batch.run(input.spec, { excluded: true, notSettled: notSettled !== undefined });
  const wanted = kernel.estimate(input);
  for (let m = 0; m < meters; m++) {
    const fault = difference(answers, wanted, eventSlots, m);
    if (fault) {
      const lane = lanesOf(input, m);
      expect.fail(
        `${place} ${type}, lane ${m} of ${meters}: ${fault}; ${JSON.stringify(input.spec)} ${JSON.stringify(lane)}`.slice(
          0,
          5000,
        ),
      );
    }
  }
  return answers.redone.length;
}

function difference(got: BatchAnswers, wanted: Estimates, eventSlots: number, m: number): string | null {
  const wide = (got.flags[m]! & 16) !== 0;
  const ok = wanted.status[m] === 0;
  const cell = (column: BigInt64Array, at: number) => (column[2 * at + 1]! << 64n) | BigInt.asUintN(64, column[2 * at]!);
  const small = (value: bigint) => Number.isSafeInteger(Number(value));
  const rows: [string, number, number][] = [
    ['status', got.status[m]!, wanted.status[m]!],
    ['flags', got.flags[m]! & 15, ok ? wanted.flags[m]! : 0],
    ['k', got.selectedCount[m]!, wanted.selectedCount[m]!],
    ['missing', got.missingCount[m]!, wanted.missingCount[m]!],
    ['not settled', got.notSettledCount[m]!, wanted.notSettledCount[m]!],
    ['observed', got.observed[m]!, ok && wanted.observed[m] !== -(2n ** 63n) ? Number(wanted.observed[m]) : Number.NaN],
    ['reference', got.reference[m]!, ok ? Number(wanted.reference[m]) : Number.NaN],
    ['denominator', got.denominator[m]!, ok ? Number(wanted.denominator[m]) : Number.NaN],
    ['actual total', got.actualTotal[m]!, Number(wanted.actualTotal[m])],
    ['baseline total', got.baselineTotalWh[m]!, wanted.baselineTotalWh[m]!],
    ['delivered total', got.deliveredTotalWh[m]!, wanted.deliveredTotalWh[m]!],
  ];
  for (const [name, column, exact] of [
    ['baseline numerator', got.baselineTotal, wanted.baselineTotal],
    ['delivered numerator', got.deliveredTotal, wanted.deliveredTotal],
  ] as const) {
    const value = cell(exact, m);
    rows.push([name, column[m]!, ok && (!wide || small(value)) ? Number(value) : Number.NaN]);
  }
  for (let s = 0; s < eventSlots; s++) {
    const [own, other] = [s * got.stride + m, s * wanted.meters + m];
    const fits = (wh: number) => (Number.isNaN(wh) || (wide && Math.abs(wh) >= 2 ** 31) ? MISSING : wh);
    if (!wide) rows.push([`c[${s}]`, got.sum[own]!, ok ? Number(wanted.sum[other]) : got.sum[own]!]);
    rows.push([`baseline[${s}]`, got.baselineWh[own]!, fits(wanted.baselineWh[other]!)]);
    rows.push([`delivered[${s}]`, got.deliveredWh[own]!, fits(wanted.deliveredWh[other]!)]);
  }
  const wrong = rows.find(([, a, b]) => !Object.is(a, b));
  return wrong ? `${wrong[0]} is ${wrong[1]}, the exact core says ${wrong[2]}` : null;
}

/** One lane, for a message that can be tried again. */
function lanesOf({ meters, days, eventSlots, windowSlots, history, actual, excluded, notSettled }: EstimateInput, m: number) {
  const column = (list: ArrayLike<number>, rows: number) => Array.from({ length: rows }, (_, r) => list[r * meters + m]);
  const slots = eventSlots + windowSlots;
  return {
    history: Array.from({ length: days }, (_, d) => column(history.subarray(d * slots * meters), slots)),
    actual: column(actual, slots),
    excluded: column(excluded, days),
    dark: notSettled && column(notSettled, eventSlots),
  };
}

const narrow = ({ history, actual }: EstimateInput) =>
  [history, actual].every((column) => column.every((wh) => wh === MISSING || Math.abs(wh) <= 32767));
