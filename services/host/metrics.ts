import { status } from '@grpc/grpc-js';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { PoolUse } from './database.ts';
import type { Standing } from './standing.ts';

/** What a room shows to those who watch the machine: few names, labels of few values, never the id of a person or a device. */
export type Metrics = {
  /** A sum that only grows, by the values of one label; `read` is asked when somebody looks. `lachak_<name>` ends in `_total`. */
  sum(name: string, says: string, label: string, read: () => Readonly<Record<string, number>>): void;
  /** What is so now. */
  level(name: string, says: string, read: () => number): void;
  /** All of this process, in Prometheus's text format. */
  text(): Promise<string>;
};
/** What the host itself has to show. */
export type HostMetrics = Metrics & {
  /** A call of a room was answered, or refused with that gRPC status; null: a stream, whose length says nothing. */
  called(path: string, code: number, seconds: number | null): void;
  facts(standing: () => Promise<Standing>): void;
  pools(use: () => readonly PoolUse[]): void;
};

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;
const SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10];

export function openMetrics(): HostMetrics {
  const registry = new Registry();
  const registers = [registry];
  const calls = new Counter({
    name: 'lachak_grpc_calls_total',
    help: 'Calls answered by the rooms of this process, by method and gRPC status',
    labelNames: ['method', 'code'],
    registers,
  });
  const seconds = new Histogram({
    name: 'lachak_grpc_seconds',
    help: 'How long unary calls took',
    labelNames: ['method'],
    buckets: SECONDS,
    registers,
  });
  let defaults = false;
  return {
    called: (path, code, took) => {
      const method = path.slice(path.lastIndexOf('.') + 1); // Devices/Apply
      calls.inc({ method, code: status[code] ?? String(code) });
      if (took !== null) seconds.observe({ method }, took);
    },
    facts: (standing) => showFacts(registers, standing),
    pools: (use) => {
      new Gauge({
        name: 'lachak_postgres_connections',
        help: 'Connections of each room to PostgreSQL (at most 4), and work that waits for one',
        labelNames: ['room', 'state'],
        registers,
        collect() {
          for (const { room, idle, busy, waiting } of use())
            for (const [state, count] of Object.entries({ idle, busy, waiting })) this.set({ room, state }, count);
        },
      });
    },
    sum: (name, says, label, read) => {
      new Counter({
        name: `lachak_${name}`,
        help: says,
        labelNames: [label],
        registers,
        collect() {
          this.reset();
          for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count);
        },
      });
    },
    level: (name, says, read) => {
      new Gauge({
        name: `lachak_${name}`,
        help: says,
        registers,
        collect() {
          this.set(read());
        },
      });
    },
    text: () => {
      // They watch the event loop and the garbage collector all the time: only for those who look.
      if (!defaults) collectDefaultMetrics({ register: registry, prefix: 'lachak_' });
      defaults = true;
      return registry.metrics();
    },
  };
}

/** One look at PostgreSQL for all of them; while it is away, nothing is said instead of something old. */
function showFacts(registers: Registry[], standing: () => Promise<Standing>): void {
  let looking: Promise<void> | null = null;
  const gauge = (name: string, help: string, labelNames: string[]): Gauge =>
    // All are asked at once, and each is read when its own answer is there: they wait for the same look.
    new Gauge({ name, help, labelNames, registers, collect: () => (looking ??= look()) });
  const of = ['room', 'upstream'];
  const behind = gauge('lachak_facts_behind', 'Facts of the upstream that the room has not handled yet', of);
  const parked = gauge('lachak_facts_parked', 'Facts that wait for a person (lachak facts)', of);
  const owned = gauge('lachak_facts_partitions', 'Partitions of the upstream that this process handles', of);
  const putBack = gauge(
    'lachak_facts_put_back',
    '1 when the upstream was put back and the room waits for a person (lachak facts)',
    of,
  );
  const unnumbered = gauge('lachak_facts_unnumbered', 'Facts committed and not numbered yet', ['room']);
  const read = gauge('lachak_facts_standing', '1 when the standing of facts could be read', []);
  const look = async (): Promise<void> => {
    try {
      const { outboxes, followers } = await standing();
      for (const one of outboxes) unnumbered.set({ room: one.room }, Number(one.unnumbered));
      for (const { room, upstream, ...counts } of followers) {
        behind.set({ room, upstream }, Number(counts.behind));
        parked.set({ room, upstream }, Number(counts.parked));
        owned.set({ room, upstream }, counts.owned);
        putBack.set({ room, upstream }, counts.putBack ? 1 : 0);
      }
      read.set(1);
    } catch {
      for (const one of [behind, parked, owned, putBack, unnumbered]) one.reset();
      read.set(0);
    } finally {
      looking = null;
    }
  };
}
