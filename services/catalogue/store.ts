import type { Queryable, Tx } from '../host/room.ts';

export type ProgrammeRow = {
  readonly programmeId: string;
  readonly version: number;
  readonly name: string;
  readonly preset: string;
  /** Canonical JSON; `digest` is its SHA-256, hex. */
  readonly terms: string;
  readonly digest: string;
  readonly publishedAtMs: bigint;
  readonly validFromMs: bigint;
};
/** Protobuf JSON of the days, in order. */
export type CalendarRow = { readonly calendarId: string; readonly version: number; readonly days: unknown[] };

const programmeColumns = `programme_id as "programmeId", version, name, preset, terms, digest,
  published_at_ms as "publishedAtMs", valid_from_ms as "validFromMs"`;

/** One version at a time of one noun: held until the transaction ends. */
export async function lockVersions(tx: Tx, discom: string, noun: 'programme' | 'calendar', id: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`version/${discom}/${noun}/${id}`]);
}

/** Version 0 = the newest. */
export async function programmeOf(
  db: Queryable,
  discom: string,
  programmeId: string,
  version: number,
): Promise<ProgrammeRow | null> {
  const [row] = await db.query<ProgrammeRow>(
    `select ${programmeColumns} from programme
     where discom = $1 and programme_id = $2 and ($3 = 0 or version = $3) order by version desc limit 1`,
    [discom, programmeId, version],
  );
  return row ?? null;
}

export async function addProgramme(tx: Tx, discom: string, row: ProgrammeRow): Promise<void> {
  await tx.query(
    `insert into programme (discom, programme_id, version, name, preset, terms, digest, published_at_ms, valid_from_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [discom, row.programmeId, row.version, row.name, row.preset, row.terms, row.digest, row.publishedAtMs, row.validFromMs],
  );
}

/** Newest versions in id order, after `after`. */
export function newestProgrammes(db: Queryable, discom: string, after: string, limit: number): Promise<ProgrammeRow[]> {
  return db.query<ProgrammeRow>(
    `select distinct on (programme_id) ${programmeColumns} from programme
     where discom = $1 and programme_id > $2
     order by programme_id, version desc limit $3`,
    [discom, after, limit],
  );
}

/** Version 0 = the newest. */
export async function calendarOf(
  db: Queryable,
  discom: string,
  calendarId: string,
  version: number,
): Promise<CalendarRow | null> {
  const [row] = await db.query<CalendarRow>(
    `select calendar_id as "calendarId", version, days from calendar
     where discom = $1 and calendar_id = $2 and ($3 = 0 or version = $3) order by version desc limit 1`,
    [discom, calendarId, version],
  );
  return row ?? null;
}

export async function addCalendar(tx: Tx, discom: string, row: CalendarRow): Promise<void> {
  await tx.query('insert into calendar (discom, calendar_id, version, days) values ($1, $2, $3, $4)', [
    discom,
    row.calendarId,
    row.version,
    JSON.stringify(row.days),
  ]);
}
