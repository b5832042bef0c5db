import type { DescMessage, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Logger } from 'pino';
import type { Fact } from '../../gen/lachak/v1/facts_pb.ts';
import type { Instant } from '../domain/interval.ts';
import type { Config } from './config.ts';
import type { Metrics } from './metrics.ts';
import type { Dependency } from './readiness.ts';
import type { Trace } from './trace.ts';

/** The rooms that run as processes; `devices` lives beside services/, and is a room like the others. */
export type RoomName =
  | 'catalogue'
  | 'registry'
  | 'enrolment'
  | 'devices'
  | 'metering'
  | 'dispatch'
  | 'performance'
  | 'settlement'
  | 'gateway';

/** Domain time. Wall time is only for timeouts, leases, tokens, TLS and logs. */
export type Clock = {
  now(): Instant;
  /**
   * Registers work that falls due in domain time. `next` names the earliest instant at which `run` has something to do (null:
   * nothing planned) and is asked again after every run and every `stir`; `run` does all that is due at `now` and must be
   * idempotent, since a killed process asks again. Both read the room's own state, so nothing is lost with the process. Of several
   * instances of a room one does its due work; `everywhere` is for work on what an instance holds in its own hands (sockets).
   */
  wake(name: string, work: { next(): Promise<Instant | null>; run(now: Instant): Promise<void>; everywhere?: boolean }): Waker;
  /**
   * Only a stepped clock calls it: `settle` resolves when everything this party sends because of the step has been sent and
   * answered (simulated devices are asked over their own sockets).
   */
  onStep(name: string, settle: (now: Instant) => Promise<void>): void;
  readonly stepped: boolean;
};
export type Waker = { stir(): void };

/** One open transaction, or the pool. Rows come with int8 as bigint, jsonb parsed, bytea as Uint8Array. */
export type Queryable = { query<R = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<R[]> };
export type Tx = Queryable & {
  /** Runs after the commit, never after a rollback. */
  afterCommit(work: () => void): void;
};
/** A room's own PostgreSQL schema (search_path is set); migrations have run when the room gets it. */
export type Database = Queryable & {
  /** READ COMMITTED; retried on serialisation failure and deadlock, so `work` must not have effects outside the transaction. */
  tx<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
};

type FactBody = Extract<Fact['body'], { case: string }>;
export type FactCase = FactBody['case'];
export type FactValue<C extends FactCase> = Extract<FactBody, { case: C }>['value'];
export type FactHandlers = { [C in FactCase]?: (tx: Tx, value: FactValue<C>, fact: Fact) => Promise<void> };

/** Facts flow forward; see design: grain, order, record. */
export type Facts = {
  /** Inserts into this room's outbox in the transaction of the state it reports. `key` orders: facts of one key are never reordered. */
  publish(tx: Tx, fact: { discom: string; key: string; body: FactBody }): Promise<void>;
  /**
   * Follows another room's facts from the first one. Each handler runs in one transaction with the position reached, so its writes
   * happen exactly once; one that keeps failing parks the fact's key until a person decides. Call before `start`.
   */
  follow(room: RoomName, handlers: FactHandlers): void;
  /** Position of the newest fact of this room that is committed now (0 none). */
  position(): Promise<bigint>;
  /** True once each of `rooms` has handled this room's facts up to `position`; false when `timeoutMs` of wall time passed first. */
  passed(position: bigint, rooms: readonly RoomName[], timeoutMs: number): Promise<boolean>;
};

/** Work of a room that any of its instances may do. */
export type Work = {
  /**
   * Tasks of one kind, done one at a time in each process. A task may be done twice (its holder was taken for dead), also at the same
   * time: `run` must bear that, and writes down its own failures. What it throws gives the task back. Call before `start`.
   */
  queue(name: string, run: (task: string) => Promise<void>): Queue;
};
export type Queue = {
  /**
   * Offers tasks to all instances, this one among them, until `left` names none any more; the room's own tables are the truth about
   * that. False: this process is to stop, another instance goes on.
   */
  complete(left: () => Promise<readonly string[]>): Promise<boolean>;
};

/** Who calls, as the interceptor has established it. */
export type Caller = {
  readonly subject: string;
  readonly roles: readonly Role[];
  /** The DISCOM the token is for: the first scope of every store function. */
  readonly discom: string;
  /** The caller's organisation (aggregator, CPO, …); empty for the DISCOM's own people and for rooms. */
  readonly organisation: string;
  /** For consumers: the participant they are. */
  readonly participant: string;
  readonly requestId: string;
  /** Aborted when the caller hangs up or the deadline passes. */
  readonly signal: AbortSignal;
};
export type Role = 'operator' | 'aggregator' | 'cpo' | 'consumer' | 'verifier' | 'room' | 'meter_source';

type Unary<M> = M extends { input: infer I; output: infer O }
  ? (request: MessageShape<I & DescMessage>, caller: Caller) => Promise<MessageInitShape<O & DescMessage>>
  : never;
type ServerStream<M> = M extends { input: infer I; output: infer O }
  ? (request: MessageShape<I & DescMessage>, caller: Caller) => AsyncIterable<MessageInitShape<O & DescMessage>>
  : never;
type ClientStream<M> = M extends { input: infer I; output: infer O }
  ? (requests: AsyncIterable<MessageShape<I & DescMessage>>, caller: Caller) => Promise<MessageInitShape<O & DescMessage>>
  : never;
/** One function per method. Throw `Refusal` for an expected no; anything else thrown is a bug: INTERNAL, logged, no details sent. */
export type Handlers<S extends DescService> = {
  [K in keyof S['method']]: S['method'][K] extends { methodKind: 'unary' }
    ? Unary<S['method'][K]>
    : S['method'][K] extends { methodKind: 'server_streaming' }
      ? ServerStream<S['method'][K]>
      : S['method'][K] extends { methodKind: 'client_streaming' }
        ? ClientStream<S['method'][K]>
        : never;
};
export type Binding = {
  readonly service: DescService;
  readonly handlers: Handlers<DescService>;
  /** Calls to it are no part of the world: a stepped clock does not wait for them. */
  readonly aside?: boolean;
};

export type CallOptions = {
  /** On whose authority; left out, the room's own (role `room`), for `discom` below. The gateway always passes its user's. */
  as?: { readonly token: string; readonly requestId: string };
  /** For a room's own call: the DISCOM it acts for. Required unless `as` is given. */
  discom?: string;
  deadlineMs?: number;
  signal?: AbortSignal;
};
/** A client with the same shape as the handlers; refusals come back as `Refusal`. */
export type Client<S extends DescService> = {
  [K in keyof S['method']]: S['method'][K] extends { methodKind: infer Kind; input: infer I; output: infer O }
    ? Kind extends 'unary'
      ? (request: MessageInitShape<I & DescMessage>, options?: CallOptions) => Promise<MessageShape<O & DescMessage>>
      : Kind extends 'server_streaming'
        ? (request: MessageInitShape<I & DescMessage>, options?: CallOptions) => AsyncIterable<MessageShape<O & DescMessage>>
        : Kind extends 'client_streaming'
          ? (
              requests: AsyncIterable<MessageInitShape<I & DescMessage>>,
              options?: CallOptions,
            ) => Promise<MessageShape<O & DescMessage>>
          : never
    : never;
};
export type Connect = <S extends DescService>(service: S) => Client<S>;

/** What the host gives a room. All of it, always. */
export type Deps = {
  readonly clock: Clock;
  readonly database: Database;
  readonly facts: Facts;
  readonly work: Work;
  readonly connect: Connect;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly trace: Trace;
  /** The room's part of the validated configuration, and the folder for its files (created, 0700). */
  readonly config: Config;
  readonly folder: string;
  /** Says where something listens, once it does: `console`, `mqtt`, `ocpp`. Printed by `start`; tests read it back. */
  readonly announce: (what: string, address: string) => void;
};
export type Room = {
  readonly bindings: readonly Binding[];
  /** What it cannot work without, beside PostgreSQL: its process is not ready while one is away. */
  readonly needs?: readonly Dependency[];
  /** After every room's follows are registered and its bindings are served. */
  start(): Promise<void>;
  /** Finishes or hands over within the bound; idempotent. */
  stop(): Promise<void>;
};
/** One entry of roster.ts. */
export type RoomMaker = { readonly name: RoomName; readonly migrations: URL; readonly make: (deps: Deps) => Room };

/** Binds typed handlers to their service. */
export const bind = <S extends DescService>(service: S, handlers: Handlers<S>): Binding => ({
  service,
  handlers: handlers as never,
});
