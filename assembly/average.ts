import { SELECTED } from './eligible';

/*
 * sum[s][m] = sum over the selected days d of history[d][s][m]       Wh
 * Unadjusted baseline of event slot s = sum[s][m] / count[m]; the division is left to whoever rounds.
 * source: golden RULES section 4.
 */
export function average(history: usize, day: usize, meters: i32, days: i32, slots: i32, sum: usize): void {
  memory.fill(sum, 0, <usize>(slots * meters) << 3);
  for (let d = 0; d < days; d++) {
    const dayRow = day + <usize>(d * meters);
    for (let s = 0; s < slots; s++) {
      const row = history + (<usize>((d * slots + s) * meters) << 2);
      const sumRow = sum + (<usize>(s * meters) << 3);
      for (let m = 0; m < meters; m++) {
        const taken = -(<i64>((load<u8>(dayRow + m) & SELECTED) != 0)); // all ones or none: no branch per lane
        store<i64>(sumRow + (m << 3), load<i64>(sumRow + (m << 3)) + (<i64>load<i32>(row + (m << 2)) & taken));
      }
    }
  }
}
