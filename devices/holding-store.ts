import type { Queryable, Tx } from '../services/host/room.ts';
import { shareOf } from './part.ts';

export type PartRow = { readonly part: number; readonly holder: string | null; readonly epoch: bigint };

/**
 * Renews the gateway's lease, gives back what is more than its share, takes what is free or belonged to the dead. `clock_timestamp`: the
 * wall of the database is the one clock that all gateways have in common.
 */
export async function divide(tx: Tx, gateway: string, leaseMs: number): Promise<{ living: string[]; parts: PartRow[] }> {
  await tx.query(
    `insert into gateway (gateway_id, until) values ($1, clock_timestamp() + $2 * interval '1 ms')
     on conflict (gateway_id) do update set until = excluded.until`,
    [gateway, leaseMs],
  );
  await tx.query(`delete from gateway where until < clock_timestamp() - interval '1 minute'`);
  const living = (
    await tx.query<{ gateway_id: string }>('select gateway_id from gateway where until > clock_timestamp() order by 1')
  ).map((row) => row.gateway_id);
  const held = await tx.query('select 1 from part where holder = $1', [gateway]);
  const more = shareOf(gateway, living) - held.length;
  if (more < 0) {
    await tx.query(
      'update part set holder = null where part in (select part from part where holder = $1 order by part desc limit $2)',
      [gateway, -more],
    );
  } else if (more > 0) {
    await tx.query(
      `update part set holder = $1, epoch = epoch + 1 where part in
       (select part from part where holder is null or holder <> all($2) order by part limit $3 for update skip locked)`,
      [gateway, living, more],
    );
  }
  return { living, parts: await parts(tx) };
}

export const parts = (db: Queryable): Promise<PartRow[]> => db.query<PartRow>('select part, holder, epoch from part');

/** The epochs of those of `which` that the gateway holds; they stay its own until the transaction ends. */
export async function holdFast(tx: Tx, gateway: string, which: readonly number[]): Promise<Map<number, bigint>> {
  const rows = await tx.query<PartRow>(
    'select part, holder, epoch from part where part = any($1) and holder = $2 order by part for share',
    [which, gateway],
  );
  return new Map(rows.map(({ part, epoch }) => [part, epoch]));
}

/** Gives everything back, so that others need not wait for the lease to end. */
export async function giveBack(tx: Tx, gateway: string): Promise<void> {
  await tx.query('update part set holder = null where holder = $1', [gateway]);
  await tx.query('delete from gateway where gateway_id = $1', [gateway]);
}
