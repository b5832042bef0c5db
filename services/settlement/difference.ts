import type { Json } from '../domain/canonical.ts';

/** One thing looked at: what holds, or precisely what differs. */
export type Check = { readonly says: string; readonly differences: readonly string[] };

/** Where a stated value and the one found part, in words, one line each; nothing when they are equal. `by` says where the other comes from. */
export function difference(about: string, stated: Json | undefined, found: Json | undefined, by: string): string[] {
  if (isBranch(stated) && isBranch(found) && Array.isArray(stated) === Array.isArray(found)) {
    const [a, b] = [stated as Record<string, Json>, found as Record<string, Json>];
    const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return names.flatMap((name) =>
      difference(Array.isArray(stated) ? `${about}[${name}]` : `${about}.${name}`, a[name], b[name], by),
    );
  }
  return stated === found || (stated ?? null) === (found ?? null)
    ? []
    : [`${about}: the statement has ${shown(stated)}, ${by} ${shown(found)}`];
}

/** Enough of a digest for a person to compare. */
export const short = (digest: string): string => (/^[0-9a-f]{64}$/.test(digest) ? `${digest.slice(0, 12)}…` : digest);

const isBranch = (value: Json | undefined): boolean => typeof value === 'object' && value !== null;

function shown(value: Json | undefined): string {
  if (value === undefined || value === null) return 'nothing';
  const text = typeof value === 'string' ? short(value) : JSON.stringify(value);
  return text === '' ? 'none' : text.length > 160 ? `${text.slice(0, 157)}…` : text;
}
