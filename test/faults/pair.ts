import { pino } from 'pino';
import { defaults } from '../../services/host/config.ts';
import { killPoint } from '../../services/host/faults.ts';
import { type Host, startHost } from '../../services/host/host.ts';
import type { Deps, RoomMaker } from '../../services/host/room.ts';

/**
 * Three rooms in a row, to be killed: registry writes the numbers 1 … `total`, each with its fact, and prints `acknowledged n` after
 * the commit; enrolment notes each and passes it on; dispatch notes what it was passed. Nothing stops a row from being noted twice
 * but the host's promise. Ends with `report {…}` when all is handled.
 */
const [folder, total] = [process.argv[2]!, Number(process.argv[3])];
const nowhere = new URL('file:///nonexistent/');
const body = (participantId: string) =>
  ({ case: 'personErased', value: { $typeName: 'lachak.v1.PersonErased', participantId } }) as const;
const stores = new Map<string, Deps>();

const noting = (name: RoomMaker['name'], upstream: RoomMaker['name'] | null): RoomMaker => ({
  name,
  migrations: nowhere,
  make: (deps) => {
    stores.set(name, deps);
    if (upstream) {
      deps.facts.follow(upstream, {
        personErased: async (tx, { participantId }, fact) => {
          await tx.query('insert into noted (position, n) values ($1, $2)', [fact.position, participantId]);
          await deps.facts.publish(tx, { discom: fact.discom, key: fact.key, body: body(participantId) });
        },
      });
    }
    const start = async () => {
      await deps.database.query(
        'create table if not exists noted (row_id bigint generated always as identity, position bigint, n bigint)',
      );
    };
    return { bindings: [], start, stop: async () => {} };
  },
});

async function write({ database, facts }: Deps): Promise<void> {
  for (;;) {
    const n = await database.tx(async (tx) => {
      const [row] = await tx.query<{ last: bigint }>('select coalesce(max(n), 0) as last from noted');
      const next = row!.last + 1n;
      if (next > BigInt(total)) return null;
      await tx.query('insert into noted (n) values ($1)', [next]);
      await facts.publish(tx, { discom: 'BRPL', key: `key-${next % 3n}`, body: body(String(next)) });
      killPoint('writer.before_commit');
      return next;
    });
    if (n === null) return;
    process.stdout.write(`acknowledged ${n}\n`);
    killPoint('writer.after_commit');
    // Not far ahead of its follower: each kill is to find the three rooms at work.
    if (n % 5n === 0n) await facts.passed(await facts.position(), ['enrolment'], 5000);
  }
}

const host: Host = await startHost({
  config: { ...defaults, folder, log: { level: 'warn' } },
  rooms: [noting('registry', null), noting('enrolment', 'registry'), noting('dispatch', 'enrolment')],
  log: pino({ level: 'error' }, pino.destination(2)),
});
process.stdout.write('ready\n');
await write(stores.get('registry')!);
for (const [upstream, follower] of [
  ['registry', 'enrolment'],
  ['enrolment', 'dispatch'],
] as const) {
  const { facts } = stores.get(upstream)!;
  if (!(await facts.passed(await facts.position(), [follower], 30_000))) throw new Error(`${follower} does not catch up`);
}
const noted = async (room: string, by: string) =>
  (await stores.get(room)!.database.query<{ n: bigint }>(`select n from noted order by ${by}`)).map((row) => Number(row.n));
const report = {
  registry: await noted('registry', 'n'),
  enrolment: await noted('enrolment', 'row_id'),
  dispatch: await noted('dispatch', 'row_id'),
};
process.stdout.write(`report ${JSON.stringify(report)}\n`);
await host.stop();
