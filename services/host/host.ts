import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { ClockAgent, Clock as ClockService } from '../../gen/lachak/v1/host_pb.ts';
import { conflict, invalid } from '../domain/outcome.ts';
import { roomNames } from './arrows.ts';
import { openTokens, type Tokens } from './auth.ts';
import { type RunningClock, systemClock } from './clock.ts';
import { type Config, databaseOf, isApart } from './config.ts';
import { type Databases, openDatabases, type Reach } from './database.ts';
import { alone, sharedDuty } from './duty.ts';
import { type Embedded, startEmbedded } from './embedded.ts';
import { type FactEngine, openFacts } from './facts.ts';
import { factsBinding } from './facts-binding.ts';
import { makeFolder } from './folder.ts';
import { type GrpcServer, serve } from './grpc.ts';
import { openJetStream } from './jetstream.ts';
import { lockFolder } from './lock.ts';
import { openMetrics } from './metrics.ts';
import { metricsGuard, openMetricsDoor } from './metrics-door.ts';
import { agentBinding, type Mover, moverThere } from './mover.ts';
import { ownDependencies, watchDependencies } from './readiness.ts';
import { keepTls } from './renewal.ts';
import { type Binding, bind, type Connect, type Database, type Facts, type Room, type RoomMaker, type RoomName } from './room.ts';
import { type Conductor, steppedClock } from './stepped.ts';
import { noTrace, type Trace } from './trace.ts';
import { expectGuarded, openWires, type Wires } from './wires.ts';
import { openWork, type RoomWork } from './work.ts';
import { tasksOnStream } from './work-stream.ts';
import { tasksInTable } from './work-table.ts';

/** A running house: some rooms, their stores and their clock, in this process. */
export type Host = {
  readonly config: Config;
  readonly tokens: Tokens;
  readonly clock: RunningClock;
  /** Null when domain time follows the wall. */
  readonly conductor: Conductor | null;
  readonly facts: FactEngine;
  readonly grpcAddress: string;
  /** What rooms said they listen on: `console`, `mqtt`, `ocpp`. */
  readonly announced: ReadonlyMap<string, string>;
  /** Clients that speak as the named room. */
  connectAs(room: string): Connect;
  /** The schema and outbox of a room, made when no room of that name runs here. */
  schema(room: RoomName): Promise<{ database: Database; facts: Facts }>;
  /** Rooms finish, then calls, facts, stores; at most about ten seconds. Idempotent. */
  stop(): Promise<void>;
};
export type Start = {
  readonly config: Config;
  /** May still be loading: the stores are opened meanwhile. */
  readonly rooms: readonly RoomMaker[] | Promise<readonly RoomMaker[]>;
  readonly log: Logger;
  readonly careless?: boolean;
};

/** Locks the folder, opens the stores, makes the rooms in order, serves them, starts them. What was opened is closed when it fails. */
export async function startHost({ config, rooms: coming, log, careless = false }: Start): Promise<Host> {
  const folder = resolve(config.folder);
  makeFolder(folder);
  const open = new Closing(log);
  try {
    if (isApart(config)) expectApart(config);
    else {
      // Rooms apart may share a folder; what they hold in common, PostgreSQL guards.
      const lock = await lockFolder(folder);
      open.push('folder lock', async () => lock.release());
    }
    const trace = await traceOf(config, coming);
    open.push('traces', () => trace.stop());
    const tokens = await openTokens(folder, config.tokens.keys);
    const served = isServed(config);
    const embedded: Embedded | null = served ? null : await startEmbedded(folder, log, careless);
    if (embedded) open.push('PostgreSQL', () => embedded.stop());
    const reach: Reach = embedded ? { at: embedded.connection, owner: null } : reachOf(config, await coming);
    const databases: Databases = openDatabases(reach, log);
    open.push('database connections', () => databases.close());
    const duty = served
      ? sharedDuty(
          () => databases.dedicated(),
          (await coming).map(({ name }) => name),
          log,
        )
      : alone;

    const own = await databases.host();
    const conducts = !isApart(config) || (await coming).some(({ name }) => name === 'gateway');
    const stepping = config.clock === 'stepped' ? await steppedClock(own, config.clockStart, log, { duty, conducts }) : null;
    let clock: RunningClock | null = null;
    let server: GrpcServer | null = null;
    const jetstream = config.nats.url === '' ? null : openJetStream(config, log);
    if (jetstream) open.push('NATS', () => jetstream.stop());
    const facts = openFacts({ databases, host: own, now: () => clock!.now(), sole: embedded !== null, jetstream, trace, log });
    const metrics = openMetrics();
    metrics.facts(() => facts.standing());
    metrics.pools(() => databases.use());
    if (jetstream) metrics.level('nats_reached', '1 while NATS is reached', () => (jetstream.away() === null ? 1 : 0));
    const calls = { inFlight: () => server?.inFlight() ?? 0, served: () => server?.served() ?? 0 };
    const stepped = stepping?.({ facts, calls }) ?? null;
    clock = stepped?.clock ?? systemClock(log, duty);

    const schemas = new Map<RoomName, Promise<{ database: Database; facts: Facts }>>();
    const schema = (room: RoomName, migrations = new URL('file:///nonexistent/')) => {
      const made =
        schemas.get(room) ?? databases.room(room, migrations).then((database) => ({ database, facts: facts.of(room, database) }));
      schemas.set(room, made);
      return made;
    };
    const address = config.grpc.address || socketIn(folder);
    const rooms = await coming;
    const here = rooms.map(({ name }) => name);
    const tls = keepTls(config, here, log);
    open.push('certificate', async () => tls?.stop());
    if (tls) metrics.level('certificate_days_left', 'Until the certificate between rooms expires', () => daysLeft(tls.expiresAt));
    expectGuarded(address, tls);
    const wires = openWires(config, here, tls, tokens, trace);
    const connectAs =
      (room: string): Connect =>
      (service) =>
        lazily(() => wires.to(service, room).client(service, wires.own(room)));

    // Where rooms are apart, the gateway's process moves the clocks of the others.
    const conductor = (conducts && stepped?.conductor(() => moversElsewhere(config, wires))) || null;

    const announced = new Map<string, string>();
    const stores = await Promise.all(rooms.map(({ name, migrations }) => schema(name, migrations)));
    const heldMs = config.tasks.heldSeconds * 1000;
    const workOf = (name: RoomName, database: Database) =>
      openWork(
        (queue) =>
          jetstream ? tasksOnStream(jetstream, name, queue, heldMs) : tasksInTable(database, queue, embedded !== null, heldMs),
        heldMs,
        log.child({ room: name }),
      );
    const work = rooms.map(({ name }, i) => workOf(name, stores[i]!.database));
    metrics.sum('tasks_total', 'Tasks of work queues that ended in this process', 'outcome', () => tasksEnded(work));
    const made: Room[] = rooms.map(({ name, make }, i) => {
      const own = join(folder, name);
      mkdirSync(own, { recursive: true, mode: 0o700 });
      return make({
        clock: clock.agenda.of(name),
        ...stores[i]!,
        work: work[i]!,
        connect: connectAs(name),
        log: log.child({ room: name }),
        metrics,
        trace,
        config,
        folder: own,
        announce: (what, address) => announced.set(what, address),
      });
    });

    server = await serve(
      [
        ...made.flatMap((room) => room.bindings),
        clockBinding(conductor, clock),
        factsBinding(facts, here),
        ...(stepped ? [agentBinding(stepped.mover)] : []),
      ],
      address,
      tokens.verify,
      log,
      tls,
      metrics.called,
      trace,
    );
    server.ready(false);
    open.push('calls', () => server.stop(3000));
    wires.begin(server.address);
    open.push('connections', async () => wires.close());
    if (config.metrics.address !== '') {
      const door = await openMetricsDoor(config.metrics.address, metrics, metricsGuard(config, tokens.verify));
      open.push('metrics', () => door.close());
      announced.set('metrics', door.address);
    }
    await facts.start();
    open.push('facts', () => facts.stop());
    // Rooms are stopped last to first, before anything they stand on.
    for (const [i, room] of made.entries()) {
      open.push(rooms[i]!.name, () => room.stop());
      await room.start();
    }
    await facts.begin();
    open.push('followers', () => facts.rest());
    for (const one of work) one.begin();
    clock.begin();
    open.push('duty', () => duty.stop());
    open.push('clock', () => clock.stop());
    // Before the clock: due work that waits for tasks must not wait for those nobody takes any more.
    open.push('tasks', async () => void (await Promise.all(work.map((one) => one.stop(TASK_MS)))));
    await duty.start({
      taken: (room) => clock.stir((wake) => wake.startsWith(`${room}.`)),
      asked: (asked) => clock.stir((wake) => wake === asked),
    });
    const readiness = watchDependencies(
      [...ownDependencies(own, tls, jetstream), ...made.flatMap(({ needs }) => needs ?? [])],
      server.ready,
      log,
    );
    open.push('readiness', async () => readiness.stop());
    return {
      config,
      tokens,
      clock,
      conductor,
      facts,
      grpcAddress: server.address,
      announced,
      connectAs,
      schema,
      stop: () => open.close(),
    };
  } catch (error) {
    await open.close();
    throw error;
  }
}

/** How long a task in hand may take when the process is told to stop; then another instance gets it. */
const TASK_MS = 2000;

/** Loaded when it is wanted: off, it costs nothing. */
async function traceOf({ traces }: Config, coming: Start['rooms']): Promise<Trace> {
  if (traces.endpoint === '') return noTrace;
  const rooms = (await coming).map(({ name }) => name).join('+');
  return (await import('./otel.ts')).openTrace(traces, rooms);
}

/** True when PostgreSQL is a server of somebody else's: other processes may use the same schemas. */
const isServed = ({ databaseUrl, databaseUrls }: Config): boolean =>
  databaseUrl !== '' || Object.values(databaseUrls).some((url) => url !== '');

const daysLeft = (expiresAt: number): number => (expiresAt - Date.now()) / 86_400_000;

const tasksEnded = (work: readonly RoomWork[]): Readonly<Record<string, number>> => ({
  done: work.reduce((tasks, { ended }) => tasks + ended.done, 0),
  failed: work.reduce((tasks, { ended }) => tasks + ended.failed, 0),
});

/** One for each other process, those upstream first. */
function moversElsewhere(config: Config, wires: Wires): Mover[] {
  const places = new Map<string, RoomName>();
  for (const room of roomNames.filter((name) => name !== 'gateway'))
    for (const address of config.rooms[room].split(',').filter(Boolean)) if (!places.has(address)) places.set(address, room);
  return [...places].map(([address, room]) =>
    moverThere(room, wires.toAddress(address, room).client(ClockAgent, wires.own('gateway'))),
  );
}

/** Throws Refusal `config_invalid`: what a process with rooms elsewhere must be told. */
export function expectApart(config: Config): void {
  if (!isServed(config))
    throw invalid(
      'config_invalid',
      'rooms in other processes share a PostgreSQL server: set databaseUrl or databaseUrls',
      'databaseUrl',
    );
  if (config.grpc.address === '')
    throw invalid('config_invalid', 'rooms in other processes must find this one: set grpc.address', 'grpc.address');
}

function reachOf(config: Config, rooms: readonly RoomMaker[]): Reach {
  const urls = rooms.map(({ name }) => ({ name, ...databaseOf(config, name) }));
  const without = urls.find(({ url }) => url === '');
  if (without)
    throw invalid('config_invalid', `databaseUrls.${without.name} is missing: other rooms have a server`, 'databaseUrls');
  const [first] = urls;
  if (!first?.own) return { at: first?.url ?? config.databaseUrl, owner: null };
  if (urls.length === 1) return { at: first.url, owner: first.name };
  throw invalid(
    'config_invalid',
    `rooms with logins of their own run one to a process; this one was to run ${urls.map(({ name }) => name).join(', ')}`,
    'databaseUrls',
  );
}

// A Unix socket's path has at most 107 bytes; a folder too deep for one gets a port on loopback, where tokens alone guard it.
function socketIn(folder: string): string {
  const path = join(folder, 'lachak.sock');
  return Buffer.byteLength(path) <= 107 ? `unix:${path}` : '127.0.0.1:0';
}

/** Closes what was opened in the opposite order; one that fails or hangs does not keep the others from closing. */
class Closing {
  readonly #steps: { name: string; close: () => Promise<void> }[] = [];
  readonly #log: Logger;
  #closed: Promise<void> | null = null;
  constructor(log: Logger) {
    this.#log = log;
  }
  push(name: string, close: () => Promise<void>): void {
    this.#steps.push({ name, close });
  }
  close(): Promise<void> {
    this.#closed ??= this.#run();
    return this.#closed;
  }
  async #run(): Promise<void> {
    for (const { name, close } of this.#steps.reverse()) {
      let timer: NodeJS.Timeout | undefined;
      try {
        const late = new Promise<never>((_, fail) => {
          timer = setTimeout(() => fail(new Error('took too long')), name === 'PostgreSQL' ? 20_000 : 4000);
        });
        await Promise.race([close(), late]);
      } catch (error) {
        this.#log.warn({ part: name, error: (error as Error).message }, 'did not close cleanly');
      } finally {
        clearTimeout(timer);
      }
    }
  }
}

// Rooms ask for their clients while they are made, before the server has an address.
function lazily<C extends object>(open: () => C): C {
  let client: C | null = null;
  return new Proxy({} as C, {
    get: (_, name) => {
      client ??= open();
      return client[name as keyof C];
    },
  });
}

function clockBinding(conductor: Conductor | null, clock: RunningClock): Binding {
  const reading = () => ({ nowMs: BigInt(clock.now()), stepped: clock.stepped, steps: BigInt(conductor?.steps() ?? 0) });
  return bind(ClockService, {
    get: async () => reading(),
    advance: async function* (request, caller) {
      if (!conductor)
        throw conflict(
          'clock_not_stepped',
          'this installation follows the wall clock; start it with --clock stepped to move time',
        );
      const until = Number(request.untilMs);
      if (until < clock.now())
        throw conflict('clock_goes_forward', `domain time is already ${new Date(clock.now()).toISOString()}`, 'until_ms');
      for await (const _ of conductor.advance(until, Number(request.maxStepMs), caller.signal)) yield reading();
      yield reading();
    },
  });
}
