import type { Instant } from '../services/domain/interval.ts';
import type { Queryable } from '../services/host/room.ts';
import type { Instruction, Outcome, Proof, Pursuit } from './reconcile.ts';

export type DeviceRow = {
  readonly discom: string;
  readonly device_id: string;
  readonly protocol: string;
  readonly organisation_id: string;
  readonly resource_id: string;
  readonly secret_digest: Uint8Array;
  /** As mosquitto's password file has it; empty = made before it was kept. */
  readonly broker_password: string;
  readonly connected_at_ms: bigint | null;
  readonly seen_at_ms: bigint | null;
  readonly vendor: string;
  readonly model: string;
};

/** The device whatever its discom: ids are unique in the installation. Used where a device logs in, and to see that an id is taken. */
export async function deviceById(db: Queryable, deviceId: string): Promise<DeviceRow | undefined> {
  return (await db.query<DeviceRow>('select * from device where device_id = $1', [deviceId]))[0];
}

export async function devicesByIds(db: Queryable, discom: string, ids: readonly string[]): Promise<DeviceRow[]> {
  return db.query<DeviceRow>('select * from device where discom = $1 and device_id = any($2)', [discom, ids]);
}

/** Inserts, or gives a known device new links and a new secret. */
export async function keepDevice(
  db: Queryable,
  row: Pick<
    DeviceRow,
    'discom' | 'device_id' | 'protocol' | 'organisation_id' | 'resource_id' | 'secret_digest' | 'broker_password'
  >,
  at: Instant,
): Promise<void> {
  await db.query(
    `insert into device (discom, device_id, protocol, organisation_id, resource_id, secret_digest, provisioned_at_ms, broker_password) values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (discom, device_id) do update set protocol = $3, organisation_id = $4, resource_id = $5, secret_digest = $6, provisioned_at_ms = $7,
       broker_password = $8, connected_at_ms = null, provisioning = default`,
    [row.discom, row.device_id, row.protocol, row.organisation_id, row.resource_id, row.secret_digest, at, row.broker_password],
  );
}

/** How often the device has logged in anywhere, now once more. */
export async function countLogin(db: Queryable, discom: string, deviceId: string): Promise<number> {
  const [row] = await db.query<{ logins: bigint }>(
    'update device set logins = logins + 1 where discom = $1 and device_id = $2 returning logins',
    [discom, deviceId],
  );
  return Number(row?.logins ?? 0);
}

/** The proof that the first gateway left; the same for all with its pepper. */
export async function pepperProof(db: Queryable, proof: Uint8Array): Promise<Uint8Array> {
  await db.query('insert into pepper (proof) values ($1) on conflict do nothing', [proof]);
  const [row] = await db.query<{ proof: Uint8Array }>('select proof from pepper');
  return row!.proof;
}

export async function markConnected(db: Queryable, discom: string, deviceId: string, at: Instant): Promise<void> {
  await db.query('update device set connected_at_ms = $3 where discom = $1 and device_id = $2 and connected_at_ms is null', [
    discom,
    deviceId,
    at,
  ]);
}

/** Who may log in at a broker, in user-name order. */
export async function brokerUsers(db: Queryable): Promise<{ discom: string; device_id: string; broker_password: string }[]> {
  return db.query(
    `select discom, device_id, broker_password from device where protocol = 'flex/1' and broker_password <> '' order by discom, device_id`,
  );
}

/** Another text after every provisioning that has been committed. */
export async function provisioningMark(db: Queryable): Promise<string> {
  const [row] = await db.query<{ mark: string }>(`select count(*) || '/' || coalesce(max(provisioning), 0) as mark from device`);
  return row!.mark;
}

export type Seen = {
  readonly discom: string;
  readonly deviceId: string;
  readonly seenAt: Instant;
  readonly vendor: string;
  readonly model: string;
};
export async function keepSeen(db: Queryable, seen: readonly Seen[]): Promise<void> {
  if (seen.length === 0) return;
  await db.query(
    `update device d set seen_at_ms = s.at, vendor = s.vendor, model = s.model
     from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) as s (discom, device_id, at, vendor, model)
     where d.discom = s.discom and d.device_id = s.device_id`,
    columns(seen, (s) => [s.discom, s.deviceId, s.seenAt, s.vendor, s.model], 5),
  );
}

/** In id order, after `after`. `organisation` null = all of the discom. */
export async function listDevices(
  db: Queryable,
  discom: string,
  organisation: string | null,
  search: string,
  after: string,
  limit: number,
): Promise<DeviceRow[]> {
  return db.query<DeviceRow>(
    `select * from device where discom = $1 and ($2::text is null or organisation_id = $2) and device_id > $3
       and ($4 = '' or strpos(device_id, $4) > 0 or strpos(resource_id, $4) > 0) order by device_id limit $5`,
    [discom, organisation, after, search, limit],
  );
}

/** Those of every discom: what the room itself starts from. */
export const allDevices = (db: Queryable): Promise<DeviceRow[]> => db.query<DeviceRow>('select * from device');

type InstructionRow = {
  discom: string;
  device_id: string;
  instruction_id: string;
  event_id: string;
  resource_id: string;
  start_ms: bigint;
  end_ms: bigint;
  direction: 'shed' | 'absorb';
  level: number;
  max_power_w: bigint | null;
  setpoint_delta_c: number;
  random_start_s: number;
  random_end_s: number;
  expires_at_ms: bigint;
  slot: number;
  traceparent: string;
  outcome: Outcome | null;
  proof: number;
  reason: string;
  attempts: number;
  sent_at_ms: bigint | null;
  release: string | null;
  before_w: number | null;
  closed: boolean;
};

export async function openPursuits(db: Queryable): Promise<Pursuit[]> {
  return (await db.query<InstructionRow>('select * from instruction where not closed')).map(pursuitOf);
}

/** Those of these devices, open and closed. */
export async function pursuitsOf(db: Queryable, discom: string, instructionIds: readonly string[]): Promise<Pursuit[]> {
  return (
    await db.query<InstructionRow>('select * from instruction where discom = $1 and instruction_id = any($2)', [
      discom,
      instructionIds,
    ])
  ).map(pursuitOf);
}

/** Which devices were ever asked for these. */
export async function devicesOf(
  db: Queryable,
  discom: string,
  instructionIds: readonly string[],
): Promise<{ device_id: string; instruction_id: string }[]> {
  return db.query('select device_id, instruction_id from instruction where discom = $1 and instruction_id = any($2)', [
    discom,
    instructionIds,
  ]);
}

/** How many instructions each device ever had: the next slot. */
export async function slotsOf(db: Queryable, discom: string, deviceIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await db.query<{ device_id: string; next: number }>(
    'select device_id, max(slot) + 1 as next from instruction where discom = $1 and device_id = any($2) group by device_id',
    [discom, deviceIds],
  );
  return new Map(rows.map((row) => [row.device_id, row.next]));
}

/** Inserts or replaces whole pursuits, in one statement. */
export async function keepPursuits(db: Queryable, pursuits: readonly Pursuit[]): Promise<void> {
  if (pursuits.length === 0) return;
  await db.query(
    `insert into instruction (discom, device_id, instruction_id, event_id, resource_id, start_ms, end_ms, direction, level, max_power_w, setpoint_delta_c,
       random_start_s, random_end_s, expires_at_ms, slot, outcome, proof, reason, attempts, sent_at_ms, release, before_w, closed, traceparent)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::int[], $10::bigint[], $11::float8[],
       $12::int[], $13::int[], $14::bigint[], $15::int[], $16::text[], $17::smallint[], $18::text[], $19::int[], $20::bigint[], $21::text[], $22::int[], $23::bool[], $24::text[])
     on conflict (discom, device_id, instruction_id) do update set start_ms = excluded.start_ms, end_ms = excluded.end_ms, direction = excluded.direction,
       level = excluded.level, max_power_w = excluded.max_power_w, setpoint_delta_c = excluded.setpoint_delta_c, random_start_s = excluded.random_start_s,
       random_end_s = excluded.random_end_s, expires_at_ms = excluded.expires_at_ms, outcome = excluded.outcome, proof = excluded.proof, reason = excluded.reason,
       attempts = excluded.attempts, sent_at_ms = excluded.sent_at_ms, release = excluded.release, before_w = excluded.before_w, closed = excluded.closed`,
    columns(
      pursuits,
      ({ instruction: i, ...p }) => [
        i.discom,
        i.deviceId,
        i.instructionId,
        i.eventId,
        i.resourceId,
        i.valid.start,
        i.valid.end,
        i.direction,
        i.level,
        i.maxPowerW,
        i.setpointDeltaC,
        i.randomStartS,
        i.randomEndS,
        i.expiresAt,
        i.slot,
        p.outcome,
        p.proof,
        p.reason,
        p.attempts,
        p.sentAt,
        p.release,
        p.beforeW,
        p.closed,
        i.traceparent,
      ],
      24,
    ),
  );
}

export type SessionStart = {
  readonly connectorId: number;
  readonly idTag: string;
  readonly meterStartWh: number;
  readonly startedAt: Instant;
};

/** The same start, told twice, is the same session. */
export async function startSession(db: Queryable, discom: string, deviceId: string, start: SessionStart): Promise<number> {
  const key = [discom, deviceId, start.connectorId, start.idTag, start.meterStartWh, start.startedAt];
  const [row] = await db.query<{ transaction_id: number }>(
    `insert into charging_session (discom, device_id, connector_id, id_tag, meter_start_wh, started_at_ms) values ($1, $2, $3, $4, $5, $6)
     on conflict (discom, device_id, connector_id, id_tag, meter_start_wh, started_at_ms) do update set id_tag = excluded.id_tag returning transaction_id`,
    key,
  );
  return row!.transaction_id;
}

/** False: no such session of this device (started offline, perhaps): nothing changes. A second stop changes nothing either. */
export async function stopSession(
  db: Queryable,
  discom: string,
  deviceId: string,
  transactionId: number,
  stop: { meterStopWh: number; stoppedAt: Instant; reason: string },
): Promise<boolean> {
  const rows = await db.query(
    `update charging_session set meter_stop_wh = coalesce(meter_stop_wh, $4), stopped_at_ms = coalesce(stopped_at_ms, $5), stop_reason = coalesce(stop_reason, $6)
     where discom = $1 and device_id = $2 and transaction_id = $3 returning 1`,
    [discom, deviceId, transactionId, stop.meterStopWh, stop.stoppedAt, stop.reason],
  );
  return rows.length > 0;
}

export async function openSessions(
  db: Queryable,
  discom: string,
  deviceId: string,
): Promise<{ transactionId: number; connectorId: number }[]> {
  const rows = await db.query<{ transaction_id: number; connector_id: number }>(
    'select transaction_id, connector_id from charging_session where discom = $1 and device_id = $2 and stopped_at_ms is null order by transaction_id',
    [discom, deviceId],
  );
  return rows.map((row) => ({ transactionId: row.transaction_id, connectorId: row.connector_id }));
}

export type Frame = {
  readonly discom: string;
  readonly deviceId: string;
  readonly at: Instant;
  readonly sent: boolean;
  readonly action: string;
  readonly text: string;
};
export async function keepFrames(db: Queryable, frames: readonly Frame[]): Promise<void> {
  if (frames.length === 0) return;
  await db.query(
    `insert into ocpp_frame (discom, device_id, at_ms, sent, action, frame)
     select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bool[], $5::text[], $6::text[])`,
    columns(frames, (f) => [f.discom, f.deviceId, f.at, f.sent, f.action, f.text], 6),
  );
}

export async function dropFrames(db: Queryable, before: Instant): Promise<void> {
  await db.query('delete from ocpp_frame where at_ms < $1', [before]);
}

const pursuitOf = (row: InstructionRow): Pursuit => ({
  instruction: instructionOf(row),
  outcome: row.outcome,
  proof: row.proof as Proof,
  reason: row.reason,
  attempts: row.attempts,
  sentAt: row.sent_at_ms === null ? null : Number(row.sent_at_ms),
  session: 0,
  release: row.release,
  beforeW: row.before_w,
  closed: row.closed,
});

const instructionOf = (row: InstructionRow): Instruction => ({
  discom: row.discom,
  deviceId: row.device_id,
  instructionId: row.instruction_id,
  eventId: row.event_id,
  resourceId: row.resource_id,
  valid: { start: Number(row.start_ms), end: Number(row.end_ms) },
  direction: row.direction,
  level: row.level,
  maxPowerW: row.max_power_w === null ? null : Number(row.max_power_w),
  setpointDeltaC: row.setpoint_delta_c,
  randomStartS: row.random_start_s,
  randomEndS: row.random_end_s,
  expiresAt: Number(row.expires_at_ms),
  slot: row.slot,
  traceparent: row.traceparent,
});

// Rows → one array per column, for unnest.
function columns<T>(rows: readonly T[], cells: (row: T) => readonly unknown[], width: number): unknown[][] {
  const arrays: unknown[][] = Array.from({ length: width }, () => []);
  for (const row of rows) cells(row).forEach((cell, i) => void arrays[i]!.push(cell));
  return arrays;
}
