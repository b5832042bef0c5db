import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { type Config, flagOf, isApart } from '../host/config.ts';
import { holderOf } from '../host/lock.ts';
import type { RoomName } from '../host/room.ts';
import { openTls, RENEW, RENEW_DAYS } from '../host/tls.ts';
import { type Finding, note, ok, wrong } from './finding.ts';

const GIB = 1024 ** 3;
/** PostgreSQL stops when its disk is full; an evening of a town writes less than this. */
const FREE_LEAST = GIB;
const DAY_MS = 86_400_000;

/** The state folder: who holds it, who may read it, how much room is left. Null as holder: no process works in it. */
export function lookAtFolder(config: Config): { holder: number | null; findings: Finding[] } {
  const { folder } = config;
  if (!existsSync(folder)) {
    const above = nearest(folder);
    const may = permitted(above, `make ${folder}`);
    return {
      holder: null,
      findings: [may ?? note('folder', `${folder} is not there yet: the first start makes it`), disk(above)],
    };
  }
  const lock = isApart(config) ? null : holderOf(folder);
  return {
    holder: lock?.lives ? lock.pid : null,
    findings: [permitted(folder, 'write there') ?? held(folder, lock), ...secrets(folder), disk(folder)],
  };
}

function held(folder: string, lock: ReturnType<typeof holderOf>): Finding {
  // The group may pass through, as PostgreSQL's user does; nobody else writes here.
  const mode = statSync(folder).mode & 0o777;
  if ((mode & 0o022) !== 0)
    return wrong('folder', `${folder} may be written by others (${octal(mode)}); expected 0700: chmod go-w ${folder}`);
  if (lock?.lives) return ok('folder', `${folder}, in use by the process ${lock.pid}`);
  if (lock) return note('folder', `${folder}; the process ${lock.pid} ended without leaving it: the next start takes it over`);
  return ok('folder', `${folder}, nobody holds its lock`);
}

function permitted(folder: string, why: string): Finding | null {
  try {
    if (!statSync(folder).isDirectory()) return wrong('folder', `${folder} is no folder: name another with --folder`);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return wrong('folder', `this user may not ${why} (${code}): give it ${folder}, or name another with --folder`);
  }
  return null;
}

function secrets(folder: string): Finding[] {
  const place = join(folder, 'secrets');
  if (!existsSync(place)) return [note('secrets', 'are not there yet: the first start makes them')];
  const open = [place, ...readdirSync(place).map((name) => join(place, name))].filter(
    (path) => (statSync(path).mode & 0o077) !== 0,
  );
  if (open.length > 0)
    return [wrong('secrets', `${open.join(', ')} can be read by others; expected by the owner alone: chmod -R go-rwx ${place}`)];
  return [ok('secrets', `${place}, for the owner alone`)];
}

function disk(folder: string): Finding {
  const { bavail, blocks, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const says = `${(free / GIB).toFixed(1)} GiB free of ${((blocks * bsize) / GIB).toFixed(1)} under ${folder}`;
  return free >= FREE_LEAST ? ok('disk', says) : wrong('disk', `${says}; expected at least ${FREE_LEAST / GIB} GiB: make room`);
}

/** The certificate of mutual TLS and its key, when there is one. */
export function lookAtCertificate(config: Config, rooms: readonly RoomName[], now = Date.now()): Finding[] {
  try {
    const tls = openTls(config, rooms, now);
    if (!tls) return [];
    const { key } = config.tls;
    if ((statSync(key).mode & 0o007) !== 0)
      return [wrong('certificate', `its key ${key} can be read by everybody: chmod o-rwx ${key}`)];
    const days = Math.floor((tls.expiresAt - now) / DAY_MS);
    const says = `of ${tls.rooms.join(', ')}, until ${new Date(tls.expiresAt).toISOString().slice(0, 10)}`;
    if (days < RENEW_DAYS) return [note('certificate', `${says}, ${days} days from now: ${RENEW}`)];
    return [ok('certificate', says)];
  } catch (error) {
    return [wrong('certificate', (error as Error).message)];
  }
}

/** Whose tokens are believed, when they come from elsewhere. */
export async function lookAtTokens({ tokens: { keys } }: Config): Promise<Finding[]> {
  if (keys === '') return [];
  try {
    const remote = /^https?:\/\//.test(keys);
    const text = remote ? await (await fetch(keys, { signal: AbortSignal.timeout(5000) })).text() : readFileSync(keys, 'utf8');
    const found = (JSON.parse(text) as { keys?: unknown[] }).keys?.length ?? 0;
    if (found > 0) return [ok('tokens', `${found} public ${found === 1 ? 'key' : 'keys'} at ${keys}`)];
    return [wrong('tokens', `${keys} holds no public keys; expected a JWKS: correct tokens.keys`)];
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { code?: string } };
    return [
      wrong(
        'tokens',
        `${keys} cannot be read as a JWKS (${cause?.code ?? message}): correct tokens.keys, or start who serves it`,
      ),
    ];
  }
}

/** Whether what the house would listen on is free; asked while no house runs. */
export async function lookAtPorts({ gateway, mqtt, ocpp }: Config): Promise<Finding[]> {
  const places = [
    { key: 'gateway.port', ...gateway },
    ...(mqtt.url === '' ? [{ key: 'mqtt.port', ...mqtt }] : []),
    { key: 'ocpp.port', ...ocpp },
  ].filter(({ port }) => port !== 0);
  return Promise.all(
    places.map(async ({ key, host, port }) => {
      const code = await listening(host, port);
      if (code === null) return ok(key, `${host}:${port} is free`);
      const why = code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be listened on (${code})`;
      return wrong(key, `${host}:${port} ${why}; expected it free: stop that program, or choose another (--${flagOf(key)})`);
    }),
  );
}

function listening(host: string, port: number): Promise<string | null> {
  return new Promise((done) => {
    const server = createServer().once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => done(null)));
  });
}

function nearest(folder: string): string {
  return existsSync(folder) ? folder : nearest(dirname(folder));
}
const octal = (mode: number): string => mode.toString(8).padStart(4, '0');
