import { CELLS, DAYS, EVENT_SLOTS, METERS, MISSING_16, type Said, SLOTS } from './kernel-input.ts';

/*
 * The same family on the same columns as one writes it for speed in plain JavaScript: typed arrays, a loop per meter, no object inside.
 * Numbers are integers below 2^53; a floor guessed by division is put right by its remainder, so this is exact too.
 */
export function plain(readings: Int16Array, x: number, into: Said): void {
  const event = readings.subarray(DAYS * CELLS);
  const taken = new Uint8Array(DAYS);
  const scores = new Int32Array(DAYS);
  const sums = new Int32Array(EVENT_SLOTS);
  const floors = new Int32Array(EVENT_SLOTS);
  const rests = new Float64Array(EVENT_SLOTS);
  const order = new Int32Array(EVENT_SLOTS);
  for (let m = 0; m < METERS; m++) {
    let n = 0;
    for (let d = 0; d < DAYS; d++) {
      let score = 0;
      let whole = 1;
      for (let s = 0, at = d * CELLS + m; s < SLOTS; s++, at += METERS) {
        const wh = readings[at]!;
        if (wh === MISSING_16) whole = 0;
        if (s < EVENT_SLOTS) score += wh;
      }
      taken[d] = whole;
      scores[d] = score;
      n += whole;
    }
    let k = n;
    for (; k > x; k--) {
      let least = -1;
      for (let d = 0; d < DAYS; d++) if (taken[d] && (least < 0 || scores[d]! <= scores[least]!)) least = d;
      taken[least] = 0;
    }
    if (n < 5) {
      into.baselineTotalWh[m] = Number.NaN;
      into.deliveredTotalWh[m] = Number.NaN;
      for (let s = 0; s < EVENT_SLOTS; s++) {
        into.baselineWh[s * METERS + m] = -(2 ** 31);
        into.deliveredWh[s * METERS + m] = -(2 ** 31);
      }
      continue;
    }
    sums.fill(0);
    let reference = 0;
    for (let d = 0; d < DAYS; d++) {
      if (!taken[d]) continue;
      let at = d * CELLS + m;
      for (let s = 0; s < EVENT_SLOTS; s++, at += METERS) sums[s]! += readings[at]!;
      for (let s = EVENT_SLOTS; s < SLOTS; s++, at += METERS) reference += readings[at]!;
    }
    let observed = 0;
    let seen = true;
    for (let s = EVENT_SLOTS, at = EVENT_SLOTS * METERS + m; s < SLOTS; s++, at += METERS) {
      observed += event[at]!;
      if (event[at] === MISSING_16) seen = false;
    }
    let scale = observed;
    let den = reference;
    if (!seen || reference <= 0 || observed < 0) [scale, den] = [1, k];
    else if (k * observed * 5 < reference * 4) [scale, den] = [4, k * 5];
    else if (k * observed * 5 > reference * 6) [scale, den] = [6, k * 5];

    let total = 0;
    let left = 0;
    for (let s = 0; s < EVENT_SLOTS; s++) {
      const cell = sums[s]! * scale;
      let floor = Math.floor(cell / den);
      let rest = cell - floor * den;
      if (rest < 0) [floor, rest] = [floor - 1, rest + den];
      floors[s] = floor;
      rests[s] = rest;
      total += floor;
      left += rest;
      // Largest remainder first, ties to the earlier slot.
      let at = s;
      for (; at > 0 && rests[order[at - 1]!]! < rest; at--) order[at] = order[at - 1]!;
      order[at] = s;
    }
    const spare = spareOf(total, left, den);
    for (let s = 0; s < EVENT_SLOTS; s++) into.baselineWh[s * METERS + m] = floors[s]!;
    for (let i = 0; i < spare; i++) into.baselineWh[order[i]! * METERS + m]!++;
    into.baselineTotalWh[m] = total + spare;

    let delivered = 0;
    let rest = 0;
    for (let s = 0; s < EVENT_SLOTS; s++) {
      const wh = event[s * METERS + m]!;
      const gap = wh === MISSING_16;
      into.deliveredWh[s * METERS + m] = gap ? -(2 ** 31) : floors[s]! - wh;
      if (gap) continue;
      delivered += floors[s]! - wh;
      rest += rests[s]!;
    }
    let deliveredSpare = spareOf(delivered, rest, den);
    into.deliveredTotalWh[m] = delivered + deliveredSpare;
    for (let i = 0; i < EVENT_SLOTS && deliveredSpare > 0; i++) {
      const at = order[i]! * METERS + m;
      if (event[at] === MISSING_16) continue;
      into.deliveredWh[at]!++;
      deliveredSpare--;
    }
  }
}

function spareOf(floors: number, left: number, den: number): number {
  const whole = Math.floor(left / den);
  const rest = left - whole * den;
  return whole + (rest * 2 > den || (rest * 2 === den && floors + whole >= 0) ? 1 : 0);
}
