import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type JetStreamManager } from 'nats';
import { fromDebian } from './debian.ts';

/** One nats-server with JetStream in a temporary folder, on loopback. */
export type NatsServer = {
  readonly name: string;
  readonly url: string;
  /** SIGKILL: nothing is flushed. */
  kill(): Promise<void>;
  /** SIGTERM, keeping the folder: `restart` goes on with it. */
  halt(): Promise<void>;
  restart(): Promise<void>;
};
export type NatsServers = {
  /** All addresses, with commas. */
  readonly url: string;
  readonly servers: readonly NatsServer[];
  /** How many messages a stream has taken, its consumers, and which server leads it; empty for a server alone. */
  streamOf(name: string): Promise<{ messages: number; consumers: string[]; leader: string }>;
  /** Deletes every stream. */
  empty(): Promise<void>;
  /** Ends the servers and removes their folders. */
  stop(): Promise<void>;
};

/** One server, or a cluster of three that replicates. Debian's package is installed when it is missing and this is root. */
export async function startNats({ nodes = 1, user = '', password = '' } = {}): Promise<NatsServers> {
  const program = installed();
  const folder = mkdtempSync(join(tmpdir(), 'lachak-nats-'));
  const ports = await freePorts(nodes * 2);
  const routes = Array.from({ length: nodes }, (_, i) => `nats://127.0.0.1:${ports[nodes + i]}`);
  const login = user === '' ? '' : `${user}:${password}@`;
  const servers = Array.from({ length: nodes }, (_, i) => {
    const name = `node-${i}`;
    const file = join(folder, `${name}.conf`);
    const lines = [
      `server_name: ${name}`,
      `listen: "127.0.0.1:${ports[i]}"`,
      `jetstream { store_dir: "${join(folder, name)}", max_file_store: 4294967296 }`,
      ...(user === '' ? [] : [`authorization { user: "${user}", password: "${password}" }`]),
      ...(nodes === 1
        ? []
        : [`cluster { name: lachak, listen: "127.0.0.1:${ports[nodes + i]}", routes: ${JSON.stringify(routes)} }`]),
    ];
    mkdirSync(join(folder, name));
    writeFileSync(file, `${lines.join('\n')}\n`);
    // A server of a cluster answers for JetStream once it knows the leader.
    return server(
      program,
      name,
      file,
      `nats://${login}127.0.0.1:${ports[i]}`,
      nodes === 1 ? 'Server is ready' : 'metadata leader',
    );
  });
  await Promise.all(servers.map((one) => one.restart()));
  const url = servers.map((one) => one.url).join(',');
  const managing = async <T>(work: (manager: JetStreamManager) => Promise<T>): Promise<T> => {
    const connection = await connect({ servers: url.split(',').map((one) => one.replace(/.*@/, '')), user, pass: password });
    try {
      return await work(await connection.jetstreamManager({ timeout: 10_000, checkAPI: false }));
    } finally {
      await connection.close();
    }
  };
  return {
    url,
    servers,
    streamOf: (stream) =>
      managing(async (manager) => {
        const { state, cluster } = await manager.streams.info(stream);
        const consumers: string[] = [];
        for await (const one of manager.consumers.list(stream)) consumers.push(one.name);
        return { messages: state.last_seq, consumers, leader: cluster?.leader ?? '' };
      }),
    empty: () =>
      managing(async (manager) => {
        for await (const { config } of manager.streams.list()) await manager.streams.delete(config.name);
      }),
    stop: async () => {
      await Promise.all(servers.map((one) => one.kill()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function server(program: string, name: string, file: string, url: string, readyWhen: string): NatsServer {
  let child: ChildProcess | null = null;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const running = child;
    child = null;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    running.kill(signal);
    await once(running, 'exit');
  };
  return {
    name,
    url,
    kill: () => end('SIGKILL'),
    halt: () => end('SIGTERM'),
    restart: async () => {
      await end('SIGKILL');
      const started = spawn(program, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
      child = started;
      let said = '';
      const ready = new Promise<void>((done, fail) => {
        started.stderr!.on('data', (text) => {
          said = (said + text).slice(-20_000);
          if (said.includes(readyWhen)) done();
        });
        started.once('exit', (code) => fail(new Error(`nats-server ended with ${code}: ${said}`)));
      });
      await ready;
    },
  };
}

function installed(): string {
  const found = (): string | undefined => ['/usr/sbin/nats-server', '/usr/bin/nats-server'].find((path) => existsSync(path));
  fromDebian(['nats-server'], () => found() !== undefined);
  return found()!;
}

async function freePorts(count: number): Promise<number[]> {
  const holders = await Promise.all(
    Array.from({ length: count }, async () => {
      const holder = createServer().listen(0, '127.0.0.1');
      await once(holder, 'listening');
      return holder;
    }),
  );
  const ports = holders.map((holder) => (holder.address() as { port: number }).port);
  for (const holder of holders) holder.close();
  await pause(1); // the listeners close on the next turn
  return ports;
}
