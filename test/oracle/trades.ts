/*
 * The rules of golden/RULES.md §9.1–2, the DEG note's three rounds, water_fill and the charges said once more, as plainly as possible: objects,
 * lists and BigInt fractions, one register or trade at a time, nothing shared with the core. Slow on purpose; it exists to disagree.
 */

export type OracleTrade = {
  readonly seller: string;
  readonly buyer: string;
  readonly quantity: bigint;
  /** Order in the queue; equal: list order. */
  readonly time: number;
};

/** Wh metered by register, `seller export` or `buyer import`; null = missing. */
export type OracleMarket = {
  readonly trades: readonly OracleTrade[];
  readonly exports: ReadonlyMap<string, bigint | null>;
  readonly imports: ReadonlyMap<string, bigint | null>;
};

export type OracleAllocation = { readonly seller: bigint[]; readonly buyer: bigint[]; readonly settled: bigint[] };

const least = (...values: bigint[]): bigint => values.sort((a, b) => Number(a - b))[0]!;
const total = (values: readonly bigint[]): bigint => values.reduce((a, b) => a + b, 0n);

/** One register's Wh among the wishes of its trades, by exact shares: floors, then one Wh at a time to whoever is furthest below its share. */
function proRata(metered: bigint, wishes: readonly bigint[]): bigint[] {
  const wished = total(wishes);
  if (wished <= metered) return [...wishes];
  const parts = wishes.map((wish) => (metered * wish) / wished);
  while (total(parts) < metered) {
    const missing = wishes.map((wish, i) => metered * wish - parts[i]! * wished); // share − part, over `wished`
    let next = 0;
    for (const i of missing.keys()) if (missing[i]! > missing[next]!) next = i;
    parts[next] = parts[next]! + 1n;
  }
  return parts;
}

function firstCome(metered: bigint, wishes: readonly bigint[], times: readonly number[]): bigint[] {
  const parts = wishes.map(() => 0n);
  let left = metered;
  for (const i of wishes.map((_, at) => at).sort((a, b) => times[a]! - times[b]! || a - b)) {
    parts[i] = least(wishes[i]!, left);
    left -= parts[i]!;
  }
  return parts;
}

type Share = (metered: bigint, wishes: readonly bigint[], times: readonly number[]) => bigint[];

/** Every register of one side shares its Wh among its own trades. */
function side(
  { trades }: OracleMarket,
  metered: ReadonlyMap<string, bigint | null>,
  who: 'seller' | 'buyer',
  wishes: readonly bigint[],
  share: Share,
): bigint[] {
  const parts = trades.map(() => 0n);
  for (const [meter, wh] of metered) {
    const own = trades.flatMap((trade, t) => (trade[who] === meter ? [t] : []));
    const shares = share(
      wh ?? 0n,
      own.map((t) => wishes[t]!),
      own.map((t) => trades[t]!.time),
    );
    own.forEach((t, i) => {
      parts[t] = shares[i]!;
    });
  }
  return parts;
}

export function oracleAllocate(market: OracleMarket, method: string): OracleAllocation {
  if (method === 'water_fill') {
    const settled = waterFill(market);
    return { seller: settled, buyer: settled, settled };
  }
  const share: Share = method === 'fifo' ? firstCome : proRata;
  const wishes = market.trades.map(({ quantity }) => quantity);
  const seller = side(market, market.exports, 'seller', wishes, share);
  const pulled = side(market, market.imports, 'buyer', wishes, share);
  const settled = seller.map((wh, t) => least(wh, pulled[t]!));
  return { seller, buyer: method === 'three_round' ? settled : pulled, settled };
}

function waterFill(market: OracleMarket): bigint[] {
  const { trades } = market;
  const settled = trades.map(() => 0n);
  const left = (metered: ReadonlyMap<string, bigint | null>, who: 'seller' | 'buyer', meter: string) =>
    (metered.get(meter) ?? 0n) - total(trades.map((trade, t) => (trade[who] === meter ? settled[t]! : 0n)));
  const room = (t: number) =>
    least(
      trades[t]!.quantity - settled[t]!,
      left(market.exports, 'seller', trades[t]!.seller),
      left(market.imports, 'buyer', trades[t]!.buyer),
    );
  for (let open = true; open; ) {
    const wishes = trades.map(({ quantity }, t) => (room(t) > 0n ? quantity - settled[t]! : 0n));
    const rest = (metered: ReadonlyMap<string, bigint | null>, who: 'seller' | 'buyer') =>
      new Map([...metered.keys()].map((meter) => [meter, left(metered, who, meter)] as const));
    const pushed = side(market, rest(market.exports, 'seller'), 'seller', wishes, proRata);
    const pulled = side(market, rest(market.imports, 'buyer'), 'buyer', wishes, proRata);
    const steps = pushed.map((wh, t) => least(wh, pulled[t]!));
    for (const [t, step] of steps.entries()) settled[t] = settled[t]! + step;
    open = total(wishes) > 0n;
    if (open && total(steps) === 0n) throw new Error('a pass moved nothing though a trade has room on both sides');
  }
  return settled;
}

export type OracleComponent = {
  readonly kind: 'energy' | 'kwh' | 'components';
  readonly at: number;
  readonly rate: { readonly num: bigint; readonly den: bigint };
  readonly share: { readonly num: bigint; readonly den: bigint };
  readonly bases: readonly number[];
};

/** Whole numbers nearest to num/den, halves away from zero, by counting halves. */
function nearest(num: bigint, den: bigint): bigint {
  if (num < 0n) return -nearest(-num, den);
  const floor = num / den;
  return (num - floor * den) * 2n >= den ? floor + 1n : floor;
}

/** One trade: Wh after each boundary, µ₹ of each component and the buyer's part. */
export function oracleCharge(
  wh: bigint,
  price: bigint,
  boundaries: readonly { num: bigint; den: bigint; crossed: boolean }[],
  components: readonly (OracleComponent & { applies: boolean })[],
): { carried: bigint[]; amounts: bigint[]; buyer: bigint[] } {
  const carried = [wh];
  for (const { num, den, crossed } of boundaries) carried.push(crossed ? nearest(carried.at(-1)! * num, den) : carried.at(-1)!);
  const amounts: bigint[] = [];
  for (const { kind, at, rate, bases, applies } of components) {
    if (!applies) amounts.push(0n);
    else if (kind === 'energy') amounts.push(nearest(nearest(wh * price, 1000n) * rate.num, rate.den));
    else if (kind === 'kwh') amounts.push(nearest(carried[at]! * rate.num, 1000n * rate.den));
    else amounts.push(nearest(total(bases.map((base) => amounts[base]!)) * rate.num, rate.den));
  }
  return {
    carried,
    amounts,
    buyer: amounts.map((amount, c) => nearest(amount * components[c]!.share.num, components[c]!.share.den)),
  };
}
