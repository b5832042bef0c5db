import type { Json } from '../domain/canonical.ts';
import type { Instant, Interval } from '../domain/interval.ts';
import type { CivilDay } from '../domain/zone.ts';

/** A state's meters and one event, as `state.json` in its folder says it: everything a run rests on but tiles and cohort. */
export type Town = {
  readonly format: 1;
  readonly discom: string;
  readonly seed: number;
  readonly meters: number;
  /** Meters of a shard; the last may have fewer. */
  readonly perShard: number;
  readonly zone: string;
  readonly intervalMinutes: number;
  readonly event: {
    readonly eventId: string;
    readonly programmeId: string;
    readonly termsVersion: number;
    readonly window: Interval;
    readonly noticeAtMs: Instant;
    readonly committedAtMs: Instant;
    readonly commitmentDigest: string;
  };
  readonly asOfMs: Instant;
  readonly terms: Json;
  readonly calendar: { readonly calendarId: string; readonly version: number; readonly days: readonly Json[] };
};

export const shardsOf = ({ meters, perShard }: Town): number => Math.ceil(meters / perShard);
export const metersIn = ({ meters, perShard }: Town, shard: number): number => Math.min(perShard, meters - shard * perShard);

const place = (shard: number, lane: number): string => `${String(shard).padStart(5, '0')}-${String(lane).padStart(5, '0')}`;
export const pointId = (shard: number, lane: number): string => `S${place(shard, lane)}`;
export const meterId = (shard: number, lane: number): string => `M${place(shard, lane)}`;
export const connectionId = (shard: number, lane: number): string => `C${place(shard, lane)}`;
export const participantId = (shard: number, lane: number): string => `P${place(shard, lane)}`;
/** Each aggregator has whole shards. */
export const organisationId = (shard: number): string => `AGG-${shard % 8}`;

/** `S00012-00345` → its place; null for anything else, or a place the town has not. */
export function placeOf(town: Town, point: string): { shard: number; lane: number } | null {
  const found = /^S(\d{5})-(\d{5})$/.exec(point);
  if (!found) return null;
  const [shard, lane] = [Number(found[1]), Number(found[2])];
  return shard < shardsOf(town) && lane < metersIn(town, shard) ? { shard, lane } : null;
}

/** What one shard's cohort file says beside its columns. */
export type ShardFacts = {
  readonly versions: readonly {
    readonly path: string;
    readonly day: CivilDay;
    readonly version: number;
    readonly knownAtMs: Instant;
  }[];
  /** Lanes [from, to) without supply. */
  readonly outages: readonly {
    readonly from: number;
    readonly to: number;
    readonly startMs: Instant;
    readonly endMs: Instant;
  }[];
};
