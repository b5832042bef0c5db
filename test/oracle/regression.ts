/*
 * Least squares of minimum norm by the schoolbook, in fractions of bigint: normal equations G b = r with G = A'WA. The shortest of their
 * solutions lies in G's range, b = G z with G G z = r, and any z will do. Nothing here is shared with the core.
 */

export type Fraction = { readonly n: bigint; readonly d: bigint };

export const fraction = (n: bigint | number, d: bigint | number = 1): Fraction => lowest(BigInt(n), BigInt(d));
export const plus = (a: Fraction, b: Fraction): Fraction => lowest(a.n * b.d + b.n * a.d, a.d * b.d);
export const times = (a: Fraction, b: Fraction): Fraction => lowest(a.n * b.n, a.d * b.d);
export const minus = (a: Fraction, b: Fraction): Fraction => plus(a, { n: -b.n, d: b.d });
export const number = ({ n, d }: Fraction): number => {
  const scaled = (n << 80n) / d;
  return Number(scaled) / 2 ** 80;
};
const ZERO: Fraction = { n: 0n, d: 1n };

function lowest(n: bigint, d: bigint): Fraction {
  let [x, y] = [n < 0n ? -n : n, d < 0n ? -d : d];
  while (y) [x, y] = [y, x % y];
  const by = (x || 1n) * (d < 0n ? -1n : 1n);
  return { n: n / by, d: d / by };
}

/** Coefficients of y = A b, rows weighted; the shortest of the best. */
export function leastSquares(a: readonly Fraction[][], y: readonly Fraction[], w: readonly Fraction[]): Fraction[] {
  const k = a[0]!.length;
  const inner = (f: (row: number) => Fraction) => a.reduce((total, _, row) => plus(total, times(w[row]!, f(row))), ZERO);
  const g = range(k).map((i) => range(k).map((j) => inner((row) => times(a[row]![i]!, a[row]![j]!))));
  const r = range(k).map((i) => inner((row) => times(a[row]![i]!, y[row]!)));
  const gg = range(k).map((i) =>
    range(k).map((j) => range(k).reduce((total, l) => plus(total, times(g[i]![l]!, g[l]![j]!)), ZERO)),
  );
  const z = anySolution(gg, r);
  return range(k).map((i) => range(k).reduce((total, j) => plus(total, times(g[i]![j]!, z[j]!)), ZERO));
}

/** Gauss and Jordan; unknowns without pivot are 0. */
function anySolution(matrix: Fraction[][], right: Fraction[]): Fraction[] {
  const k = right.length;
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  const pivots: number[] = [];
  for (let column = 0; column < k; column++) {
    const top = pivots.length;
    const found = rows.findIndex((row, i) => i >= top && row[column]!.n !== 0n);
    if (found < 0) continue;
    [rows[top], rows[found]] = [rows[found]!, rows[top]!];
    const { n, d } = rows[top]![column]!;
    rows[top] = rows[top]!.map((value) => times(value, lowest(d, n)));
    rows.forEach((row, i) => {
      const factor = row[column]!;
      if (i !== top && factor.n !== 0n) rows[i] = row.map((value, j) => minus(value, times(factor, rows[top]![j]!)));
    });
    pivots.push(column);
  }
  const solution = range(k).map(() => ZERO);
  pivots.forEach((column, row) => {
    solution[column] = rows[row]![k]!;
  });
  return solution;
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

export type Hourly = {
  readonly wh: number | null;
  readonly degrees: number | null;
  readonly hour: number;
  readonly month: number;
};
export type TowtOracle = {
  readonly occupied: readonly number[];
  /** Edges kept, not occupied then occupied. */
  readonly kept: readonly [number[], number[]];
  predict(hour: number, degrees: number): Fraction | null;
};

/** CalTRACK hourly for one month, by golden RULES section 8, read again: degrees and Wh are integers, edges in degrees. */
export function towt(
  rows: readonly Hourly[],
  month: number,
  numbers: { edges: readonly number[]; hot: number; cold: number; share: Fraction; least: number; neighbour: number },
): TowtOracle | null {
  const weight = (own: number) =>
    own === month ? 2 : (own + 1) % 12 === month || (month + 1) % 12 === own ? numbers.neighbour : 0;
  const used = rows.filter(({ wh, degrees, month: own }) => wh !== null && degrees !== null && weight(own) > 0);
  if (used.length === 0) return null;
  const y = used.map(({ wh }) => fraction(wh!));
  const w = used.map(({ month: own }) => fraction(weight(own), 2));

  const line = (degrees: number) =>
    [1, Math.max(degrees - numbers.hot, 0), Math.max(numbers.cold - degrees, 0)].map((x) => fraction(x));
  const b = leastSquares(
    used.map(({ degrees }) => line(degrees!)),
    y,
    w,
  );
  const largest = Math.max(...used.map(({ wh }) => Math.abs(wh!)));
  const positive = used.map(({ degrees }, i) => {
    const residual = minus(y[i]!, dot(b, line(degrees!)));
    return residual.n * 2n ** 40n > BigInt(largest) * residual.d;
  });
  const occupied = range(168).filter((hour) => {
    const own = used.flatMap((row, i) => (row.hour === hour ? [positive[i]!] : []));
    return BigInt(own.filter(Boolean).length) * numbers.share.d > BigInt(own.length) * numbers.share.n;
  });

  const keptOf = (state: boolean): number[] => {
    const degrees = used.filter(({ hour }) => occupied.includes(hour) === state).map((row) => row.degrees!);
    let edges = [...numbers.edges];
    for (;;) {
      const bounds = [Number.NEGATIVE_INFINITY, ...edges, Number.POSITIVE_INFINITY];
      const thin = range(edges.length + 1).map(
        (i) => degrees.filter((t) => t > bounds[i]! && t <= bounds[i + 1]!).length < numbers.least,
      );
      const gone = new Set<number>();
      if (edges.length > 0 && thin[0]) gone.add(edges[0]!);
      if (edges.length > 0 && thin.at(-1)) gone.add(edges.at(-1)!);
      if (gone.size === 0) for (const [i, edge] of edges.entries()) if (i > 0 && thin[i]) gone.add(edge);
      if (gone.size === 0) return edges;
      edges = edges.filter((edge) => !gone.has(edge));
    }
  };
  const kept: [number[], number[]] = [keptOf(false), keptOf(true)];

  const hours = [...new Set(used.map(({ hour }) => hour))];
  const features = (hour: number, degrees: number) => {
    const own = occupied.includes(hour) ? 1 : 0;
    const bins = kept.map((edges, state) =>
      range(edges.length + 1).map((i) => {
        if (state !== own) return 0;
        const left = i === 0 ? 0 : edges[i - 1]!;
        const right = i === edges.length ? Number.POSITIVE_INFINITY : edges[i]!;
        return i === 0 ? Math.min(degrees, right) : Math.min(Math.max(degrees - left, 0), right - left);
      }),
    );
    return [...hours.map((one) => (one === hour ? 1 : 0)), ...bins.flat()].map((x) => fraction(x));
  };
  const coefficients = leastSquares(
    used.map(({ hour, degrees }) => features(hour, degrees!)),
    y,
    w,
  );
  return {
    occupied,
    kept,
    predict: (hour, degrees) => (hours.includes(hour) ? dot(coefficients, features(hour, degrees)) : null),
  };
}

const dot = (a: readonly Fraction[], b: readonly Fraction[]) =>
  a.reduce((total, value, i) => plus(total, times(value, b[i]!)), ZERO);
