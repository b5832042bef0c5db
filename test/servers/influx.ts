import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fromDebian } from './debian.ts';

/** A real InfluxDB 1.x on loopback, in a folder of its own, with an administrator that only this folder knows. */
export type InfluxServer = {
  readonly port: number;
  /** With user and password, naming `database`: what `influxUrl` takes. */
  url(database: string): string;
  /** InfluxQL as the administrator. Throws with the server's own words. */
  query(text: string): Promise<void>;
  /** Names of what the database holds anything of. */
  measurements(database: string): Promise<string[]>;
  /** SIGKILL: nothing is flushed. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: it keeps its sockets open and answers nothing. */
  freeze(): Promise<void>;
  thaw(): void;
  /** Starts it again on the same port and files. */
  restart(): Promise<void>;
  /** Its own backup of `database` into a folder, while it runs; and back from one, where there is no such database yet. */
  backup(database: string, folder: string): Promise<void>;
  restore(database: string, folder: string): Promise<void>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
};

const USER = 'lachak';
const PASSWORD = 'only-in-this-test';
const STARTS_WITHIN_MS = 30_000;

/** Installs Debian's package when it is missing and we are root. Throws, saying what to install, when we are not. */
export async function startInflux(): Promise<InfluxServer> {
  const program = influxd();
  const folder = mkdtempSync(join(tmpdir(), 'lachak-influx-'));
  const [port, backup] = [await freePort(), await freePort()];
  const file = join(folder, 'influxdb.conf');
  writeFileSync(file, configuration(folder, port, backup));
  for (const name of ['meta', 'data', 'wal']) mkdirSync(join(folder, name));
  const address = `http://127.0.0.1:${port}`;
  const ask = async (text: string): Promise<{ status: number; body: string }> => {
    const answer = await fetch(`${address}/query`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}` },
      body: new URLSearchParams({ q: text }),
    });
    return { status: answer.status, body: await answer.text() };
  };
  const answerTo = async (text: string): Promise<string> => {
    const { status, body } = await ask(text);
    if (status !== 200 || body.includes('"error"')) throw new Error(`${text}: ${body.trim()}`);
    return body;
  };
  const query = async (text: string): Promise<void> => void (await answerTo(text));
  let running: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    const log = openSync(join(folder, 'influxd.log'), 'a');
    const child = spawn(program, ['-config', file], { stdio: ['ignore', log, log] });
    running = child;
    for (const late = Date.now() + STARTS_WITHIN_MS; ; ) {
      if (await answers(`${address}/ping`)) return;
      if (child.exitCode !== null || Date.now() > late) throw new Error(`influxd did not start; see ${folder}/influxd.log`);
      await new Promise((next) => setTimeout(next, 50));
    }
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const child = running;
    running = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    await gone;
  };
  await start();
  await query(`CREATE USER ${USER} WITH PASSWORD '${PASSWORD}' WITH ALL PRIVILEGES`);
  return {
    port,
    url: (database) => `http://${USER}:${PASSWORD}@127.0.0.1:${port}/${database}`,
    query,
    measurements: async (database) => {
      const { results } = JSON.parse(await answerTo(`SHOW MEASUREMENTS ON "${database}"`)) as {
        results: { series?: { values: string[][] }[] }[];
      };
      return (results[0]?.series?.[0]?.values ?? []).map(([name]) => name!);
    },
    kill: () => end('SIGKILL'),
    freeze: async () => {
      running?.kill('SIGSTOP');
      // Its threads stop one by one.
      const stopped = (): boolean => / T /.test(readFileSync(`/proc/${running?.pid}/stat`, 'utf8'));
      while (running && !stopped()) await new Promise((next) => setTimeout(next, 5));
    },
    thaw: () => void running?.kill('SIGCONT'),
    restart: async () => {
      await end('SIGKILL');
      await start();
    },
    backup: async (database, to) =>
      void (await promisify(execFile)(program, ['backup', '-portable', '-host', `127.0.0.1:${backup}`, '-db', database, to])),
    restore: async (database, from) =>
      void (await promisify(execFile)(program, ['restore', '-portable', '-host', `127.0.0.1:${backup}`, '-db', database, from])),
    stop: async () => {
      running?.kill('SIGCONT'); // a frozen one would never hear the end
      await end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** InfluxDB's own limits are off: they cut off answers and writes without saying which. */
const configuration = (folder: string, port: number, backup: number): string => `
reporting-disabled = true
bind-address = "127.0.0.1:${backup}"
[meta]
  dir = "${folder}/meta"
[data]
  dir = "${folder}/data"
  wal-dir = "${folder}/wal"
  index-version = "tsi1"
  max-series-per-database = 0
  max-values-per-tag = 0
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:${port}"
  auth-enabled = true
  max-body-size = 0
  max-row-limit = 0
  log-enabled = false
[ifql]
  enabled = false
[continuous_queries]
  enabled = false
[subscriber]
  enabled = false
`;

function influxd(): string {
  fromDebian(['influxdb'], () => which() !== null);
  return which()!;
}

function which(): string | null {
  try {
    return execFileSync('sh', ['-c', 'command -v influxd'], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

async function answers(address: string): Promise<boolean> {
  return fetch(address, { signal: AbortSignal.timeout(1000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });
}
