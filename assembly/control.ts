import { MATCH_CELLS, match } from './match';
import { at, put } from './regress';
import { rising } from './rising';

/** Fewer persons than this are not a group: nothing about them leaves. */
export const GROUP_MIN: i32 = 15;
const STRATA_MAX: i32 = 256;

/** Statuses of `control`. */
const OK: i32 = 0;
const REFUSED: i32 = 1;
const GROUP_TOO_SMALL: i32 = 2;
const STRATUM_TOO_SMALL: i32 = 3;
const STRATUM_TOO_LARGE: i32 = 4;
const UNBOUNDED: i32 = 5;

/*
 * What a group of persons would have drawn, from others who were not asked: difference in differences.
 *     C, T       mean load of controls and treated in slot t of the event;  C', T' the same over K ordinary days
 *     impact[t]  = (C - T) - (C' - T')                                     Wh a person; above zero: the treated drew less
 *     holdout    (drawn at random): C is the mean of each stratum's controls, weighted by the stratum's share of the treated
 *     matched    : per stratum one control for each treated by the load of the window on ordinary days (match.ts), plain means of the pairs
 * Interval by the bootstrap-t of total = sum_t impact[t]: units are drawn again with replacement in each cell (holdout: a stratum's treated, or
 * its controls; matched: all pairs), t* = (total* - total) / se*, interval = [total - t*_(R+1-r) se, total - t*_(r) se] of R draws.
 *     se^2       = sum over cells of share^2 s^2 / n
 * source: difference in differences with placebo days (baselines facts 4.6); Efron and Tibshirani, An Introduction to the Bootstrap, 12.5, which
 * is second-order exact in small samples. Draws are SplitMix64 (Steele et al. 2014) from `seed`; units are sorted first, so that the order
 * of persons changes nothing. Sums are integers; means f64 in a fixed order.
 *
 * Only means of groups of >= GROUP_MIN persons leave, and only if no weight makes the group smaller than that (1 / sum of squared weights):
 * `leave` is the one place that decides it.
 *
 * P <= 131,072 persons, W <= 128 slots, K <= 64 days, |load| < 2^31: sums stay below 2^63.
 * in   CONTROL_ROLE u8[P] 1 treated, 0 control · CONTROL_STRATUM u8[P] · CONTROL_EVENT i32[W][P] Wh · CONTROL_PRE i64[W][P] Wh, sum of K days
 * out  CONTROL_TREATED, CONTROL_OTHERS f64[W] T and C · CONTROL_TREATED_PRE, CONTROL_OTHERS_PRE f64[W] T' and C' · CONTROL_IMPACT f64[W]
 *      CONTROL_TOTAL f64[3] total, low, high, Wh a person · CONTROL_COUNT i32[2] treated, controls used
 */
export const CONTROL_ROLE: i32 = 0;
export const CONTROL_STRATUM: i32 = 1;
export const CONTROL_EVENT: i32 = 2;
export const CONTROL_PRE: i32 = 3;
export const CONTROL_TREATED: i32 = 4;
export const CONTROL_OTHERS: i32 = 5;
export const CONTROL_TREATED_PRE: i32 = 6;
export const CONTROL_OTHERS_PRE: i32 = 7;
export const CONTROL_IMPACT: i32 = 8;
export const CONTROL_TOTAL: i32 = 9;
export const CONTROL_COUNT: i32 = 10;
const WEIGHT: i32 = 11; //  f64[P] of a person in his group's mean, 0 = not used
const BEFORE: i32 = 12; //  i64[P] sum of the window over K days
const CHANGE: i32 = 13; //  i64[P] K * event - BEFORE
const ORDER: i32 = 14; //   i32[P] rows sorted
const SPARE: i32 = 15; //   i32[P]
const UNIT: i32 = 16; //    i64[P] values of the cells, cell after cell
const CELL: i32 = 17; //    [2 * 256 + 1] i32 first unit, i32 -, f64 share
const DRAWN: i32 = 18; //   i64[R] t*, as integers that sort alike
const PAIR: i32 = 19; //    i32[P] row of the control of the treated at that place
const TABLE: i32 = 20; //   the table of match.ts
const DICE: i32 = 21; //    u64 state of the draws, f64 statistic, f64 its standard error
/** `controlColumn(CONTROL_COLUMNS, …)` is the end of the arena. */
export const CONTROL_COLUMNS: i32 = 22;

/** Address of a column in bytes. `cells`: the most treated times controls of a stratum, 0 for a holdout. */
export function controlColumn(which: i32, persons: i32, slots: i32, draws: i32, cells: i32): usize {
  let from: usize = (__heap_base + 15) & ~15;
  for (let c = 0; c < which; c++) from += (bytes(c, <usize>persons, <usize>slots, <usize>draws, <usize>cells) + 15) & ~15;
  return from;
}

function bytes(which: i32, persons: usize, slots: usize, draws: usize, cells: usize): usize {
  switch (which) {
    case CONTROL_ROLE:
    case CONTROL_STRATUM:
      return persons;
    case CONTROL_EVENT:
      return slots * persons * 4;
    case CONTROL_PRE:
      return slots * persons * 8;
    case CONTROL_TREATED:
    case CONTROL_OTHERS:
    case CONTROL_TREATED_PRE:
    case CONTROL_OTHERS_PRE:
    case CONTROL_IMPACT:
      return slots * 8;
    case CONTROL_TOTAL:
    case DICE:
      return 24;
    case CONTROL_COUNT:
      return 8;
    case ORDER:
    case SPARE:
    case PAIR:
      return persons * 4 + 8;
    case CELL:
      return (2 * STRATA_MAX + 1) * 16;
    case DRAWN:
      return draws * 16;
    case TABLE:
      return cells + (persons + 1) * 8;
    default:
      return persons * 8;
  }
}

/** Status: 0, or why not. Then every output is 0 but the counts; where only the interval has no end, the means stand. */
export function control(persons: i32, slots: i32, draws: i32, cells: i32, days: i32, matched: i32, seed: i64, rank: i32): i32 {
  if (persons < 1 || persons > 131072 || slots < 1 || slots > 128 || <i64>persons * slots > 1 << 24 || days < 1 || days > 64) return REFUSED;
  if (draws < 19 || draws > 19999 || rank < 1 || 2 * rank > draws + 1 || cells < 0 || cells > MATCH_CELLS) return REFUSED;
  const treated = controlColumn(CONTROL_TREATED, persons, slots, draws, cells);
  const weight = controlColumn(WEIGHT, persons, slots, draws, cells);
  memory.fill(treated, 0, weight + (<usize>persons << 3) - treated); // outputs and weights
  changes(persons, slots, draws, cells, days);
  const chosen = matched != 0 ? pairUp(persons, slots, draws, cells) : weigh(persons, slots, draws, cells);
  if (chosen != OK) return chosen;
  if (!leave(persons, slots, draws, cells)) return GROUP_TOO_SMALL;
  means(persons, slots, draws, cells, days);
  const count = units(persons, slots, draws, cells, matched != 0);
  return interval(count, persons, slots, draws, cells, days, seed, rank);
}

/** BEFORE and CHANGE of every person over the window. */
function changes(persons: i32, slots: i32, draws: i32, cells: i32, days: i32): void {
  const event = controlColumn(CONTROL_EVENT, persons, slots, draws, cells);
  const pre = controlColumn(CONTROL_PRE, persons, slots, draws, cells);
  const before = controlColumn(BEFORE, persons, slots, draws, cells);
  const change = controlColumn(CHANGE, persons, slots, draws, cells);
  for (let p = 0; p < persons; p++) {
    let then: i64 = 0;
    let now: i64 = 0;
    for (let t = 0; t < slots; t++) {
      then += load<i64>(pre + (<usize>(t * persons + p) << 3));
      now += <i64>load<i32>(event + (<usize>(t * persons + p) << 2));
    }
    store<i64>(before + (<usize>p << 3), then);
    store<i64>(change + (<usize>p << 3), now * days - then);
  }
}

/** Holdout: treated weigh alike; a control weighs its stratum's share of the treated, divided by the controls there. */
function weigh(persons: i32, slots: i32, draws: i32, cells: i32): i32 {
  const weight = controlColumn(WEIGHT, persons, slots, draws, cells);
  const role = controlColumn(CONTROL_ROLE, persons, slots, draws, cells);
  const stratum = controlColumn(CONTROL_STRATUM, persons, slots, draws, cells);
  const all = counted(persons, role, stratum, 1, -1);
  for (let s = 0; s < STRATA_MAX; s++) {
    const asked = counted(persons, role, stratum, 1, s);
    if (asked == 0) continue; // controls of a stratum nobody was asked in say nothing
    const others = counted(persons, role, stratum, 0, s);
    if (asked < 2 || others < 2) return STRATUM_TOO_SMALL; // one person has no spread
    const share = <f64>asked / <f64>all;
    for (let p = 0; p < persons; p++) {
      if (<i32>load<u8>(stratum + p) == s) put(weight, p, load<u8>(role + p) == 1 ? 1.0 / <f64>all : share / <f64>others);
    }
  }
  return OK;
}

/** Matched: treated and their controls weigh alike; PAIR[i] is the control of the treated at place i, PAIR's places as in ORDER. */
function pairUp(persons: i32, slots: i32, draws: i32, cells: i32): i32 {
  const weight = controlColumn(WEIGHT, persons, slots, draws, cells);
  const role = controlColumn(CONTROL_ROLE, persons, slots, draws, cells);
  const stratum = controlColumn(CONTROL_STRATUM, persons, slots, draws, cells);
  const before = controlColumn(BEFORE, persons, slots, draws, cells);
  const change = controlColumn(CHANGE, persons, slots, draws, cells);
  const order = controlColumn(ORDER, persons, slots, draws, cells);
  const spare = controlColumn(SPARE, persons, slots, draws, cells);
  const unit = controlColumn(UNIT, persons, slots, draws, cells);
  const pair = controlColumn(PAIR, persons, slots, draws, cells);
  const cost = controlColumn(TABLE, persons, slots, draws, cells);
  const all = counted(persons, role, stratum, 1, -1);
  let done = 0;
  for (let s = 0; s < STRATA_MAX; s++) {
    const asked = counted(persons, role, stratum, 1, s);
    if (asked == 0) continue;
    const others = counted(persons, role, stratum, 0, s);
    if (others < asked) return STRATUM_TOO_SMALL;
    if (<i64>asked * others > <i64>cells) return STRATUM_TOO_LARGE;
    gather(persons, role, stratum, 1, s, order);
    rising(asked, before, change, order, spare);
    gather(persons, role, stratum, 0, s, order + (<usize>asked << 2));
    rising(others, before, change, order + (<usize>asked << 2), spare);
    match(asked, others, order, order + (<usize>asked << 2), before, pair, cost, cost + ((<usize>persons + 1) << 3));
    for (let i = 0; i < asked; i++) {
      const own = load<i32>(order + (<usize>i << 2));
      const other = load<i32>(pair + (<usize>i << 2));
      put(weight, own, 1.0 / <f64>all);
      put(weight, other, 1.0 / <f64>all);
      store<i64>(unit + (<usize>(done++) << 3), load<i64>(change + (<usize>other << 3)) - load<i64>(change + (<usize>own << 3)));
    }
  }
  return OK;
}

function counted(persons: i32, role: usize, stratum: usize, which: i32, s: i32): i32 {
  let n = 0;
  for (let p = 0; p < persons; p++) if (<i32>load<u8>(role + p) == which && (s < 0 || <i32>load<u8>(stratum + p) == s)) n++;
  return n;
}

function gather(persons: i32, role: usize, stratum: usize, which: i32, s: i32, into: usize): void {
  let n = 0;
  for (let p = 0; p < persons; p++) {
    if (<i32>load<u8>(role + p) == which && <i32>load<u8>(stratum + p) == s) store<i32>(into + (<usize>(n++) << 2), p);
  }
}

/** The one gate: whether both groups are large enough, in heads and in weight, for their means to leave. Counts leave in any case. */
function leave(persons: i32, slots: i32, draws: i32, cells: i32): bool {
  const weight = controlColumn(WEIGHT, persons, slots, draws, cells);
  const role = controlColumn(CONTROL_ROLE, persons, slots, draws, cells);
  const count = controlColumn(CONTROL_COUNT, persons, slots, draws, cells);
  let enough = true;
  for (let which = 0; which < 2; which++) {
    let heads = 0;
    let squares = 0.0;
    for (let p = 0; p < persons; p++) {
      if (<i32>load<u8>(role + p) != which || at(weight, p) == 0) continue;
      heads++;
      squares += at(weight, p) * at(weight, p);
    }
    store<i32>(count + (<usize>(1 - which) << 2), heads);
    // 1e-9: fifteen equal weights of 1/15 may come out a rounding short of fifteen.
    enough = enough && heads >= GROUP_MIN && 1.0 / squares >= <f64>GROUP_MIN - 1e-9;
  }
  return enough;
}

/** Weighted means by slot. Persons of one weight are summed as integers first, so that their order changes nothing. */
function means(persons: i32, slots: i32, draws: i32, cells: i32, days: i32): void {
  const event = controlColumn(CONTROL_EVENT, persons, slots, draws, cells);
  const pre = controlColumn(CONTROL_PRE, persons, slots, draws, cells);
  const total = controlColumn(CONTROL_TOTAL, persons, slots, draws, cells);
  for (let t = 0; t < slots; t++) {
    const nowRow = event + (<usize>(t * persons) << 2);
    const thenRow = pre + (<usize>(t * persons) << 3);
    const asked = mean(persons, slots, draws, cells, 1, nowRow, 4);
    const others = mean(persons, slots, draws, cells, 0, nowRow, 4);
    const askedThen = mean(persons, slots, draws, cells, 1, thenRow, 8) / <f64>days;
    const othersThen = mean(persons, slots, draws, cells, 0, thenRow, 8) / <f64>days;
    const impact = others - asked - (othersThen - askedThen);
    put(controlColumn(CONTROL_TREATED, persons, slots, draws, cells), t, asked);
    put(controlColumn(CONTROL_OTHERS, persons, slots, draws, cells), t, others);
    put(controlColumn(CONTROL_TREATED_PRE, persons, slots, draws, cells), t, askedThen);
    put(controlColumn(CONTROL_OTHERS_PRE, persons, slots, draws, cells), t, othersThen);
    put(controlColumn(CONTROL_IMPACT, persons, slots, draws, cells), t, impact);
    put(total, 0, at(total, 0) + impact);
  }
}

function mean(persons: i32, slots: i32, draws: i32, cells: i32, which: i32, row: usize, size: i32): f64 {
  const weight = controlColumn(WEIGHT, persons, slots, draws, cells);
  const role = controlColumn(CONTROL_ROLE, persons, slots, draws, cells);
  const stratum = controlColumn(CONTROL_STRATUM, persons, slots, draws, cells);
  const sums = controlColumn(CELL, persons, slots, draws, cells); // i64 sum, f64 weight by stratum
  memory.fill(sums, 0, STRATA_MAX * 16);
  for (let p = 0; p < persons; p++) {
    if (<i32>load<u8>(role + p) != which || at(weight, p) == 0) continue;
    const cell = sums + (<usize>load<u8>(stratum + p) << 4);
    const value = size == 4 ? <i64>load<i32>(row + (<usize>p << 2)) : load<i64>(row + (<usize>p << 3));
    store<i64>(cell, load<i64>(cell) + value);
    store<f64>(cell, at(weight, p), 8); // alike in a stratum and group
  }
  let sum = 0.0;
  for (let s = 0; s < STRATA_MAX; s++) sum += <f64>load<i64>(sums + (<usize>s << 4)) * load<f64>(sums + (<usize>s << 4), 8);
  return sum;
}

/** UNIT and CELL: what is drawn from, sorted in every cell. Returns how many cells; CELL[c + 1] begins where c ends. */
function units(persons: i32, slots: i32, draws: i32, cells: i32, matched: bool): i32 {
  const role = controlColumn(CONTROL_ROLE, persons, slots, draws, cells);
  const stratum = controlColumn(CONTROL_STRATUM, persons, slots, draws, cells);
  const change = controlColumn(CHANGE, persons, slots, draws, cells);
  const unit = controlColumn(UNIT, persons, slots, draws, cells);
  const cell = controlColumn(CELL, persons, slots, draws, cells);
  const order = controlColumn(ORDER, persons, slots, draws, cells);
  const spare = controlColumn(SPARE, persons, slots, draws, cells);
  const sorted = controlColumn(BEFORE, persons, slots, draws, cells); // no longer needed
  const all = counted(persons, role, stratum, 1, -1);
  let count = 0;
  let done = 0;
  if (matched) {
    for (let i = 0; i < all; i++) store<i32>(order + (<usize>i << 2), i);
    rising(all, unit, unit, order, spare);
    for (let i = 0; i < all; i++) store<i64>(sorted + (<usize>i << 3), load<i64>(unit + (<usize>load<i32>(order + (<usize>i << 2)) << 3)));
    store<i32>(cell, 0);
    store<f64>(cell, 1, 8);
    count = 1;
    done = all;
  } else {
    for (let s = 0; s < STRATA_MAX; s++) {
      const asked = counted(persons, role, stratum, 1, s);
      if (asked == 0) continue;
      const share = <f64>asked / <f64>all;
      for (let which = 0; which < 2; which++) {
        const n = counted(persons, role, stratum, which, s);
        gather(persons, role, stratum, which, s, order);
        rising(n, change, change, order, spare);
        store<i32>(cell + (<usize>count << 4), done);
        store<f64>(cell + (<usize>count << 4), which == 1 ? -share : share, 8);
        for (let i = 0; i < n; i++) {
          store<i64>(sorted + (<usize>(done++) << 3), load<i64>(change + (<usize>load<i32>(order + (<usize>i << 2)) << 3)));
        }
        count++;
      }
    }
  }
  store<i32>(cell + (<usize>count << 4), done);
  memory.copy(unit, sorted, <usize>done << 3);
  return count;
}

/** SplitMix64; its state lies at `dice`. */
function draw(dice: usize): u64 {
  let z = load<u64>(dice) + 0x9e3779b97f4a7c15;
  store<u64>(dice, z);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/** DICE's statistic (K * Wh a person) and its standard error, of the cells as they are, or of one draw. */
function evaluate(count: i32, unit: usize, cell: usize, dice: usize, drawn: bool): void {
  let statistic = 0.0;
  let variance = 0.0;
  for (let c = 0; c < count; c++) {
    const from = load<i32>(cell + (<usize>c << 4));
    const n = load<i32>(cell + (<usize>(c + 1) << 4)) - from;
    const share = load<f64>(cell + (<usize>c << 4), 8);
    const middle = load<i64>(unit + (<usize>(from + n / 2) << 3)); // values are taken from it: no cancellation in the squares
    let sum: i64 = 0;
    let squares = 0.0;
    for (let i = 0; i < n; i++) {
      const place = drawn ? <i32>(((draw(dice) >> 32) * <u64>n) >> 32) : i;
      const value = load<i64>(unit + (<usize>(from + place) << 3)) - middle;
      sum += value;
      squares += <f64>value * <f64>value;
    }
    const average = <f64>sum / <f64>n;
    statistic += share * (<f64>middle + average);
    if (n > 1) variance += (share * share * max(0.0, squares - <f64>sum * average)) / (<f64>(n - 1) * <f64>n);
  }
  put(dice, 1, statistic);
  put(dice, 2, sqrt(variance));
}

const FAR: f64 = 1e300;

/** CONTROL_TOTAL's low and high. */
function interval(count: i32, persons: i32, slots: i32, draws: i32, cells: i32, days: i32, seed: i64, rank: i32): i32 {
  const unit = controlColumn(UNIT, persons, slots, draws, cells);
  const cell = controlColumn(CELL, persons, slots, draws, cells);
  const drawn = controlColumn(DRAWN, persons, slots, draws, cells);
  const total = controlColumn(CONTROL_TOTAL, persons, slots, draws, cells);
  const dice = controlColumn(DICE, persons, slots, draws, cells);
  evaluate(count, unit, cell, dice, false);
  const centre = at(dice, 1);
  const spread = at(dice, 2);
  store<i64>(dice, seed);
  for (let r = 0; r < draws; r++) {
    evaluate(count, unit, cell, dice, true);
    const off = at(dice, 1) - centre;
    const error = at(dice, 2);
    const t = error > 0 ? off / error : off == 0 ? 0 : off > 0 ? FAR : -FAR;
    const bits = reinterpret<i64>(t);
    store<i64>(drawn + (<usize>r << 3), bits < 0 ? bits ^ i64.MAX_VALUE : bits); // sorts as the doubles do
  }
  const order = drawn + (<usize>draws << 3);
  for (let r = 0; r < draws; r++) store<i32>(order + (<usize>r << 2), r);
  rising(draws, drawn, drawn, order, order + (<usize>draws << 2));
  const low = quantile(drawn, order, rank);
  const high = quantile(drawn, order, draws + 1 - rank);
  if (spread > 0 && (low <= -FAR || high >= FAR)) return UNBOUNDED;
  put(total, 1, at(total, 0) - (high * spread) / <f64>days);
  put(total, 2, at(total, 0) - (low * spread) / <f64>days);
  return OK;
}

function quantile(drawn: usize, order: usize, rank: i32): f64 {
  const bits = load<i64>(drawn + (<usize>load<i32>(order + (<usize>(rank - 1) << 2)) << 3));
  return reinterpret<f64>(bits < 0 ? bits ^ i64.MAX_VALUE : bits);
}
