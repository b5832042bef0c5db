import { type Instant, MINUTE } from '../domain/interval.ts';
import { exact, ONE, type Rational, rational, ZERO } from '../domain/rational.ts';
import { type CreditedEnergy, carried, creditedEnergy, scaleOf, toMillionth } from '../settlement/credit.ts';
import { wattHours } from '../settlement/credit-columns.ts';
import { payFor } from '../settlement/pay.ts';
import type { Point, Slot } from '../settlement/point.ts';
import { exactBaseline, type Measured } from './measure.ts';
import type { JudgedTerms } from './terms.ts';
import type { HomeTerms, Paid, Payer } from './would-pay.ts';

/** One home and occasion before anything is reconciled; null where there is no baseline. */
type Earned = {
  readonly point: Point;
  readonly energy: CreditedEnergy;
  /** Millionths of a Wh, as they go into a portfolio's sums. */
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
  const earned = (o: number, home: number): Earned => {
    const cell = o * measured.homes + home;
    const before = known.get(cell);
    if (before !== undefined) return before;
    const found = earnedOf(pointOf(measured, terms, homes, o, home), terms, carries?.[cell] ?? ZERO);
    known.set(cell, found);
    return found;
  };
  const paid = (o: number, among: readonly number[]): Paid => {
    const all = among.flatMap((home) => earned(o, home) ?? []);
    const individuals = all.reduce((sum, { individual }) => sum + individual, 0n);
    const delivered = all.reduce((sum, one) => sum + one.delivered, 0n);
    const scale = scaleOf(wattHours(individuals), wattHours(delivered), pay);
    const isWhole = scale.num === scale.den;
    const total = { wh: 0, micros: 0, penaltyMicros: 0, aloneWh: 0, aloneMicros: 0 };
    for (const { point, energy, alone } of all) {
      const together = isWhole ? alone : amountOf(point, energy, scale, terms);
      total.wh += together.wh;
      total.micros += together.micros;
      total.penaltyMicros += together.penaltyMicros;
      total.aloneWh += alone.wh;
      total.aloneMicros += alone.micros;
    }
    return total;
  };
  return Object.assign(paid, { way: 'points' as const });
}

function earnedOf(point: Point | null, terms: JudgedTerms, carry: Rational): Earned {
  const energy = point && creditedEnergy(point, terms.pay, carry);
  if (!point || !energy) return null;
  const [individual, delivered] = [energy.individual, energy.delivered].map(millionths);
  return { point, energy, individual: individual!, delivered: delivered!, alone: amountOf(point, energy, ONE, terms) };
}

const millionths = (energy: Rational): bigint => {
  const { num, den } = toMillionth(energy);
  return (num * 1_000_000n) / den;
};

function amountOf(point: Point, energy: CreditedEnergy, scale: Rational, { pay }: JudgedTerms): Amount {
  const { energyWh, micros, lines } = payFor(point, energy, scale, pay);
  const penalties = lines.reduce((sum, line) => (line.kind === 'PENALTY' ? sum - line.micros : sum), 0n);
  return { wh: Number(energyWh), micros: Number(micros), penaltyMicros: Number(penalties) };
}

/** Of each cell what the home carries into it from the earlier occasions of the month. */
function carriesOf(measured: Measured, terms: JudgedTerms, homes: HomeTerms): Rational[] {
  const carries = new Array<Rational>(measured.occasions.length * measured.homes).fill(ZERO);
  const order = measured.occasions.map((_, o) => o);
  order.sort((a, b) => measured.occasions[a]!.event.window.start - measured.occasions[b]!.event.window.start);
  for (let home = 0; home < measured.homes; home++) {
    let [month, carry] = ['', ZERO];
    for (const o of order) {
      const { day } = measured.occasions[o]!;
      if (day.slice(0, 7) !== month) [month, carry] = [day.slice(0, 7), ZERO];
      carries[o * measured.homes + home] = carry;
      const point = pointOf(measured, terms, homes, o, home);
      if (point) {
        const { num, den } = carried(point, terms.pay);
        carry = rational(carry.num * den + num * carry.den, carry.den * den);
      }
    }
  }
  return carries;
}

/** A home and occasion as settlement sees it; null without a baseline. */
export function pointOf(measured: Measured, terms: JudgedTerms, homes: HomeTerms, o: number, home: number): Point | null {
  const cell = o * measured.homes + home;
  const made = measured.made[cell];
  if (measured.status[cell] !== 'ok' || !made) return null;
  const { event } = measured.occasions[o]!;
  const slots = slotsOf(measured, terms, cell, event.window.start, (event.window.end - event.window.start) / MINUTE);
  const left = homes.optOuts(o, home);
  return {
    ...{ settlementPointId: String(home).padStart(9, '0'), connectionId: '', participantId: '', organisationId: '' },
    ...{ role: 'CHOSEN', status: 'ok', flags: [], shard: 0, slots, committedW: homes.committed[home]! },
    ...{ candidateDays: [], selectedDays: [], scoresWh: [], lowUsageRejected: [], excludedDays: [] },
    ...{ adjustment: null, totals: null, missingIntervals: measured.missing[cell]!, unservedIntervals: 0 },
    ...{ meterIds: [], meterDays: [], enrolmentId: '', readingsConsentId: '', billingConsentId: '' },
    household: homes.household[home]!,
    ...(left > 0 && { optOuts: left }),
  };
}

/**
 * Intervals of the terms' own length: longer readings are parted evenly, shorter ones put together, and a gap in one of them is a gap of the
 * whole.
 */
function slotsOf(measured: Measured, { pay, sign }: JudgedTerms, cell: number, start: Instant, minutes: number): Slot[] {
  const { numerators, denominator } = exactBaseline(measured.made[cell]!);
  const parts = Math.max(1, measured.minutes / pay.intervalMinutes);
  const joined = Math.max(1, pay.intervalMinutes / measured.minutes);
  return Array.from({ length: minutes / pay.intervalMinutes }, (_, slot): Slot => {
    const first = cell * measured.width + Math.floor(slot / parts) * joined;
    let [baseline, metered] = [0n, 0];
    for (let i = 0; i < joined; i++) {
      baseline += numerators[first - cell * measured.width + i]!;
      metered += measured.actual[first + i]!;
    }
    const den = denominator * BigInt(parts);
    const settled = !Number.isNaN(metered);
    const delivered = settled ? rational(BigInt(sign) * (baseline - BigInt(metered) * denominator), den) : null;
    return {
      ...{ startMs: start + slot * pay.intervalMinutes * MINUTE, supply: 'ENERGISED', quality: 1 },
      ...{ meteredWh: settled ? metered : null, unadjusted: null, baseline: exact(rational(baseline, den)), baselineWh: null },
      ...{ delivered: delivered && exact(delivered), deliveredWh: null },
    };
  });
}
