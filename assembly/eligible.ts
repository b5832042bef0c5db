import { MISSING } from './columns';

/** Bits of the day column. */
export const ELIGIBLE: u8 = 1;
export const CANDIDATE: u8 = 2;
export const REJECTED: u8 = 4;
export const SELECTED: u8 = 8;

/*
 * day d counts for m  <=>  not excluded[d][m], and no slot of history[d][.][m] is missing
 * score[d][m] = sum over the event window of history[d][w][m]        Wh; 0 where d does not count
 * source: golden RULES section 3. Look-back, gap and day class have already chosen the rows.
 */
export function eligible(history: usize, excluded: usize, meters: i32, days: i32, eventSlots: i32, slots: i32, day: usize, score: usize): void {
  for (let d = 0; d < days; d++) {
    const dayRow = day + <usize>(d * meters);
    const scoreRow = score + (<usize>(d * meters) << 3);
    for (let m = 0; m < meters; m++) {
      store<u8>(dayRow + m, load<u8>(excluded + d * meters + m) ? 0 : ELIGIBLE);
      store<i64>(scoreRow + (m << 3), 0);
    }
    for (let s = 0; s < slots; s++) {
      const row = history + (<usize>((d * slots + s) * meters) << 2);
      for (let m = 0; m < meters; m++) {
        const wh = load<i32>(row + (m << 2));
        if (wh == MISSING) store<u8>(dayRow + m, 0);
        if (s < eventSlots) store<i64>(scoreRow + (m << 3), load<i64>(scoreRow + (m << 3)) + <i64>wh);
      }
    }
    for (let m = 0; m < meters; m++) if (!load<u8>(dayRow + m)) store<i64>(scoreRow + (m << 3), 0);
  }
}
