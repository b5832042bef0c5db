import { canonicalJson } from '../domain/canonical.ts';
import { hex } from '../domain/hex.ts';
import type { Instant } from '../domain/interval.ts';
import type { Hash } from '../domain/merkle.ts';

/** One entry of the evidence log. `hash` seals it and all before it. */
export type LogEntry = {
  readonly index: number;
  readonly kind: 'commitment' | 'run_root';
  /** Event or run. */
  readonly subject: string;
  readonly digest: string;
  readonly atMs: Instant;
  /** Hash of the entry before; 64 zeros for the first. */
  readonly previous: string;
  readonly hash: string;
};

export const GENESIS = '0'.repeat(64);

/** hash = SHA-256(previous hash, as text ‖ canonical JSON of at_ms, digest, index, kind, subject). */
export function sealed(entry: Omit<LogEntry, 'hash'>, hash: Hash): LogEntry {
  const { previous, ...content } = entry;
  return { ...entry, hash: hex(hash(encoder.encode(previous + canonicalJson(content)))) };
}

/** The first thing wrong with a run of entries, in words; null when each seals the one before. */
export function chainFault(entries: readonly LogEntry[], hash: Hash): string | null {
  let before: LogEntry | null = null;
  for (const entry of entries) {
    const { hash: stated, ...content } = entry;
    if (sealed(content, hash).hash !== stated) return `log entry ${entry.index} does not hash to what it states`;
    if (before && (entry.index !== before.index + 1 || entry.previous !== before.hash)) {
      return `log entry ${entry.index} does not follow entry ${before.index}`;
    }
    before = entry;
  }
  return null;
}

const encoder = new TextEncoder();
