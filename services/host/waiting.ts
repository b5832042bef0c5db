import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import { Refusal } from '../domain/outcome.ts';
import { type Config, databaseOf } from './config.ts';
import { expectSchema, expectVersion, missing } from './expect.ts';
import { type GrpcServer, serve } from './grpc.ts';
import { type KeptTls, keepTls } from './renewal.ts';
import type { RoomName } from './room.ts';
import { CertificateExpired } from './tls.ts';

const AGAIN_MS = 1000;

/**
 * Resolves when what these rooms stand on answers; until then the health service says NOT_SERVING, and the log which dependency is
 * away, what was expected and what to do. False: `told` was aborted first. Throws what is no dependency's fault.
 */
export async function dependenciesAnswer(
  config: Config,
  rooms: readonly RoomName[],
  log: Logger,
  told: AbortSignal,
): Promise<boolean> {
  const tls = await whenValid(config, rooms, log, told);
  let server: GrpcServer | null = null;
  let said = '';
  try {
    while (!told.aborted) {
      const why = await problemOf(config, rooms);
      if (why === null) return true;
      if (why !== said) log.error({ dependency: 'PostgreSQL', why }, 'is away; waiting for it');
      said = why;
      if (!server) {
        const nobody = () => Promise.reject(new Refusal('unavailable', 'not_ready', why));
        server = await serve([], config.grpc.address, nobody, log, tls);
        server.ready(false);
      }
      await pause(AGAIN_MS, undefined, { signal: told }).catch(() => {});
    }
    return false;
  } finally {
    await server?.stop(0);
    tls?.stop();
  }
}

/** Waits for a certificate that has expired to be renewed. Throws Refusal `config_invalid` when something else is wrong with it. */
async function whenValid(config: Config, rooms: readonly RoomName[], log: Logger, told: AbortSignal): Promise<KeptTls | null> {
  for (let said = false; !told.aborted; said = true) {
    try {
      return keepTls(config, rooms, log);
    } catch (error) {
      if (!(error instanceof CertificateExpired)) throw error;
      if (!said) log.error({ dependency: 'certificate', why: error.message }, 'has expired; waiting for a new one');
      await pause(AGAIN_MS, undefined, { signal: told }).catch(() => {});
    }
  }
  return null;
}

async function problemOf(config: Config, rooms: readonly RoomName[]): Promise<string | null> {
  for (const room of rooms) {
    const { url, own } = databaseOf(config, room);
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
    client.on('error', () => {}); // the query that was cut off has said it
    try {
      await client.connect();
      await expectVersion(client);
      if (own) await expectSchema(client, room, room);
    } catch (error) {
      const why = missing(error);
      if (why === null) throw error;
      return why;
    } finally {
      await client.end().catch(() => {});
    }
  }
  return null;
}
