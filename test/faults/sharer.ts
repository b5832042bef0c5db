import { pino } from 'pino';
import { defaults } from '../../services/host/config.ts';
import { startHost } from '../../services/host/host.ts';
import type { RoomMaker } from '../../services/host/room.ts';

/** One of several processes that run enrolment, to be killed: notes what it hears of registry, and by whom. Prints what it owns. */
const [folder, databaseUrl, natsUrl] = [process.argv[2]!, process.argv[3]!, process.argv[4] ?? ''];

export const enrolment: RoomMaker = {
  name: 'enrolment',
  migrations: new URL('file:///nonexistent/'),
  make: ({ facts, database }) => {
    facts.follow('registry', {
      personErased: async (tx, { participantId }, fact) => {
        await tx.query('insert into noted (position, who, key, pid) values ($1, $2, $3, $4)', [
          fact.position,
          participantId,
          fact.key,
          process.pid,
        ]);
      },
    });
    const start = async () => {
      // Locked: of two processes that say "if not exists" at once, PostgreSQL may refuse one.
      await database.tx(async (tx) => {
        await tx.query('select pg_advisory_xact_lock(1)');
        await tx.query(
          'create table if not exists noted (n bigint generated always as identity, position bigint, who text, key text, pid int)',
        );
      });
    };
    return { bindings: [], start, stop: async () => {} };
  },
};

const host = await startHost({
  config: {
    ...defaults,
    folder,
    databaseUrl,
    nats: { ...defaults.nats, url: natsUrl },
    gateway: { ...defaults.gateway, port: 0 },
    log: { level: 'warn' },
  },
  rooms: [enrolment],
  log: pino({ level: 'warn' }, pino.destination(2)),
});
setInterval(async () => {
  const { followers } = await host.facts.standing();
  process.stdout.write(`owns ${followers[0]!.owned}\n`);
}, 100);
