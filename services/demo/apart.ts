import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { roomNames } from '../host/arrows.ts';
import { openTokens } from '../host/auth.ts';
import { makeCertificates } from '../host/certs-cli.ts';
import type { Config } from '../host/config.ts';
import { makeLogins } from '../host/database-cli.ts';
import { startEmbedded } from '../host/embedded.ts';
import { type Host, startHost } from '../host/host.ts';
import type { RoomMaker, RoomName } from '../host/room.ts';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

/** A house whose rooms are each a process of their own; the gateway is this one, and conducts their clocks. */
export type Apart = { readonly host: Host; stop(): Promise<void> };

/**
 * Starts every room apart, as on several machines: certificates of a private CA between them, a PostgreSQL login each, tokens verified
 * with the issuer's public keys. PostgreSQL is `adminUrl`, or one in the folder.
 */
export async function startApart(config: Config, roster: readonly RoomMaker[], log: Logger, adminUrl = ''): Promise<Apart> {
  const { folder } = config;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const sockets = mkdtempSync(join(tmpdir(), 'lachak-rooms-')); // short: a socket's path has at most 107 bytes
  const children: ChildProcess[] = [];
  const embedded = adminUrl === '' ? await startEmbedded(folder, log) : null;
  const stopAll = async (): Promise<void> => {
    // Downstream first: nobody is left calling a room that is gone.
    for (const child of children.reverse()) await ended(child);
    await embedded?.stop();
    rmSync(sockets, { recursive: true, force: true });
  };
  try {
    const logins = await makeLogins(adminUrl || urlOf(embedded!.connection));
    const certificates = join(folder, 'certificates');
    await makeCertificates(certificates, roomNames);
    const keys = join(folder, 'issuer-keys.json');
    writeFileSync(keys, JSON.stringify((await openTokens(folder)).jwks));
    const rooms = Object.fromEntries(roomNames.map((room) => [room, `unix:${join(sockets, room)}`])) as Record<RoomName, string>;
    const of = (room: RoomName): Config => ({
      ...config,
      databaseUrls: { ...config.databaseUrls, [room]: logins.get(room)! },
      grpc: { address: rooms[room] },
      rooms,
      tls: {
        ca: join(certificates, 'ca.pem'),
        cert: join(certificates, `${room}.pem`),
        key: join(certificates, `${room}.key`),
      },
      tokens: { keys: room === 'gateway' ? '' : keys },
    });
    const others = roomNames.filter((room) => room !== 'gateway');
    await Promise.all(
      others.map(async (room) => {
        const file = join(folder, `${room}.json`);
        writeFileSync(file, JSON.stringify({ ...of(room), log: { level: 'warn' } }), { mode: 0o600 });
        const child = spawn(process.execPath, [MAIN, 'start', room, '--config', file], { stdio: ['ignore', 'pipe', 'inherit'] });
        children.push(child);
        await ready(child, room);
      }),
    );
    const gateway = roster.filter(({ name }) => name === 'gateway');
    const host = await startHost({ config: of('gateway'), rooms: gateway, log });
    return {
      host,
      stop: async () => {
        await host.stop();
        await stopAll();
      },
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

function ready(child: ChildProcess, room: string): Promise<void> {
  return new Promise((done, fail) => {
    child.once('exit', (code, signal) => fail(new Error(`${room} ended with ${code ?? signal} before it was ready`)));
    createInterface({ input: child.stdout! }).on('line', (line) => line.startsWith('ready') && done());
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  const last = setTimeout(() => child.kill('SIGKILL'), 12_000);
  await gone;
  clearTimeout(last);
}

const urlOf = ({
  user,
  password,
  host,
  port,
  database,
}: {
  user: string;
  password: string;
  host: string;
  port: number;
  database: string;
}) => `postgres://${user}:${encodeURIComponent(password)}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`;
