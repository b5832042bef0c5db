/** What is said about one line or record; the first hundred are kept word for word, all are counted. */
export type FindingRow = { readonly line: number; readonly column: string; readonly code: FindingCode; readonly message: string };
export type FindingCode =
  | 'wrong_fields'
  | 'not_an_instant'
  | 'not_a_number'
  | 'negative'
  | 'out_of_range'
  | 'quality_unknown'
  | 'unknown_meter'
  | 'no_such_register'
  | 'off_grid'
  | 'future'
  | 'too_late'
  | 'duplicate'
  | 'implausible'
  | 'spike'
  | 'stuck'
  | 'unexplained_zero'
  | 'day_sum'
  | 'unknown_place'
  | 'unknown_state'
  | 'interval_must_be_positive';

export type Findings = {
  /** `say` is called only for the first hundred: a bad file of a million lines must not cost a million sentences. */
  add(line: number, column: string, code: FindingCode, say: () => string): void;
  readonly first: FindingRow[];
  readonly counts: Map<FindingCode, number>;
};

export const FINDINGS_KEPT = 100;

export function noFindings(): Findings {
  const first: FindingRow[] = [];
  const counts = new Map<FindingCode, number>();
  return {
    first,
    counts,
    add: (line, column, code, say) => {
      counts.set(code, (counts.get(code) ?? 0) + 1);
      if (first.length < FINDINGS_KEPT) first.push({ line, column, code, message: say() });
    },
  };
}

/** Adds what was found elsewhere, as if it were found now. */
export function absorb(findings: Findings, found: Pick<Findings, 'first' | 'counts'>): void {
  findings.first.push(...found.first.slice(0, FINDINGS_KEPT - findings.first.length));
  for (const [code, count] of found.counts) findings.counts.set(code, (findings.counts.get(code) ?? 0) + count);
}
