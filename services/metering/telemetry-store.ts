import type { Instant } from '../domain/interval.ts';
import type { Queryable, Tx } from '../host/room.ts';
import type { RegisterSpan } from './registers.ts';

/** DISCOMs that have meters whose readings a device gives. */
export async function discomsWithDevices(db: Queryable): Promise<string[]> {
  const rows = await db.query<{ discom: string }>(
    `select distinct discom from meter where source like 'device:%' order by discom`,
  );
  return rows.map((row) => row.discom);
}

/** Of these sources, the meters that have them now. */
export async function metersOfSources(db: Queryable, discom: string, sources: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ meter_id: string }>(
    `select distinct meter_id from meter where discom = $1 and source = any($2) and source like 'device:%'`,
    [discom, sources],
  );
  return rows.map((row) => row.meter_id);
}

/** One at a time per DISCOM, also across processes: each must see what the one before it remembered. */
export async function holdTelemetry(tx: Tx, discom: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`telemetry/${discom}`]);
}

export type SpanName = { readonly meterId: string; readonly start: Instant };

/** Those that there are, by `<meter> <start>`. */
export async function spansNamed(db: Queryable, discom: string, names: readonly SpanName[]): Promise<Map<string, RegisterSpan>> {
  const rows = await db.query<{
    meter_id: string;
    start_ms: bigint;
    first_at_ms: bigint;
    first_wh: bigint;
    last_at_ms: bigint;
    last_wh: bigint;
    broken: boolean;
  }>(
    `select s.* from unnest($2::text[], $3::bigint[]) as n (meter_id, start_ms)
     join register_span s on s.discom = $1 and s.meter_id = n.meter_id and s.start_ms = n.start_ms`,
    [discom, names.map(({ meterId }) => meterId), names.map(({ start }) => start)],
  );
  return new Map(
    rows.map((row) => [
      spanKey({ meterId: row.meter_id, start: Number(row.start_ms) }),
      {
        start: Number(row.start_ms),
        first: { at: Number(row.first_at_ms), wh: Number(row.first_wh) },
        last: { at: Number(row.last_at_ms), wh: Number(row.last_wh) },
        broken: row.broken,
      },
    ]),
  );
}

export async function keepSpans(tx: Tx, discom: string, spans: readonly (RegisterSpan & SpanName)[]): Promise<void> {
  if (spans.length === 0) return;
  await tx.query(
    `insert into register_span (discom, meter_id, start_ms, first_at_ms, first_wh, last_at_ms, last_wh, broken)
     select $1, * from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bool[])
     on conflict (discom, meter_id, start_ms) do update set first_at_ms = excluded.first_at_ms, first_wh = excluded.first_wh,
       last_at_ms = excluded.last_at_ms, last_wh = excluded.last_wh, broken = excluded.broken`,
    [
      discom,
      spans.map((span) => span.meterId),
      spans.map((span) => span.start),
      spans.map((span) => span.first.at),
      spans.map((span) => span.first.wh),
      spans.map((span) => span.last.at),
      spans.map((span) => span.last.wh),
      spans.map((span) => span.broken),
    ],
  );
}

export async function forgetSpans(db: Queryable, before: Instant): Promise<void> {
  await db.query('delete from register_span where start_ms < $1', [before]);
}

export const spanKey = ({ meterId, start }: SpanName): string => `${meterId} ${start}`;
