import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { brokerFiles } from '../../devices/mqtt/mosquitto.ts';
import { brokerPassword } from '../../devices/secret-store.ts';
import { fromDebian } from './debian.ts';

/** Debian's mosquitto 2.0 on free ports of loopback, in a temporary folder of its own, knowing whom Lachak's files name. */
export type Mosquitto = {
  /** Where devices connect. */
  readonly deviceUrl: string;
  /** The rooms' listener. */
  readonly url: string;
  /** Where the room keeps the files; holds `service-password`. */
  readonly filesFolder: string;
  readonly pidFile: string;
  /** For `config.mqtt`, beside host and port. */
  readonly setting: { readonly url: string; readonly deviceUrl: string; readonly filesFolder: string; readonly pidFile: string };
  readonly pid: number;
  /** The room's own, as its broker knows it. */
  servicePassword(): string;
  log(): string;
  stop(): Promise<void>;
  /** kill -9: what it had not written is lost, retained messages too. */
  kill(): Promise<void>;
  /** On the same ports and folder, after `kill`. */
  restart(): Promise<void>;
};

const PROGRAM = '/usr/sbin/mosquitto';

/** Installs Debian's mosquitto when it is missing and this is root; else says what to install. */
export async function startMosquitto(): Promise<Mosquitto> {
  fromDebian(['mosquitto'], () => existsSync(PROGRAM));
  const folder = mkdtempSync(join(tmpdir(), 'lachak-mosquitto-'));
  const filesFolder = join(folder, 'files');
  brokerFiles(filesFolder, brokerPassword).write([]);
  const [devicePort, roomPort] = [await freePort(), await freePort()];
  const pidFile = join(folder, 'pid');
  const configuration = join(folder, 'mosquitto.conf');
  const log = join(folder, 'log');
  const lines = [
    ...(process.getuid?.() === 0 ? ['user root'] : []), // else it would give up the right to read our files
    `pid_file ${pidFile}`,
    `include_dir ${filesFolder}`,
    `listener ${devicePort} 127.0.0.1`,
    'use_username_as_clientid true',
    `listener ${roomPort} 127.0.0.1`,
  ];
  writeFileSync(configuration, `${lines.join('\n')}\n`);
  let running: { pid: number; gone: Promise<void> } | null = null;
  const start = async (): Promise<void> => {
    const out = openSync(log, 'a');
    const from = existsSync(log) ? readFileSync(log, 'utf8').length : 0;
    const child = spawn(PROGRAM, ['-c', configuration], { stdio: ['ignore', out, out] });
    running = { pid: child.pid!, gone: new Promise((done) => child.once('exit', () => done())) };
    for (let attempt = 0; attempt < 500 && child.exitCode === null; attempt++) {
      if (readFileSync(log, 'utf8').slice(from).includes(' running')) return;
      await pause(20);
    }
    throw new Error(`mosquitto did not start: ${readFileSync(log, 'utf8').slice(-1500)}`);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!running) return;
    process.kill(running.pid, signal);
    await running.gone;
    running = null;
  };
  await start();
  const setting = { url: `mqtt://127.0.0.1:${roomPort}`, deviceUrl: `mqtt://127.0.0.1:${devicePort}`, filesFolder, pidFile };
  return {
    ...setting,
    setting,
    get pid() {
      return running?.pid ?? 0;
    },
    servicePassword: () => readFileSync(join(filesFolder, 'service-password'), 'utf8').trim(),
    log: () => readFileSync(log, 'utf8'),
    stop: async () => {
      await end('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
    kill: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGTERM');
      await start();
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => probe.once('listening', done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}
