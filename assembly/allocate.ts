import { MISSING } from './columns';
import * as columns from './trade-columns';
import { tradeColumn } from './trade-columns';

export const PRO_RATA: i32 = 0;
export const FIFO: i32 = 1;
export const THREE_ROUND: i32 = 2;
export const WATER_FILL: i32 = 3;

/** Bits of the awaiting column: whose register is missing. */
export const SELLER_MISSING: u8 = 1;
export const BUYER_MISSING: u8 = 2;

/*
 * A trade of q Wh draws on the seller's register (export) and on the buyer's (import). Of a register L Wh were metered, Q = sum of its q.
 *   pro rata share   q when Q <= L, else floor(L q / Q), the spare Wh one each to the largest remainders (ties: the earlier trade)
 *   FIFO share       min(q, what the trades before it in the queue left of L)
 *   pro_rata, fifo   settled = min(seller's share, buyer's share): one pass, what a minimum frees is not given again
 *   three_round      1: seller's DISCOM, pro rata; 2: buyer's DISCOM, pro rata, at most round 1; 3: the seller's side follows: settled
 *   water_fill       pro_rata over again with what is left of L and q, among trades with room on both sides, until none is left
 * A missing register counts 0 and marks its trades. No product passes 2^31 * 2^31: 64 bits hold all of it.
 * source: golden RULES section 9.1-2 (pro_rata, fifo); DEG note on allocation and settlement, section 5 (three_round).
 */
export function allocate(method: i32, trades: i32, registers: i32, quantity: usize, sells: usize, buys: usize, queue: usize, metered: usize,
  seller: usize, buyer: usize, settled: usize, awaiting: usize): void {
  const left = tradeColumn(columns.LEFT, trades, registers);
  const active = tradeColumn(columns.ACTIVE, trades, registers);
  for (let r = 0; r < registers; r++) {
    const wh = load<i32>(metered + (<usize>r << 2));
    store<i32>(left + (<usize>r << 2), wh == MISSING ? 0 : wh);
  }
  for (let t = 0; t < trades; t++) {
    const noSeller = load<i32>(metered + register(sells, t)) == MISSING;
    const noBuyer = load<i32>(metered + register(buys, t)) == MISSING;
    store<u8>(awaiting + t, (noSeller ? SELLER_MISSING : 0) | (noBuyer ? BUYER_MISSING : 0));
    store<i32>(active + (<usize>t << 2), t);
  }
  if (method == WATER_FILL) {
    fill(trades, registers, quantity, sells, buys, settled);
    memory.copy(seller, settled, <usize>trades << 2);
    memory.copy(buyer, settled, <usize>trades << 2);
    return;
  }
  if (method == FIFO) {
    serve(trades, quantity, queue, sells, left, seller);
    serve(trades, quantity, queue, buys, left, buyer);
  } else {
    prorate(trades, trades, registers, quantity, sells, seller);
    prorate(trades, trades, registers, quantity, buys, buyer);
  }
  for (let t = 0; t < trades; t++) {
    const at = <usize>t << 2;
    const least = min(load<i32>(seller + at), load<i32>(buyer + at));
    store<i32>(settled + at, least);
    if (method == THREE_ROUND) store<i32>(buyer + at, least);
  }
}

/** Byte offset of a trade's register on one side. */
function register(side: usize, t: i32): usize {
  return <usize>load<i32>(side + (<usize>t << 2)) << 2;
}

/** FIFO on one side. A register is on one side only, so what is left of it serves one call. */
function serve(trades: i32, quantity: usize, queue: usize, side: usize, left: usize, share: usize): void {
  for (let i = 0; i < trades; i++) {
    const t = load<i32>(queue + (<usize>i << 2));
    const r = left + register(side, t);
    const wh = min(load<i32>(quantity + (<usize>t << 2)), load<i32>(r));
    store<i32>(r, load<i32>(r) - wh);
    store<i32>(share + (<usize>t << 2), wh);
  }
}

/** Pro rata on one side, over the first n active trades with weights `rest`. */
function prorate(n: i32, trades: i32, registers: i32, rest: usize, side: usize, share: usize): void {
  const left = tradeColumn(columns.LEFT, trades, registers);
  const active = tradeColumn(columns.ACTIVE, trades, registers);
  const wanted = tradeColumn(columns.WANTED, trades, registers); // Q, i64
  const spare = tradeColumn(columns.SPARE, trades, registers);
  const end = tradeColumn(columns.END, trades, registers); // of the register's run in `list`
  const list = tradeColumn(columns.LIST, trades, registers);
  const remainder = tradeColumn(columns.REMAINDER, trades, registers);
  memory.fill(wanted, 0, <usize>registers << 3);
  memory.fill(end, 0, <usize>registers << 2);
  for (let i = 0; i < n; i++) {
    const t = load<i32>(active + (<usize>i << 2));
    const r = register(side, t);
    store<i64>(wanted + (r << 1), load<i64>(wanted + (r << 1)) + load<i32>(rest + (<usize>t << 2)));
    store<i32>(end + r, load<i32>(end + r) + 1);
  }
  let first = 0;
  for (let r: usize = 0; r < <usize>registers << 2; r += 4) {
    const size = load<i32>(end + r);
    store<i32>(end + r, first);
    first += size;
    store<i32>(spare + r, load<i64>(wanted + (r << 1)) > load<i32>(left + r) ? load<i32>(left + r) : 0);
  }
  for (let i = 0; i < n; i++) {
    const t = load<i32>(active + (<usize>i << 2));
    const r = register(side, t);
    const at = load<i32>(end + r);
    store<i32>(list + (<usize>at << 2), t);
    store<i32>(end + r, at + 1);
    const q = <u64>load<i32>(rest + (<usize>t << 2));
    const all = <u64>load<i64>(wanted + (r << 1));
    const metered = <u64>load<i32>(left + r);
    const wh = all <= metered ? q : (metered * q) / all;
    if (all > metered) store<i32>(spare + r, load<i32>(spare + r) - <i32>wh);
    store<u64>(remainder + (<usize>t << 3), all <= metered ? 0 : (metered * q) % all);
    store<i32>(share + (<usize>t << 2), <i32>wh);
  }
  let from = 0;
  for (let r: usize = 0; r < <usize>registers << 2; r += 4) {
    const to = load<i32>(end + r);
    if (load<i32>(spare + r) > 0) raise(list, from, to, load<i32>(spare + r), remainder, share);
    from = to;
  }
}

/** One Wh more to each of the `spare` trades of list[from, to) with the largest remainders: the first steps of a heap sort. */
function raise(list: usize, from: i32, to: i32, spare: i32, remainder: usize, share: usize): void {
  const heap = list + (<usize>from << 2);
  let size = to - from;
  for (let i = (size >> 1) - 1; i >= 0; i--) sink(heap, i, size, remainder);
  for (; spare > 0; spare--) {
    const own = share + (<usize>load<i32>(heap) << 2);
    store<i32>(own, load<i32>(own) + 1);
    store<i32>(heap, load<i32>(heap + (<usize>(--size) << 2)));
    sink(heap, 0, size, remainder);
  }
}

function sink(heap: usize, at: i32, size: i32, remainder: usize): void {
  const t = load<i32>(heap + (<usize>at << 2));
  for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
    if (child + 1 < size && before(load<i32>(heap + (<usize>(child + 1) << 2)), load<i32>(heap + (<usize>child << 2)), remainder)) child++;
    const best = load<i32>(heap + (<usize>child << 2));
    if (!before(best, t, remainder)) break;
    store<i32>(heap + (<usize>at << 2), best);
    at = child;
  }
  store<i32>(heap + (<usize>at << 2), t);
}

/** Larger remainder first; equal remainders by place in the list of trades. */
function before(a: i32, b: i32, remainder: usize): bool {
  const x = load<u64>(remainder + (<usize>a << 3));
  const y = load<u64>(remainder + (<usize>b << 3));
  return x > y || (x == y && a < b);
}

/*
 * water_fill: all trades are active, `left` is what was metered. A pass always moves: a share never falls when q grows, so of the open trades
 * the one with the largest rest, the earliest of equals, gets a Wh or more from both its registers. It also empties the scarcest register
 * but for a few Wh, so that passes are some tens, not as many as there are Wh.
 */
function fill(trades: i32, registers: i32, quantity: usize, sells: usize, buys: usize, settled: usize): void {
  const left = tradeColumn(columns.LEFT, trades, registers);
  const active = tradeColumn(columns.ACTIVE, trades, registers);
  const rest = tradeColumn(columns.REST, trades, registers);
  const fromSeller = tradeColumn(columns.FROM_SELLER, trades, registers);
  const fromBuyer = tradeColumn(columns.FROM_BUYER, trades, registers);
  memory.copy(rest, quantity, <usize>trades << 2);
  memory.fill(settled, 0, <usize>trades << 2);
  for (let n = open(trades, rest, sells, buys, left, active); n > 0; n = open(n, rest, sells, buys, left, active)) {
    prorate(n, trades, registers, rest, sells, fromSeller);
    prorate(n, trades, registers, rest, buys, fromBuyer);
    for (let i = 0; i < n; i++) {
      const t = load<i32>(active + (<usize>i << 2));
      const own = <usize>t << 2;
      const wh = min(load<i32>(fromSeller + own), load<i32>(fromBuyer + own));
      take(rest + own, wh);
      take(left + register(sells, t), wh);
      take(left + register(buys, t), wh);
      store<i32>(settled + own, load<i32>(settled + own) + wh);
    }
  }
}

/** Keeps of the active trades those with room on both sides, in their order. */
function open(n: i32, rest: usize, sells: usize, buys: usize, left: usize, active: usize): i32 {
  let kept = 0;
  for (let i = 0; i < n; i++) {
    const t = load<i32>(active + (<usize>i << 2));
    if (room(t, rest, sells, buys, left) > 0) store<i32>(active + (<usize>(kept++) << 2), t);
  }
  return kept;
}

function room(t: i32, rest: usize, sells: usize, buys: usize, left: usize): i32 {
  return min(load<i32>(rest + (<usize>t << 2)), min(load<i32>(left + register(sells, t)), load<i32>(left + register(buys, t))));
}

function take(from: usize, wh: i32): void {
  store<i32>(from, load<i32>(from) - wh);
}
