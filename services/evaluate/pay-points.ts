import { roundHalfAway } from '../domain/money.ts';
import { ONE, type Rational, rational, ZERO } from '../domain/rational.ts';
import { scaleOf } from '../settlement/credit.ts';
import { wattHours } from '../settlement/credit-columns.ts';
import { type IntegerEnergy, integerEnergy, integerPay, type SettledIntervals } from '../settlement/credit-integers.ts';
import { exactBaseline, type Measured } from './measure.ts';
import { type HomeTerms, inParts, type Paid, type Payer } from './paid.ts';
import type { JudgedTerms } from './terms.ts';

/** One home and part of an occasion before anything is reconciled; null where there is no baseline. */
type Earned = {
  readonly of: SettledIntervals;
  readonly energy: IntegerEnergy;
  /** Millionths of a Wh, halves away from zero, as they go into a portfolio's sums. */
  readonly individual: bigint;
  readonly delivered: bigint;
  readonly alone: Amount;
} | null;
type Amount = { readonly wh: number; readonly micros: number; readonly penaltyMicros: number };

/**
 * Settlement point by settlement point, for whatever terms there are. Where the terms net by cycle, the occasions of a civil month in their
 * order are its events: each home carries what it was short of into the next, whichever of them are asked for together.
 */
export function pointsPayer(measured: Measured, terms: JudgedTerms, homes: HomeTerms): Payer {
  const { pay } = terms;
  const carries = pay.netting === 'NET_CYCLE' ? carriesOf(measured, terms, homes) : null;
  const known = new Map<number, Earned>();
  const earned = (part: number, home: number): Earned => {
    const cell = part * measured.homes + home;
    const before = known.get(cell);
    if (before !== undefined) return before;
    const found = earnedOf(settledOf(measured, terms, homes, part, home), terms, carries?.[cell] ?? ZERO);
    known.set(cell, found);
    return found;
  };
  const ofPart = (part: number, among: readonly number[]): Paid => {
    const all = among.flatMap((home) => earned(part, home) ?? []);
    const individuals = all.reduce((sum, { individual }) => sum + individual, 0n);
    const delivered = all.reduce((sum, one) => sum + one.delivered, 0n);
    const scale = scaleOf(wattHours(individuals), wattHours(delivered), pay);
    const isWhole = scale.num === scale.den;
    const total = { wh: 0, micros: 0, penaltyMicros: 0, aloneWh: 0, aloneMicros: 0 };
    for (const { of, energy, alone } of all) {
      const together = isWhole ? alone : amountOf(of, energy, scale, terms);
      total.wh += together.wh;
      total.micros += together.micros;
      total.penaltyMicros += together.penaltyMicros;
      total.aloneWh += alone.wh;
      total.aloneMicros += alone.micros;
    }
    return total;
  };
  return Object.assign(inParts(measured, ofPart), { way: 'points' as const });
}

function earnedOf(of: SettledIntervals | null, terms: JudgedTerms, carry: Rational): Earned {
  if (!of) return null;
  const energy = integerEnergy(of, terms.pay, carry);
  const [individual, delivered] = [energy.individual, energy.delivered].map((wh) => roundHalfAway(wh * MILLION, energy.den));
  return { of, energy, individual: individual!, delivered: delivered!, alone: amountOf(of, energy, ONE, terms) };
}

const MILLION = 1_000_000n;

function amountOf(of: SettledIntervals, energy: IntegerEnergy, scale: Rational, { pay }: JudgedTerms): Amount {
  const { wh, micros, penaltyMicros } = integerPay(of, energy, scale, pay);
  return { wh: Number(wh), micros: Number(micros), penaltyMicros: Number(penaltyMicros) };
}

/** Of each cell what the home carries into it from the earlier ones of the month. */
function carriesOf(measured: Measured, terms: JudgedTerms, homes: HomeTerms): Rational[] {
  const carries = new Array<Rational>(measured.parts.length * measured.homes).fill(ZERO);
  const order = measured.parts.map((_, part) => part);
  order.sort((a, b) => measured.parts[a]!.window.start - measured.parts[b]!.window.start);
  const ofEvent = { ...terms.pay, netting: 'NET_EVENT' as const, floorZero: false };
  for (let home = 0; home < measured.homes; home++) {
    let [month, carry] = ['', ZERO];
    for (const part of order) {
      const { day } = measured.parts[part]!;
      if (day.slice(0, 7) !== month) [month, carry] = [day.slice(0, 7), ZERO];
      carries[part * measured.homes + home] = carry;
      const of = settledOf(measured, terms, homes, part, home);
      if (!of) continue;
      const { individual, den } = integerEnergy(of, ofEvent);
      carry = rational(carry.num * den + individual * carry.den, carry.den * den);
    }
  }
  return carries;
}

/**
 * The settled intervals of a home and part of an occasion, of the terms' own length: longer readings are parted evenly, shorter ones put together, and a
 * gap in one of them is a gap of the whole. Null without a baseline.
 */
function settledOf(
  measured: Measured,
  { pay, sign }: JudgedTerms,
  homes: HomeTerms,
  part: number,
  home: number,
): SettledIntervals | null {
  const cell = part * measured.homes + home;
  const made = measured.made[cell];
  if (measured.status[cell] !== 'ok' || !made) return null;
  const { numerators, denominator } = exactBaseline(made);
  const parts = Math.max(1, measured.minutes / pay.intervalMinutes);
  const joined = Math.max(1, pay.intervalMinutes / measured.minutes);
  const [delivered, baseline, places]: [bigint[], bigint[], number[]] = [[], [], []];
  for (let whole = 0; whole * joined < numerators.length; whole++) {
    let [promised, metered] = [0n, 0];
    for (let i = whole * joined; i < (whole + 1) * joined; i++) {
      promised += numerators[i]!;
      metered += measured.actual[cell * measured.width + i]!;
    }
    if (Number.isNaN(metered)) continue;
    const apart = promised - BigInt(metered) * denominator;
    for (let i = 0; i < parts; i++) {
      delivered.push(sign === 1 ? apart : -apart);
      baseline.push(promised);
      places.push(whole * parts + i);
    }
  }
  return {
    ...{ denominator: denominator * BigInt(parts), delivered, baseline, places },
    ...{
      committedW: homes.committed[home]!,
      household: homes.household[home]!,
      optOuts: homes.optOuts(measured.parts[part]!.occasion, home),
    },
  };
}
