import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fromDebian } from './debian.ts';

/** A PostgreSQL 15 of Debian's on a free port of loopback, in a temporary folder of its own. */
export type Postgres15 = {
  /** As its superuser, without TLS. */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
  /** `pg_ctl -m immediate`: no checkpoint, as after a crash. */
  kill(): Promise<void>;
  /** On the same port and folder, after `stop` or `kill`. */
  restart(): Promise<void>;
};

const PROGRAMS = '/usr/lib/postgresql/15/bin';

/** In a folder of `place`. Installs Debian's postgresql-15 when it is missing and this is root; else says what to install. */
export async function startPostgres15(place = tmpdir()): Promise<Postgres15> {
  fromDebian(['postgresql-15'], () => existsSync(join(PROGRAMS, 'postgres')));
  const folder = mkdtempSync(join(place, 'lachak-pg15-'));
  const owner = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};
  if ('uid' in owner) chownSync(folder, owner.uid!, owner.gid!);
  const password = 'superuser-of-a-test';
  const secret = join(folder, 'password');
  writeFileSync(secret, password, { mode: 0o600 });
  if ('uid' in owner) chownSync(secret, owner.uid!, owner.gid!);
  const server = join(folder, 'server');
  const means = { ...owner, env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' }, cwd: folder };
  execFileSync(
    join(PROGRAMS, 'initdb'),
    ['-D', server, '-U', 'admin', `--pwfile=${secret}`, '--auth=scram-sha-256', '-E', 'UTF8', '--locale=C', '-N'],
    { ...means, stdio: 'pipe' },
  );
  const port = await freePort();
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=300',
    'fsync=off', // a killed server loses nothing by it, only a killed machine would
  ];
  const log = join(folder, 'log');
  let running: { pid: number; gone: Promise<void> } | null = null;
  const start = async (): Promise<void> => {
    const out = openSync(log, 'a');
    const words = ['-D', server, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
    const child = spawn(join(PROGRAMS, 'postgres'), words, { ...means, stdio: ['ignore', out, out] });
    running = { pid: child.pid!, gone: new Promise((done) => child.once('exit', () => done())) };
    for (let attempt = 0; attempt < 1000; attempt++) {
      if (child.exitCode !== null) break;
      if (existsSync(join(server, 'postmaster.pid')) && readFileSync(join(server, 'postmaster.pid'), 'utf8').includes('ready'))
        return;
      await pause(20);
    }
    throw new Error(`PostgreSQL 15 did not start: ${readFileSync(log, 'utf8').slice(-1500)}`);
  };
  // SIGINT is a fast stop, SIGQUIT an immediate one.
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!running) return;
    process.kill(running.pid, signal);
    await running.gone;
    running = null;
  };
  await start();
  return {
    url: `postgres://admin:${password}@127.0.0.1:${port}/postgres`,
    port,
    stop: async () => {
      await end('SIGINT');
      rmSync(folder, { recursive: true, force: true });
    },
    kill: () => end('SIGQUIT'),
    restart: async () => {
      await end('SIGINT');
      await start();
    },
  };
}

const idOf = (which: string): number => Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8' }));

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => probe.once('listening', done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}
