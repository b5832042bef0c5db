import { deviceRegister } from '../services/domain/source.ts';
import type { Database, Queryable } from '../services/host/room.ts';
import { type Carrier, type Kept, TelemetryFull, type Waiting } from './telemetry.ts';

/** About 150 MB: three days of a thousand devices that speak once a minute would be four times as much. */
const MOST_WAITING = 1_000_000;
/** Of one statement, and of what waits in memory for the next. */
const TOGETHER = 1000;

/** In the room's own schema, where there is no NATS: one process runs the room then. */
export function telemetryTable(database: Database, most = MOST_WAITING): Carrier {
  let rows = 0;
  let gathered: { readonly kept: Kept; readonly end: (error: unknown) => void }[] = [];
  let writing = false;

  const write = async (): Promise<void> => {
    writing = true;
    while (gathered.length > 0) {
      const some = gathered.slice(0, TOGETHER);
      gathered = gathered.slice(TOGETHER);
      const error = await addTelemetry(
        database,
        some.map(({ kept }) => kept),
      ).then(
        (added) => {
          rows += added;
          return null;
        },
        (why) => why,
      );
      for (const { end } of some) end(error);
    }
    writing = false;
  };
  return {
    keep: (kept) =>
      new Promise((done, fail) => {
        if (rows + gathered.length >= most) return fail(new TelemetryFull(`${rows} values`));
        gathered.push({ kept, end: (error) => (error === null ? done() : fail(error)) });
        if (!writing) void write();
      }),
    take: (discom, count) => waitingTelemetry(database, discom, count),
    acknowledge: async (discom, receipts) => {
      const gone = await database.query('delete from telemetry where discom = $1 and telemetry_id = any($2) returning 1', [
        discom,
        receipts,
      ]);
      rows -= gone.length;
    },
    waiting: () => rows,
    start: async () => {
      const [row] = await database.query<{ rows: bigint }>('select count(*) as rows from telemetry');
      rows = Number(row!.rows);
    },
    stop: () => Promise.resolve(),
  };
}

/** The same value told again is the same row; answers how many are new. */
async function addTelemetry(db: Queryable, all: readonly Kept[]): Promise<number> {
  const rows = all.flatMap(({ values, ...of }) => values.map((value) => ({ ...of, ...value })));
  const added = await db.query(
    `insert into telemetry (discom, device_id, register, at_ms, wh, received_at_ms)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
     on conflict (discom, device_id, register, at_ms) do nothing returning 1`,
    [
      rows.map((row) => row.discom),
      rows.map((row) => row.deviceId),
      rows.map((row) => row.register),
      rows.map((row) => row.at),
      rows.map((row) => row.wh),
      rows.map((row) => row.receivedAt),
    ],
  );
  return added.length;
}

async function waitingTelemetry(db: Queryable, discom: string, most: number): Promise<Waiting[]> {
  const rows = await db.query<{
    telemetry_id: bigint;
    device_id: string;
    register: string;
    at_ms: bigint;
    wh: bigint;
    received_at_ms: bigint;
  }>('select * from telemetry where discom = $1 order by telemetry_id limit $2', [discom, most]);
  return rows.map((row) => ({
    receipt: String(row.telemetry_id),
    deviceId: row.device_id,
    register: row.register,
    receivedAt: Number(row.received_at_ms),
    values: [{ at: Number(row.at_ms), wh: Number(row.wh) }],
  }));
}

export type MeterState = { readonly meterId: string; readonly fromMs: bigint; readonly source: string };

/** Keeps which of these states of meters name a register of a device, and forgets those that no longer do. */
export async function keepMetered(db: Queryable, discom: string, states: readonly MeterState[]): Promise<void> {
  const named = states.flatMap((state) => {
    const register = deviceRegister(state.source);
    return register ? [{ ...state, ...register }] : [];
  });
  const others = states.filter((state) => deviceRegister(state.source) === null);
  if (others.length > 0)
    await db.query(
      `delete from metered_register where discom = $1 and (meter_id, from_ms) in (select * from unnest($2::text[], $3::bigint[]))`,
      [discom, others.map((state) => state.meterId), others.map((state) => state.fromMs)],
    );
  for (const { meterId, fromMs, deviceId, register } of named)
    await db.query(
      `insert into metered_register (discom, meter_id, from_ms, device_id, register) values ($1, $2, $3, $4, $5)
       on conflict (discom, meter_id, from_ms) do update set device_id = $4, register = $5, change = default`,
      [discom, meterId, fromMs, deviceId, register],
    );
}

/** Another text after every change that has been committed. */
export async function meteredMark(db: Queryable): Promise<string> {
  const [row] = await db.query<{ mark: string }>(
    `select count(*) || '/' || coalesce(max(change), 0) as mark from metered_register`,
  );
  return row!.mark;
}

export const allMetered = (db: Queryable): Promise<{ discom: string; device_id: string; register: string }[]> =>
  db.query('select distinct discom, device_id, register from metered_register');
