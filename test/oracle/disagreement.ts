import type { MeterEstimate } from '../../services/performance/kernel.ts';
import { equal, type OracleAnswer, type Ratio } from './day-matching.ts';

/** What differs first, or null. Fractions are compared as values, integers as integers. */
export function disagreement(got: MeterEstimate, wanted: OracleAnswer): string | null {
  const list = (a: readonly unknown[], b: readonly unknown[]) => a.length === b.length && a.every((value, i) => value === b[i]);
  if (got.status !== wanted.outcome.status) return `status ${got.status}, oracle ${wanted.outcome.status}`;
  for (const field of ['candidates', 'rejected', 'selected', 'refilled'] as const) {
    // A slot that no selected day has leaves the selection standing in the core; the status is what counts.
    if (!list(got[field], wanted[field])) return `${field} ${got[field]}, oracle ${wanted[field]}`;
  }
  if (got.missingIntervals !== wanted.missing || got.notSettledIntervals !== wanted.dark)
    return 'missing or not settled intervals';
  const { outcome } = wanted;
  if (outcome.status !== 'ok') return got.result === null ? null : 'a result without baseline';
  const result = got.result!;
  if (!list(got.flags, outcome.flags)) return `flags ${got.flags}, oracle ${outcome.flags}`;
  const same = (num: bigint | null, ratio: Ratio | null) =>
    num === null || ratio === null ? num === ratio : num * ratio.d === ratio.n * result.denominator;
  const fraction = (a: { num: bigint; den: bigint } | null | undefined, b: Ratio | null) =>
    a && b ? equal({ n: a.num, d: a.den }, b) : !a && !b;
  if (got.weights && !got.weights.every((share, i) => fraction(share, wanted.weights[i]!))) return 'weights';
  if (!fraction(result.adjustment?.raw, outcome.raw)) return 'raw adjustment';
  if (!fraction(result.adjustment?.applied, outcome.applied)) return 'applied adjustment';
  if ((result.adjustment?.capped ?? false) !== outcome.capped) return 'capped';
  if (!result.baseline.every((num, s) => same(num, outcome.baseline[s]!))) return 'baseline';
  if (!result.delivered.every((num, s) => same(num, outcome.delivered[s]!))) return 'delivered';
  if (!same(result.baselineTotal, outcome.baselineTotal) || !same(result.deliveredTotal, outcome.deliveredTotal))
    return 'exact totals';
  if (BigInt(result.actualTotalWh) !== outcome.actualTotal) return 'actual total';
  const numbers = (parts: readonly (bigint | null)[]) => parts.map((wh) => (wh === null ? null : Number(wh)));
  if (result.baselineTotalWh !== Number(outcome.baselineWh.total)) return 'baseline total Wh';
  if (result.deliveredTotalWh !== Number(outcome.deliveredWh.total)) return 'delivered total Wh';
  if (!list(result.baselineWh, numbers(outcome.baselineWh.parts))) return 'baseline Wh of an interval';
  if (!list(result.deliveredWh, numbers(outcome.deliveredWh.parts))) return 'delivered Wh of an interval';
  return null;
}
