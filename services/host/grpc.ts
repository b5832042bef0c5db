import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { create, type DescMessage, type DescMethod, fromBinary, getOption, hasOption, toBinary } from '@bufbuild/protobuf';
import {
  experimental,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from 'pino';
import { allow, Role as WireRole } from '../../gen/lachak/v1/types_pb.ts';
import { forbidden, Refusal } from '../domain/outcome.ts';
import type { Identity } from './auth.ts';
import { missing } from './expect.ts';
import { newId } from './ids.ts';
import { identify } from './peers.ts';
import { certificatesOf } from './renewal.ts';
import type { Binding, Caller, Role } from './room.ts';
import { toStatus } from './status.ts';
import { roomsNamed, type Tls } from './tls.ts';
import { noTrace, type Trace } from './trace.ts';

export const UNARY_REQUEST_BYTES = 4 * 1024 * 1024;
export const STREAM_MESSAGE_BYTES = 16 * 1024 * 1024;
export const UNARY_DEADLINE_MS = 10_000;

export type GrpcServer = {
  /** Where it listens, as a client names it. */
  readonly address: string;
  /** Unary calls being answered now: a stepped clock does not move while there are any. */
  inFlight(): number;
  /** Unary calls taken since the start. */
  served(): number;
  /** What the health service says: SERVING, or NOT_SERVING while something that is needed is away, or when it drains. */
  ready(serving: boolean): void;
  /** No new calls; running ones get `graceMs`, then are cut. */
  stop(graceMs: number): Promise<void>;
};

/**
 * Serves the rooms' bindings at `unix:<path>` or `host:port` (port 0: one is chosen). Each method's option `(lachak.v1.allow)` names
 * who may call it; none = nobody. With `tls`, only rooms with a certificate of its CA get a connection. The standard health service
 * answers without a token.
 */
export async function serve(
  bindings: readonly Binding[],
  address: string,
  verify: (token: string) => Promise<Identity>,
  log: Logger,
  tls: Tls | null = null,
  called: Called = () => {},
  trace: Trace = noTrace,
): Promise<GrpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': STREAM_MESSAGE_BYTES,
    'grpc.max_send_message_length': STREAM_MESSAGE_BYTES,
  });
  const health = new HealthImplementation({ '': 'SERVING' });
  health.addToServer(server);
  const running = { unary: 0, served: 0 };
  for (const { service, handlers, aside = false } of bindings) {
    const implementation: UntypedServiceImplementation = {};
    for (const method of service.methods) {
      const handler = handlers[method.localName as keyof typeof handlers] as Handler | undefined;
      if (handler)
        implementation[method.localName] = guarded(method, handler, {
          verify,
          log,
          running,
          aside,
          called,
          trace,
          certified: tls !== null,
        }) as never;
    }
    server.addService(definitionOf(service.methods), implementation);
    health.setStatus(service.typeName, 'SERVING');
  }
  const certificates = tls && certificatesOf(tls);
  const credentials = certificates
    ? experimental.createCertificateProviderServerCredentials(certificates, certificates, true)
    : ServerCredentials.createInsecure();
  const socket = address.startsWith('unix:') ? address.slice('unix:'.length) : null;
  if (socket !== null) rmSync(socket, { force: true }); // the folder is locked: what lies here is a dead process's
  const port = await new Promise<number>((done, fail) =>
    server.bindAsync(address, credentials, (error, bound) => (error ? fail(error) : done(bound))),
  );
  if (socket !== null) chmodSync(socket, 0o600);
  return {
    address: socket === null ? `${address.slice(0, address.lastIndexOf(':'))}:${port}` : address,
    inFlight: () => running.unary,
    served: () => running.served,
    ready: (serving) => {
      for (const name of ['', ...bindings.map(({ service }) => service.typeName)])
        health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
    },
    stop: async (graceMs) => {
      const closed = new Promise<void>((done) => server.tryShutdown(() => done()));
      const timer = setTimeout(() => server.forceShutdown(), graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** grpc-js speaks in bytes and paths; this is all it needs to know of a protobuf-es service. */
export function definitionOf(methods: readonly DescMethod[]): ServiceDefinition {
  return Object.fromEntries(
    methods.map((method) => [
      method.localName,
      {
        path: pathOf(method),
        requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
        responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
        requestSerialize: (message: never) => serialise(method.input, message),
        requestDeserialize: (bytes: Buffer) => received(method, bytes),
        responseSerialize: (message: never) => serialise(method.output, message),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
        originalName: method.localName,
      },
    ]),
  ) as ServiceDefinition;
}

export const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

/** Messages come as plain initialisers; `create` leaves finished ones as they are. */
export function serialise(schema: DescMessage, message: never): Buffer {
  const bytes = toBinary(schema, create(schema, message));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// A message that cannot be read is the caller's mistake: it becomes a refusal where the handler would have started.
function received(method: DescMethod, bytes: Buffer): unknown {
  if (method.methodKind === 'unary' && bytes.length > UNARY_REQUEST_BYTES) {
    return new Refusal(
      'exhausted',
      'message_too_large',
      `a request has at most ${UNARY_REQUEST_BYTES} bytes, this one ${bytes.length}`,
    );
  }
  try {
    return fromBinary(method.input, bytes);
  } catch {
    return new Refusal('invalid', 'message_malformed', `this is no ${method.input.typeName}`);
  }
}

type Handler = (request: unknown, caller: Caller) => Promise<unknown> | AsyncIterable<unknown>;
/** A call has ended, with this gRPC status; `seconds` of unary calls only. */
export type Called = (path: string, code: number, seconds: number | null) => void;
type Means = {
  called: Called;
  trace: Trace;
  verify: (token: string) => Promise<Identity>;
  log: Logger;
  running: { unary: number; served: number };
  aside: boolean;
  certified: boolean;
};
// The parts of grpc-js's four call types that are used here.
type Call = AsyncIterable<unknown> & {
  request: unknown;
  metadata: { get(name: string): (string | Buffer)[] };
  cancelled: boolean;
  getDeadline(): Date | number;
  getAuthContext(): { sslPeerCertificate?: { subjectaltname?: string } } | null;
  on(event: string, listener: () => void): void;
  write(message: unknown): boolean;
  end(): void;
  destroy(error: Error): void;
  emit(event: 'error', error: unknown): void;
};

function guarded(method: DescMethod, handler: Handler, { verify, log, running, aside, called, trace, certified }: Means) {
  const path = pathOf(method);
  const roles = hasOption(method, allow) ? getOption(method, allow).map((role) => WireRole[role].toLowerCase() as Role) : [];
  const streams = method.methodKind === 'server_streaming';
  return async (call: Call, answer?: (error: unknown, response?: unknown) => void): Promise<void> => {
    const hangUp = new AbortController();
    call.on('cancelled', () => hangUp.abort(new Refusal('unavailable', 'cancelled', 'the caller hung up')));
    const requestId = text(call, 'lachak-request-id') || newId();
    const unary = method.methodKind === 'unary';
    const limit =
      unary && call.getDeadline() === Number.POSITIVE_INFINITY
        ? setTimeout(() => hangUp.abort(late(path)), UNARY_DEADLINE_MS)
        : undefined;
    const counted = unary && !aside;
    const began = performance.now();
    let code: number = status.OK;
    if (counted) running.unary++;
    if (counted) running.served++;
    try {
      const said = {
        token: text(call, 'authorization').replace(/^Bearer /i, ''),
        room: text(call, 'lachak-room'),
        discom: text(call, 'lachak-discom'),
        certified: certified ? roomsNamed(call.getAuthContext()?.sslPeerCertificate?.subjectaltname) : null,
      };
      const identity = await identify(said, method.parent.typeName, verify);
      if (!identity.roles.some((role) => roles.includes(role))) {
        throw forbidden(
          'role_missing',
          `${path} is for ${roles.join(', ') || 'nobody'}; the token has ${identity.roles.join(', ') || 'no role'}`,
        );
      }
      const request = method.methodKind === 'client_streaming' ? wellFormed(call) : call.request;
      if (request instanceof Refusal) throw request;
      const caller: Caller = { ...identity, requestId, signal: hangUp.signal };
      if (streams) await writeAll(call, handler(request, caller) as AsyncIterable<unknown>, hangUp.signal);
      else {
        const span = { name: path.slice(1), kind: 'server', because: text(call, 'traceparent') } as const;
        const work = trace.span(span, async () => handler(request, caller));
        answer!(null, await Promise.race([work, aborted(hangUp.signal)]));
      }
    } catch (error) {
      const told = tell(error, path, requestId, log);
      code = told.code;
      if (streams) call.emit('error', told);
      else answer!(told);
    } finally {
      clearTimeout(limit);
      called(path, code, unary ? (performance.now() - began) / 1000 : null);
      if (counted) running.unary--;
    }
  };
}

const late = (path: string) =>
  new Refusal('unavailable', 'deadline_exceeded', `${path} did not answer within ${UNARY_DEADLINE_MS} ms`);

async function* wellFormed(call: Call): AsyncIterable<unknown> {
  for await (const message of call) {
    if (message instanceof Refusal) throw message;
    yield message;
  }
}

async function writeAll(call: Call, messages: AsyncIterable<unknown>, signal: AbortSignal): Promise<void> {
  const source = messages[Symbol.asyncIterator]();
  const hangUp = aborted(signal);
  try {
    for (;;) {
      const next = await Promise.race([source.next(), hangUp]);
      if (next.done) break;
      if (!call.write(next.value)) await Promise.race([once(call as never, 'drain'), hangUp]);
    }
    call.end();
  } catch (error) {
    // A generator that waits for news cannot return before it wakes; its caller's signal wakes it.
    void source.return?.()?.catch(() => {});
    if (!signal.aborted) throw error;
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  const never = new Promise<never>((_, fail) => {
    if (signal.aborted) fail(signal.reason);
    else signal.addEventListener('abort', () => fail(signal.reason), { once: true });
  });
  never.catch(() => {});
  return never;
}

function tell(error: unknown, path: string, requestId: string, log: Logger): { code: status } {
  if (error instanceof Refusal) {
    log.debug({ path, requestId, code: error.code }, 'refused');
    return toStatus(error);
  }
  const why = missing(error);
  if (why !== null) {
    // Nothing was committed, or the same command gives the same answer again: the caller may come back.
    log.warn({ path, requestId, why }, 'a call was refused: a dependency is away');
    return toStatus(new Refusal('unavailable', 'dependency_away', `${path} cannot be answered now: ${why}`));
  }
  log.error({ path, requestId, error }, 'a call failed unexpectedly');
  const told = { code: status.INTERNAL, details: `unexpected; the log has more under request ${requestId}` };
  return told;
}

const text = (call: Call, name: string): string => String(call.metadata.get(name)[0] ?? '');
