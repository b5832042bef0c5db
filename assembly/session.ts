/** W ms in a Wh: the denominator of every energy here. */
const WH: i64 = 3600000;
const POWER_MAX: i32 = 10000000;
const DAY_MS: i32 = 86400000;
/** 10 MW for a day. */
const METERED_MAX: i32 = 240000000;

/*
 * What charging sessions would have drawn had nobody steered them, in exact integers of W ms (3,600,000 make a Wh).
 * Block after block, sessions in their order; left[s] starts at energy[s]:
 *     cap[s][t]  = power[s][t] * allowed[s][t]                         the rate of that session, while its counterfactual may charge
 *     room[t]    = max(site[t] * block, sum_s metered[s][t])           a limit the site itself kept; none = no bound
 *     B[s][t]    = min(left, cap, metered), for everyone first: charging unsteered is never behind what was metered;
 *                  then up to min(left, cap), the earlier session first, while there is room
 *     afterwards, from the last block to the first, B[s][t] rises up to metered[s][t] while left[s] > 0: a car that drew more than its
 *     stated power, or before its counterfactual begins, keeps its energy. Hence
 *     sum_t B[s][t] = energy[s] whenever energy[s] <= sum_t metered[s][t], and B[s][t] <= max(cap, metered) always.
 * The unsteered and the standing schedule differ in power and allowed alone. source: session counterfactual, energy conserved.
 *
 * S <= 4096 sessions by plug-in, T blocks of `block` ms; power, site <= 10 MW, block <= a day, metered <= 240 MWh, so that no sum passes 2^62.
 * in   SESSION_ENERGY i32[S] Wh · SESSION_POWER i32[S][T] W · SESSION_ALLOWED i32[S][T] ms <= block · SESSION_METERED i32[S][T] Wh
 *      SESSION_SITE i32[T] W, -1 = no limit
 * out  SESSION_BASELINE i64[S][T] W ms · SESSION_SHORT i64[S] W ms of the energy for which the session had no time
 *      SESSION_FLAGS u8[S] 1 the metered power exceeded the stated one, or came before the counterfactual begins · 2 and broke the site's limit
 */
export const SESSION_ENERGY: i32 = 0;
export const SESSION_POWER: i32 = 1;
export const SESSION_ALLOWED: i32 = 2;
export const SESSION_METERED: i32 = 3;
export const SESSION_SITE: i32 = 4;
export const SESSION_BASELINE: i32 = 5;
export const SESSION_SHORT: i32 = 6;
export const SESSION_FLAGS: i32 = 7;
/** `sessionColumn(SESSION_COLUMNS, …)` is the end of the arena. */
export const SESSION_COLUMNS: i32 = 8;

/** Address of a column in bytes. */
export function sessionColumn(which: i32, sessions: i32, blocks: i32): usize {
  let from: usize = (__heap_base + 15) & ~15;
  for (let c = 0; c < which; c++) {
    const rows = <usize>(c == SESSION_SITE ? 1 : sessions);
    const each = <usize>(c == SESSION_ENERGY || c == SESSION_SHORT || c == SESSION_FLAGS ? 1 : blocks);
    const size = <usize>(c == SESSION_FLAGS ? 1 : c == SESSION_BASELINE || c == SESSION_SHORT ? 8 : 4);
    from += (rows * each * size + 15) & ~15;
  }
  return from;
}

/** 0 = done, 1 = refused, nothing written. */
export function sessionBaseline(sessions: i32, blocks: i32, block: i32): i32 {
  if (sessions < 1 || sessions > 4096 || blocks < 1 || blocks > 65536 || <i64>sessions * blocks > 1 << 24) return 1;
  if (block < 1 || block > DAY_MS || outside(sessions, blocks, block)) return 1;
  const energy = sessionColumn(SESSION_ENERGY, sessions, blocks);
  const power = sessionColumn(SESSION_POWER, sessions, blocks);
  const allowed = sessionColumn(SESSION_ALLOWED, sessions, blocks);
  const metered = sessionColumn(SESSION_METERED, sessions, blocks);
  const site = sessionColumn(SESSION_SITE, sessions, blocks);
  const baseline = sessionColumn(SESSION_BASELINE, sessions, blocks);
  const left = sessionColumn(SESSION_SHORT, sessions, blocks);
  const flags = sessionColumn(SESSION_FLAGS, sessions, blocks);
  memory.fill(baseline, 0, <usize>(sessions * blocks) << 3);
  memory.fill(flags, 0, sessions);
  for (let s = 0; s < sessions; s++) store<i64>(left + (<usize>s << 3), <i64>load<i32>(energy + (<usize>s << 2)) * WH);

  for (let t = 0; t < blocks; t++) {
    let drawn: i64 = 0;
    for (let s = 0; s < sessions; s++) drawn += <i64>load<i32>(metered + (<usize>(s * blocks + t) << 2)) * WH;
    let room = roomAt(site, t, block, drawn);
    for (let s = 0; s < sessions; s++) {
      const cell = <usize>(s * blocks + t);
      const cap = <i64>load<i32>(power + (cell << 2)) * load<i32>(allowed + (cell << 2));
      room -= give(baseline + (cell << 3), left + (<usize>s << 3), least(cap, <i64>load<i32>(metered + (cell << 2)) * WH));
    }
    for (let s = 0; s < sessions && room > 0; s++) {
      const cell = <usize>(s * blocks + t);
      const cap = <i64>load<i32>(power + (cell << 2)) * load<i32>(allowed + (cell << 2));
      room -= give(baseline + (cell << 3), left + (<usize>s << 3), least(cap - load<i64>(baseline + (cell << 3)), room));
    }
  }

  for (let s = 0; s < sessions; s++) {
    for (let t = blocks - 1; t >= 0 && load<i64>(left + (<usize>s << 3)) > 0; t--) {
      const cell = <usize>(s * blocks + t);
      const more = <i64>load<i32>(metered + (cell << 2)) * WH - load<i64>(baseline + (cell << 3));
      if (more <= 0) continue;
      give(baseline + (cell << 3), left + (<usize>s << 3), more);
      const over = load<i32>(site + (<usize>t << 2)) >= 0 && overSite(sessions, blocks, t, block, metered, site, baseline);
      store<u8>(flags + s, load<u8>(flags + s) | (over ? 3 : 1));
    }
  }
  return 0;
}

/** Moves at most `amount` from what is left of a session into a block; how much. */
function give(into: usize, left: usize, amount: i64): i64 {
  const given = least(load<i64>(left), amount);
  if (given <= 0) return 0;
  store<i64>(into, load<i64>(into) + given);
  store<i64>(left, load<i64>(left) - given);
  return given;
}

function roomAt(site: usize, t: i32, block: i32, drawn: i64): i64 {
  const limit = load<i32>(site + (<usize>t << 2));
  if (limit < 0) return i64.MAX_VALUE;
  const power = <i64>limit * block;
  return power > drawn ? power : drawn;
}

function overSite(sessions: i32, blocks: i32, t: i32, block: i32, metered: usize, site: usize, baseline: usize): bool {
  let drawn: i64 = 0;
  let charged: i64 = 0;
  for (let s = 0; s < sessions; s++) {
    drawn += <i64>load<i32>(metered + (<usize>(s * blocks + t) << 2)) * WH;
    charged += load<i64>(baseline + (<usize>(s * blocks + t) << 3));
  }
  return charged > roomAt(site, t, block, drawn);
}

function outside(sessions: i32, blocks: i32, block: i32): bool {
  const energy = sessionColumn(SESSION_ENERGY, sessions, blocks);
  const power = sessionColumn(SESSION_POWER, sessions, blocks);
  const allowed = sessionColumn(SESSION_ALLOWED, sessions, blocks);
  const metered = sessionColumn(SESSION_METERED, sessions, blocks);
  const site = sessionColumn(SESSION_SITE, sessions, blocks);
  for (let s = 0; s < sessions; s++) if (load<i32>(energy + (<usize>s << 2)) < 0) return true;
  for (let c = 0; c < sessions * blocks; c++) {
    const at = <usize>c << 2;
    if (load<i32>(power + at) < 0 || load<i32>(power + at) > POWER_MAX || load<i32>(metered + at) < 0
      || load<i32>(metered + at) > METERED_MAX) return true;
    if (load<i32>(allowed + at) < 0 || load<i32>(allowed + at) > block) return true;
  }
  for (let t = 0; t < blocks; t++) if (load<i32>(site + (<usize>t << 2)) < -1 || load<i32>(site + (<usize>t << 2)) > POWER_MAX) return true;
  return false;
}

function least(a: i64, b: i64): i64 {
  return a < b ? a : b;
}
