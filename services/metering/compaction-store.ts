import type { Instant } from '../domain/interval.ts';
import type { Queryable, Tx } from '../host/room.ts';
import type { TileRow } from './store.ts';

/** What the hand-off of a version was. */
export type HandOff = Pick<TileRow, 'handOff' | 'signer' | 'receivedAt'>;

/** Whom a fold has a meter's readings from; null = from nobody. */
export async function speakerOf<Row extends TileRow>(
  db: Queryable,
  discom: string,
  fold: Row,
  ordinal: number,
): Promise<Row | null> {
  const place = [discom, fold.shard, fold.day, fold.intervalMinutes, fold.dayStart];
  const rows = await db.query<{
    version: number;
    hand_off: string;
    signer: string;
    received_at_ms: bigint;
    speakers: Buffer | null;
  }>(
    `select version, hand_off, signer, received_at_ms, case when version = $6 then speakers end as speakers from tile
     where discom = $1 and shard = $2 and day = $3 and interval_minutes = $4 and day_start_ms = $5`,
    [...place, fold.version],
  );
  const speakers = rows.find(({ version }) => version === fold.version)?.speakers;
  const version = speakers && ordinal * 4 < speakers.length ? speakers.readUInt32LE(ordinal * 4) : 0;
  const by = rows.find((row) => row.version === version);
  return by ? { ...fold, handOff: by.hand_off, signer: by.signer, receivedAt: Number(by.received_at_ms) } : null;
}

export async function speakersOf(db: Queryable, discom: string, fold: TileRow): Promise<Buffer> {
  const [row] = await db.query<{ speakers: Buffer | null }>(
    `select speakers from tile where discom = $1 and shard = $2 and day = $3 and interval_minutes = $4 and day_start_ms = $5 and version = $6`,
    [discom, fold.shard, fold.day, fold.intervalMinutes, fold.dayStart, fold.version],
  );
  return row?.speakers ?? Buffer.alloc(0);
}

export async function setSpeakers(tx: Tx, discom: string, fold: TileRow, speakers: Uint8Array): Promise<void> {
  await tx.query(
    `update tile set speakers = $7 where discom = $1 and shard = $2 and day = $3 and interval_minutes = $4 and day_start_ms = $5 and version = $6`,
    [discom, fold.shard, fold.day, fold.intervalMinutes, fold.dayStart, fold.version, speakers],
  );
}

/** Folds that one of these versions was known before. */
export async function voidFolds(tx: Tx, discom: string, versions: readonly TileRow[]): Promise<void> {
  await tx.query(
    `update tile set voided = true from (select * from unnest($2::int[], $3::text[], $4::int[], $5::bigint[], $6::bigint[])) as late(s, d, i, b, k)
     where discom = $1 and fold and shard = s and day = d and interval_minutes = i and day_start_ms = b and known_at_ms > k`,
    [
      ...[discom, versions.map(({ shard }) => shard), versions.map(({ day }) => day)],
      ...[versions.map(({ intervalMinutes }) => intervalMinutes), versions.map(({ dayStart }) => dayStart)],
      versions.map(({ knownAt }) => knownAt),
    ],
  );
}

const DAY = 86_400_000;

/** Once a day is enough: retention counts in days. */
export async function noteNamed(db: Queryable, discom: string, versions: readonly TileRow[], now: Instant): Promise<void> {
  const anew = versions.filter(({ namedAt }) => namedAt === null || namedAt < now - DAY);
  if (anew.length > 0) await mark(db, 'named_at_ms', discom, anew, now);
}

export const noteRemoved = (tx: Tx, discom: string, versions: readonly TileRow[], now: Instant): Promise<void> =>
  mark(tx, 'removed_at_ms', discom, versions, now);

async function mark(
  db: Queryable,
  column: 'named_at_ms' | 'removed_at_ms',
  discom: string,
  versions: readonly TileRow[],
  now: Instant,
): Promise<void> {
  await db.query(`update tile set ${column} = $2 where discom = $1 and path = any($3)`, [
    ...[discom, now],
    versions.map(({ path }) => path),
  ]);
}
