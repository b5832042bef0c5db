import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openTokens } from '../../services/host/auth.ts';
import { openWire } from '../../services/host/connect.ts';
import { newId } from '../../services/host/ids.ts';
import type { CallOptions, Connect, Role } from '../../services/host/room.ts';
import { furnish } from '../../services/host/testing.ts';

/** The built command: beside this file when that is built too. */
const places = ['../../services/main.js', '../../dist/services/main.js'].map((place) =>
  fileURLToPath(new URL(place, import.meta.url)),
);
export const lachak = places.find((place) => existsSync(place)) ?? places[1]!;
const READY_WITHIN_MS = 60_000;
const CALL_WITHIN_MS = 60_000;

export const DISCOM = 'BRPL';

/** A running `lachak start` in a process of its own, as its operator sees it. */
export type House = {
  readonly pid: number;
  /** Seconds of wall time from the spawn until it said it was ready. */
  readonly readyAfterS: number;
  /** What it announced: `console`, `mqtt`, `ocpp`. */
  readonly announced: ReadonlyMap<string, string>;
  readonly connect: Connect;
  as(role: Role, whose?: Whose): Promise<CallOptions>;
  /** kill -9; with `server`, of its PostgreSQL too. */
  kill(server?: boolean): void;
  /** True as soon as the process is gone, false when it still lives after `withinMs`. */
  gone(withinMs: number): Promise<boolean>;
  /** SIGTERM; the exit code and what it took. */
  stop(): Promise<{ code: number | null; ms: number }>;
  /** What it wrote to stderr. */
  errors(): string;
};
export type Whose = { readonly discom?: string; readonly organisation?: string; readonly participant?: string };
export type HouseSetting = {
  readonly folder: string;
  readonly clockStart: number;
  readonly mqttPort?: number;
  readonly ocppPort?: number;
  /** `place:n`, see services/host/faults.ts. */
  readonly fault?: string;
};
/** Null when the process was killed before it was ready. */
export async function openHouse({
  folder,
  clockStart,
  mqttPort = 0,
  ocppPort = 0,
  fault = '',
}: HouseSetting): Promise<House | null> {
  if (!existsSync(lachak)) throw new Error(`${lachak} is missing: npm run build makes it`);
  await furnish(folder);
  const flags = {
    folder,
    clock: 'stepped',
    'clock-start': String(clockStart),
    'gateway-port': '0',
    'mqtt-port': String(mqttPort),
    'ocpp-port': String(ocppPort),
    'log-level': process.env.LACHAK_TEST_LOG ?? 'error',
  };
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const began = performance.now();
  const child = spawn(process.execPath, [lachak, 'start', ...words], { env: { ...process.env, LACHAK_FAULT: fault } });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const announced = await untilReady(child, ended);
  if (announced === null) {
    if (child.signalCode === 'SIGKILL') return null;
    throw new Error(`lachak start ended with ${child.exitCode ?? child.signalCode}: ${errors.slice(-2000)}`);
  }
  const readyAfterS = (performance.now() - began) / 1000;
  const tokens = await openTokens(folder);
  const wire = openWire(`unix:${join(folder, 'lachak.sock')}`);
  void ended.then(() => wire.close());
  return {
    pid: child.pid!,
    readyAfterS,
    announced,
    connect: (service) => wire.client(service, () => Promise.reject(new Error('a test always says who it is'))),
    as: async (role, { discom = DISCOM, organisation = '', participant = '' } = {}) => {
      const subject = participant || organisation || role;
      const token = await tokens.issue({ subject, roles: [role], discom, organisation, participant }, 2);
      return { as: { token, requestId: newId() }, deadlineMs: CALL_WITHIN_MS };
    },
    kill: (server = false) => {
      if (server) process.kill(postmasterOf(folder), 'SIGKILL');
      child.kill('SIGKILL');
    },
    gone: (withinMs) => within(ended, withinMs),
    stop: async () => {
      const asked = performance.now();
      child.kill('SIGTERM');
      return { code: await ended, ms: performance.now() - asked };
    },
    errors: () => errors,
  };
}

/** Ports that were free a moment ago: a house must come back on the ports its devices know. */
export async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(probes.map((probe) => new Promise((done) => probe.once('listening', done))));
  const ports = probes.map((probe) => (probe.address() as { port: number }).port);
  await Promise.all(probes.map((probe) => new Promise((done) => probe.close(done))));
  return ports;
}

/** Ends a server that outlived its killed starter, so that the folder can be removed. */
export function endServer(folder: string): void {
  try {
    process.kill(postmasterOf(folder), 'SIGQUIT');
  } catch {
    // None was left.
  }
}

const postmasterOf = (folder: string): number =>
  Number(readFileSync(join(folder, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);

function untilReady(child: ChildProcess, ended: Promise<unknown>): Promise<Map<string, string> | null> {
  const announced = new Map<string, string>();
  return new Promise((done, fail) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      fail(new Error(`not ready after ${READY_WITHIN_MS} ms`));
    }, READY_WITHIN_MS);
    void ended.then(() => {
      clearTimeout(late);
      done(null);
    });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const [what = '', address = ''] = line.split(/\s+/);
      announced.set(what, address);
      if (what !== 'ready') return;
      clearTimeout(late);
      done(announced);
    });
  });
}

function within(ended: Promise<unknown>, ms: number): Promise<boolean> {
  return new Promise((done) => {
    const timer = setTimeout(() => done(false), ms);
    void ended.then(() => {
      clearTimeout(timer);
      done(true);
    });
  });
}
