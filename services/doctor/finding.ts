/** What one look found, in one line for people. `note`: nothing is wrong, but it is worth knowing. */
export type Finding = { readonly verdict: 'ok' | 'note' | 'wrong'; readonly what: string; readonly says: string };

export const ok = (what: string, says: string): Finding => ({ verdict: 'ok', what, says });
export const note = (what: string, says: string): Finding => ({ verdict: 'note', what, says });
/** `says`: what is wrong, what was expected, and what to do. */
export const wrong = (what: string, says: string): Finding => ({ verdict: 'wrong', what, says });

/** One line a finding, in columns. */
export function drawn(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings
    .map(({ verdict, what, says }) => `${verdict.padEnd(5)}  ${what.padEnd(width)}  ${says.replaceAll(/\s*\n\s*/g, ' ')}`)
    .join('\n');
}

/** Clocks further apart than this put readings and instructions into wrong moments. */
const APART_MS = 1000;

/** `aheadMs`: the server's clock minus ours, known to within `withinMs`. */
export function clockFinding(server: string, aheadMs: number, withinMs: number): Finding {
  const what = `clock, ${server}`;
  const apart = `${(Math.abs(aheadMs) / 1000).toFixed(3)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  if (Math.abs(aheadMs) - withinMs > APART_MS)
    return wrong(what, `is ${apart}; expected at most ${APART_MS / 1000} s: have both machines follow one time server (NTP)`);
  return ok(what, `${apart}, give or take ${(withinMs / 1000).toFixed(3)} s`);
}

/** What a schema has had done, against the migrations of this program. */
export function migrationFinding(
  schema: string,
  done: ReadonlyMap<string, string>,
  files: readonly { readonly name: string; readonly checksum: string }[],
): Finding {
  const what = `schema ${schema}`;
  const list = (names: readonly string[]) => `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`;
  const known = new Set(files.map(({ name }) => name));
  const later = [...done.keys()].filter((name) => !known.has(name));
  if (later.length > 0)
    return wrong(
      what,
      `was brought forward by a later Lachak (${list(later)}); there is no way back: run that version or a later one`,
    );
  const changed = files.filter(({ name, checksum }) => done.has(name) && done.get(name) !== checksum).map(({ name }) => name);
  if (changed.length > 0)
    return wrong(what, `had migrations that read otherwise now (${list(changed)}); expected them unchanged: install Lachak anew`);
  const open = files.filter(({ name }) => !done.has(name)).map(({ name }) => name);
  if (open.length > 0)
    return note(what, `${open.length} of ${files.length} migrations are still to run (${list(open)}): the next start does`);
  return ok(what, `${files.length} migrations, all run`);
}
