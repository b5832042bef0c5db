import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Fact } from '../../gen/lachak/v1/facts_pb.ts';
import type { Instant } from '../domain/interval.ts';
import type { Config } from './config.ts';
import { defaults } from './config.ts';
import { startEmbedded } from './embedded.ts';
import { type Host, startHost } from './host.ts';
import type { Clock, Connect, Database, Facts, Role, RoomMaker, RoomName } from './room.ts';

export type TestHost = {
  /** Clients without an identity of their own: pass `{ as: await token(…) }`, or `{ discom }` to call as a room. */
  readonly connect: Connect;
  /** The clock as rooms see it; registers wakes and parties of the test itself. */
  readonly clock: Clock;
  database(room: RoomName): Promise<Database>;
  readonly facts: {
    /** Publishes as any room, running here or not: how a test plays the rooms upstream. */
    publish(room: RoomName, fact: Parameters<Facts['publish']>[1]): Promise<void>;
    /** Everything a room has published so far, in order; call after `settled()`. */
    of(room: RoomName): Promise<Fact[]>;
  };
  /** For `CallOptions.as`. Roles, then whose: discom `BRPL` unless said. */
  token(
    roles: Role | readonly Role[],
    whose?: { discom?: string; organisation?: string; participant?: string; subject?: string },
  ): Promise<{ token: string; requestId: string }>;
  /** Moves domain time there through every due instant (and at least every `maxStepMs`). */
  advanceTo(at: Instant, maxStepMs?: number): Promise<void>;
  /** Resolves when all facts are handled, all due work done and no call is in flight; throws, naming what it waits for. */
  settled(): Promise<void>;
  readonly host: Host;
  /** The state folder; removed by `stop` unless it was given. */
  readonly folder: string;
  stop(): Promise<void>;
};
export type TestSetting = {
  readonly rooms: readonly RoomMaker[];
  /** Stepped from `start` (default 2026-05-01T00:00Z); `'system'` follows the wall. */
  readonly clock?: { readonly start: Instant } | 'system';
  readonly config?: Partial<Config>;
  /** An existing state folder, for tests that restart. */
  readonly folder?: string;
};

/** The rooms on a real PostgreSQL in a temporary folder, sockets on loopback with free ports. Log lines with LACHAK_TEST_LOG=debug. */
export async function testHost({
  rooms,
  clock = { start: Date.parse('2026-05-01T00:00:00Z') },
  config = {},
  folder,
}: TestSetting): Promise<TestHost> {
  const own = folder ?? mkdtempSync(join(tmpdir(), 'lachak-test-'));
  const log = pino({ level: process.env.LACHAK_TEST_LOG ?? 'silent' });
  await furnish(own);
  const host = await startHost({
    config: {
      ...defaults,
      folder: own,
      clock: clock === 'system' ? 'system' : 'stepped',
      clockStart: clock === 'system' ? 0 : clock.start,
      gateway: { ...defaults.gateway, port: 0 },
      mqtt: { ...defaults.mqtt, port: 0 },
      ocpp: { ...defaults.ocpp, port: 0 },
      ...config,
    },
    rooms,
    log,
    careless: true,
  });
  const conductor = () => {
    if (!host.conductor) throw new Error('this test host follows the wall clock');
    return host.conductor;
  };
  return {
    host,
    folder: own,
    connect: host.connectAs('test'),
    clock: host.clock.agenda.of('test'),
    database: async (room) => (await host.schema(room)).database,
    facts: {
      publish: async (room, fact) => {
        const { database, facts } = await host.schema(room);
        await database.tx((tx) => facts.publish(tx, fact));
      },
      of: async (room) => {
        await host.schema(room);
        return host.facts.read(room, 0n, 100_000);
      },
    },
    token: async (roles, { discom = 'BRPL', organisation = '', participant = '', subject = 'tester' } = {}) => ({
      token: await host.tokens.issue({ subject, roles: [roles].flat() as Role[], discom, organisation, participant }, 1),
      requestId: randomUUID(),
    }),
    advanceTo: async (at, maxStepMs = 0) => {
      for await (const _ of conductor().advance(at, maxStepMs)) {
        // each step settles before the next
      }
    },
    settled: () => conductor().settled(20_000),
    stop: async () => {
      await host.stop();
      if (!folder) rmSync(own, { recursive: true, force: true });
    },
  };
}

/** A made server is copied instead of made again: 0.1 s instead of 1 s for each test file. */
export async function furnish(folder: string): Promise<void> {
  if (existsSync(join(folder, 'postgres'))) return;
  const template = join(tmpdir(), `lachak-postgres-template-1-${process.getuid?.() ?? 0}`);
  if (!existsSync(template)) {
    const draft = mkdtempSync(`${template}-`);
    const made = await startEmbedded(draft, pino({ level: 'silent' }), true);
    await made.stop();
    try {
      renameSync(draft, template); // whoever is first wins; the others' drafts are equally good
    } catch {
      rmSync(draft, { recursive: true, force: true });
    }
  }
  mkdirSync(join(folder, 'secrets'), { recursive: true, mode: 0o700 });
  cpSync(join(template, 'secrets', 'postgres-password'), join(folder, 'secrets', 'postgres-password'));
  // `cp -a` keeps owner and mode, which PostgreSQL checks.
  execFileSync('cp', ['-a', join(template, 'postgres'), join(folder, 'postgres')]);
  statSync(join(folder, 'postgres', 'PG_VERSION'));
}
