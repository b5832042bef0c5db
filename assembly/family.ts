/*
 * The whole day-matching family: every parameter of it, one lane at a time, over 256-bit integers. The plain cases have a faster way with the
 * same integers (`estimate`, index.ts); what both can answer they answer alike.
 *
 * in   terms      i32 [29]         what family-columns.ts names, in its order
 *      list       i32 [256]        LIST weights, >= 1 as far as days may be selected
 *      history    i32 [D][W+A+R][M] Wh; day rows from the latest back; -2^31 = missing. R: what days are ranked on, Wh or thousandths of a degree
 *      state      u8  [D][M]       0 counts, 1 excluded, 2 an event was called: counts only for a refill
 *      actual     i32 [W+A+R][M]   Wh of the event day
 *      notSettled u8  [W][M]       1 = not energised
 *      limit      i32 [M]          Wh a slot the baseline may not exceed; -2^31 = none
 * out  status     u8  [M]          0 ok, 1 insufficient days, 2 out of bounds, 3 the event day lacks what the method compares with
 *      flags      u8  [M]          1 fewer than y days, 2 ratio skipped: not positive, 4 adjustment skipped: missing, 8 capped, 16 refilled with
 *                                  event days, 32 shifted instead of a ratio, 64 limited, 128 a selected day has gaps
 *      day        u8  [D][M]       1 eligible, 2 candidate, 4 rejected as low usage, 8 selected, 16 an event day that counts for a refill
 *      and the columns of family-columns.ts, in which 256-bit numerators lie over the lane's `denominator` (baseline, delivered and their totals),
 *      `unadjustedDenominator` (unadjusted), A `weightSum` (reference), `weightSum` (weight); raw and applied carry their own.
 */
import { ADDITIVE, DOWN_ONLY, MULTIPLICATIVE, NONE, UNOBSERVED } from './adjust';
import { MISSING } from './columns';
import { INCREASE } from './deliver';
import { adjustDays } from './family-adjust';
import { averageDays } from './family-average';
import * as terms from './family-columns';
import { Family, lay, LIST_LENGTH, WEIGHTS_OF } from './family-columns';
import { chooseDays, NEAREST } from './family-days';
import { deliverDays, meterActual } from './family-deliver';
import { EQUAL, EWMA, LIST_BY_RANK, LIST_BY_RECENCY, weigh } from './family-weigh';
import { ALL, INSUFFICIENT_DAYS, MID, OK, OUT_OF_BOUNDS } from './select';
import { set, WIDE } from './wide';

/** A status beside those of select.ts. */
export const EVENT_DAY_MISSING: u8 = 3;

export const HISTORY_DAYS: i32 = 0;
export const SAME_DAY: i32 = 1;

const SHAPE: i32 = 1;
const SELECTION: i32 = 2;
const WEIGHT: i32 = 3;
const ADJUSTMENT: i32 = 4;
const GAPS_NEED_EQUAL_WEIGHTS: i32 = 5;

const FRACTION_MAX: i32 = 1 << 30;

/** Runs all lanes. 0 = done; else what lies outside the bounds, and nothing was computed. */
export function matchDays(meters: i32, days: i32, eventSlots: i32, windowSlots: i32, rankSlots: i32): i32 {
  if (meters < 1 || days < 0 || days > 4096 || eventSlots < 1 || eventSlots > 128 || windowSlots < 0 || windowSlots > 128) return SHAPE;
  if (rankSlots < 0 || rankSlots > 256 || <i64>meters * (days + 1) * (eventSlots + windowSlots + rankSlots + 16) > 1 << 26) return SHAPE;
  if (<i64>meters * (eventSlots + 16) > 1 << 24) return SHAPE; // every address stays within 32 bits
  const f = lay(meters, days, eventSlots, windowSlots, rankSlots);
  const refused = check(f);
  if (refused != 0) return refused;
  store<i32>(f.scratch + WEIGHTS_OF, -1);
  memory.fill(f.weight, 0, <usize>(days * meters) * WIDE);
  memory.fill(f.flags, 0, meters);
  memory.fill(f.day, 0, days * meters);
  for (let m = 0; m < meters; m++) {
    meterActual(f, m);
    observe(f, m);
    store<u8>(f.status + m, OK);
    const spread = f.term(terms.SOURCE) == SAME_DAY ? sameDay(f, m) : history(f, m);
    if (spread == 0) continue;
    adjustDays(f, m, spread);
    deliverDays(f, m);
  }
  return 0;
}

/** Selects, weighs and averages. 0 = the lane has a status instead. */
function history(f: Family, m: i32): i64 {
  if (f.term(terms.RULE) == NEAREST && !compared(f, m)) return fail(f, m, EVENT_DAY_MISSING);
  const n = chooseDays(f, m);
  if (n == 0) return fail(f, m, INSUFFICIENT_DAYS);
  if (!weigh(f, n)) return fail(f, m, OUT_OF_BOUNDS);
  const spread = averageDays(f, m, n);
  return spread > 0 ? spread : fail(f, m, spread == 0 ? INSUFFICIENT_DAYS : OUT_OF_BOUNDS);
}

/** Baseline of every event slot = mean of the event day's own window slots; at most EVENT_GAPS of them missing. */
function sameDay(f: Family, m: i32): i64 {
  let sum: i64 = 0;
  let present = 0;
  for (let u = f.eventSlots; u < f.eventSlots + f.windowSlots; u++) {
    const wh = load<i32>(f.actual + (<usize>(u * f.meters + m) << 2));
    if (wh == MISSING) continue;
    sum += wh;
    present++;
  }
  if (present == 0 || present < f.windowSlots - f.term(terms.EVENT_GAPS)) return fail(f, m, EVENT_DAY_MISSING);
  for (let s = 0; s < f.eventSlots; s++) set(f.unadjusted + <usize>(s * f.meters + m) * WIDE, sum);
  set(f.weightSum + <usize>m * WIDE, present);
  set(f.unadjustedDenominator + <usize>m * WIDE, present);
  set(f.reference + <usize>m * WIDE, 0);
  return 1;
}

/** O, or UNOBSERVED when one of the A slots is missing. */
function observe(f: Family, m: i32): void {
  let sum: i64 = 0;
  for (let u = f.eventSlots; u < f.eventSlots + f.windowSlots; u++) {
    const wh = load<i32>(f.actual + (<usize>(u * f.meters + m) << 2));
    sum = wh == MISSING || sum == UNOBSERVED ? UNOBSERVED : sum + wh;
  }
  store<i64>(f.observed + (<usize>m << 3), sum);
  const second = <usize>f.meters * WIDE + <usize>m * WIDE;
  set(f.raw + <usize>m * WIDE, 0);
  set(f.raw + second, 0); // denominator 0: no raw value
}

/** Whether the event day has any of the slots that days are compared on. */
function compared(f: Family, m: i32): bool {
  const first = f.eventSlots + f.windowSlots;
  for (let u = first; u < first + f.rankSlots; u++) if (load<i32>(f.actual + (<usize>(u * f.meters + m) << 2)) != MISSING) return true;
  return false;
}

function fail(f: Family, m: i32, status: u8): i64 {
  store<u8>(f.status + m, status);
  return 0;
}

/** 0, or which part of the terms lies outside the bound of wide.ts or says nothing. */
function check(f: Family): i32 {
  const rule = f.term(terms.RULE);
  const x = f.term(terms.X);
  const y = f.term(terms.Y);
  const minDays = f.term(terms.MIN_DAYS);
  const onSlots = f.term(terms.RANK_ON);
  const sameDays = f.term(terms.SOURCE) == SAME_DAY;
  if (f.term(terms.SOURCE) < HISTORY_DAYS || f.term(terms.SOURCE) > SAME_DAY) return SELECTION;
  if (rule < 0 || rule > NEAREST || x < 1 || x > 256 || y < 1 || y > 256 || (rule == MID && x > y) || minDays < 1 || minDays > 256) return SELECTION;
  if (onSlots < 0 || onSlots > 1 || (onSlots == 0 && f.rankSlots > 0) || (rule == NEAREST && onSlots != 1)) return SELECTION;
  if (!fraction(f, terms.LOW_NUM) || !flag(f, terms.REFILL)) return SELECTION;
  const gaps = f.term(terms.EVENT_GAPS);
  if (gaps < 0 || gaps >= (sameDays ? f.windowSlots : f.eventSlots) || f.term(terms.RANK_GAPS) < 0) return SELECTION;

  const weighting = f.term(terms.WEIGHTING);
  if (weighting < EQUAL || weighting > EWMA) return WEIGHT;
  if (gaps > 0 && weighting != EQUAL) return GAPS_NEED_EQUAL_WEIGHTS;
  const most = rule == ALL ? (minDays > y ? minDays : y) : x;
  if (weighting == LIST_BY_RECENCY || weighting == LIST_BY_RANK) {
    if (most > LIST_LENGTH) return WEIGHT;
    for (let i = 0; i < most; i++) {
      const weight = load<i32>(f.list + (i << 2));
      if (weight < 1 || weight > FRACTION_MAX) return WEIGHT;
    }
  }
  if (weighting == EWMA) {
    const p = f.term(terms.LAMBDA_NUM);
    const q = f.term(terms.LAMBDA_DEN);
    if (p < 1 || q < p || q > FRACTION_MAX || f.term(terms.INIT) < 1 || f.term(terms.INIT) > 256) return WEIGHT;
    store<i32>(f.scratch + WEIGHTS_OF, -1);
    if (!weigh(f, most)) return WEIGHT;
  }

  const kind = f.term(terms.KIND);
  if (kind < NONE || kind > MULTIPLICATIVE || f.term(terms.LIMIT_DIRECTION) < 0 || f.term(terms.LIMIT_DIRECTION) > DOWN_ONLY) return ADJUSTMENT;
  if ((kind != NONE || sameDays) != (f.windowSlots > 0) || (sameDays && kind != NONE)) return ADJUSTMENT;
  if (!fraction(f, terms.LO_NUM) || !fraction(f, terms.HI_NUM) || !fraction(f, terms.CAP_NUM) || !fraction(f, terms.CAP_WH_NUM)) return ADJUSTMENT;
  const lo = f.term(terms.LO_DEN);
  const hi = f.term(terms.HI_DEN);
  if (lo != 0 && hi != 0 && <i64>f.term(terms.LO_NUM) * hi > <i64>f.term(terms.HI_NUM) * lo) return ADJUSTMENT;
  const shifts = kind == ADDITIVE || (kind == MULTIPLICATIVE && f.term(terms.ADDITIVE_INSTEAD) == 1);
  if ((kind != MULTIPLICATIVE && (lo | hi) != 0) || (!shifts && (f.term(terms.CAP_DEN) | f.term(terms.CAP_WH_DEN)) != 0)) return ADJUSTMENT;
  if (!flag(f, terms.ADDITIVE_INSTEAD) || !flag(f, terms.FLOOR_ZERO) || f.term(terms.NEAR_ZERO) < 0) return ADJUSTMENT;
  if (f.term(terms.DIRECTION) < 0 || f.term(terms.DIRECTION) > INCREASE) return ADJUSTMENT;
  return 0;
}

/** The fraction whose numerator is term `which`: not set, or 0 <= numerator <= 2^30, 1 <= denominator <= 2^30. */
function fraction(f: Family, which: i32): bool {
  const num = f.term(which);
  const den = f.term(which + 1);
  return den == 0 || (num >= 0 && num <= FRACTION_MAX && den > 0 && den <= FRACTION_MAX);
}

function flag(f: Family, which: i32): bool {
  return f.term(which) == 0 || f.term(which) == 1;
}
