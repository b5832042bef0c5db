/*
 * Where the columns of trades lie: one table for `allocateTrades`, one for `chargeTrades`. As in columns.ts an address is a pure function of
 * the shape, lane (trade) fastest, and nothing is kept between calls.
 */

// allocateTrades: T trades, R registers. A register is one side of one meter in one block: its export, or its import.
export const QUANTITY: i32 = 0; //          i32 [T]
export const SELLS: i32 = 1; //             i32 [T]
export const BUYS: i32 = 2; //              i32 [T]
export const QUEUE: i32 = 3; //             i32 [T]
export const REGISTER: i32 = 4; //          i32 [R]
export const SELLER_ALLOCATED: i32 = 5; //  i32 [T]
export const BUYER_ALLOCATED: i32 = 6; //   i32 [T]
export const SETTLED: i32 = 7; //           i32 [T]
export const WATER_FILLED: i32 = 8; //      i32 [T]
export const AWAITING: i32 = 9; //          u8  [T]
// Private to one call.
export const LEFT: i32 = 10; //             i32 [R]
export const WANTED: i32 = 11; //           i64 [R]
export const SPARE: i32 = 12; //            i32 [R]
export const END: i32 = 13; //              i32 [R]
export const REST: i32 = 14; //             i32 [T]
export const ACTIVE: i32 = 15; //           i32 [T]
export const LIST: i32 = 16; //             i32 [T]
export const REMAINDER: i32 = 17; //        i64 [T]
export const FROM_SELLER: i32 = 18; //      i32 [T]
export const FROM_BUYER: i32 = 19; //       i32 [T]
export const TRADE_COLUMNS: i32 = 20;

/** Address of a column of `allocateTrades`; `tradeColumn(TRADE_COLUMNS, …)` is the end. */
export function tradeColumn(which: i32, trades: i32, registers: i32): usize {
  let at: usize = (__heap_base + 15) & ~15;
  for (let c = 0; c < which; c++) {
    const ofRegister = c == REGISTER || (c >= LEFT && c <= END);
    const cell = c == AWAITING ? 1 : c == WANTED || c == REMAINDER ? 8 : 4;
    at += (<usize>cell * <usize>(ofRegister ? registers : trades) + 15) & ~15;
  }
  return at;
}

// chargeTrades: T trades, B boundaries, C components.
export const CHARGED_WH: i32 = 0; //   i32 [T]
export const PRICE: i32 = 1; //        i64 [T]
export const CROSSES: i32 = 2; //      u8  [B][T]
export const TRANSIT: i32 = 3; //      i64 [B][2]
export const APPLIES: i32 = 4; //      u8  [C][T]
export const BASES: i32 = 5; //        u8  [C][C]
export const COMPONENT: i32 = 6; //    i64 [C][6]
export const CARRIED: i32 = 7; //      i32 [B+1][T]
export const AMOUNT: i32 = 8; //       i64 [C][T]
export const BUYER_PART: i32 = 9; //   i64 [C][T]
export const CHARGE_STATUS: i32 = 10; // u8 [T]
export const CELL: i32 = 11; //        128 [2]
export const CHARGE_COLUMNS: i32 = 12;

/** Address of a column of `chargeTrades`; `chargeColumn(CHARGE_COLUMNS, …)` is the end. */
export function chargeColumn(which: i32, trades: i32, boundaries: i32, components: i32): usize {
  let at: usize = (__heap_base + 15) & ~15;
  for (let c = 0; c < which; c++) at += (chargeBytes(c, <usize>trades, <usize>boundaries, <usize>components) + 15) & ~15;
  return at;
}

function chargeBytes(which: i32, trades: usize, boundaries: usize, components: usize): usize {
  switch (which) {
    case CHARGED_WH:
      return 4 * trades;
    case PRICE:
      return 8 * trades;
    case CROSSES:
      return boundaries * trades;
    case TRANSIT:
      return 16 * boundaries;
    case APPLIES:
      return components * trades;
    case BASES:
      return components * components;
    case COMPONENT:
      return 48 * components;
    case CARRIED:
      return 4 * (boundaries + 1) * trades;
    case CHARGE_STATUS:
      return trades;
    case CELL:
      return 32;
    default:
      return 8 * components * trades;
  }
}
