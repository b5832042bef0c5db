import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { fromBinary } from '@bufbuild/protobuf';
import { type Client as Channel, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { pathOf, serialise, UNARY_DEADLINE_MS } from './grpc.ts';
import { newId } from './ids.ts';
import { type Instances, openInstances } from './instances.ts';
import type { CallOptions, Client, RoomName } from './room.ts';
import { fromStatus } from './status.ts';
import type { Tls } from './tls.ts';

export type Wire = {
  client<S extends DescService>(service: S, own: Own): Client<S>;
  close(): void;
};
/** A room's own authority for one DISCOM: its token, or nothing where its certificate speaks for it. */
export type Own = (discom: string) => Promise<string>;
/** As which room to speak, and which room's certificate to expect. */
export type Secure = { readonly tls: Tls; readonly as: RoomName; readonly server: RoomName };

/**
 * Connections to the instances of a server, addresses with commas between; all clients share them. Calls go round among the instances
 * that answer and say they are healthy. Nothing is sent before the first call.
 */
export function openWire(addresses: string, secure: Secure | null = null, here: () => string = () => ''): Wire {
  const instances = openInstances(addresses.split(','), secure);
  return {
    client: (service, own) => {
      const methods = service.methods.map((method) => [method.localName, callerOf(instances, method, { own, secure, here })]);
      return Object.fromEntries(methods);
    },
    close: () => instances.close(),
  };
}

/** `here`: what goes on as the call is made, for its trace. */
type Authority = { readonly own: Own; readonly secure: Secure | null; readonly here: () => string };

function callerOf(instances: Instances, method: DescMethod, authority: Authority) {
  const path = pathOf(method);
  const { secure } = authority;
  const hint = secure
    ? ` If ${secure.server} is up, it may not believe the certificate of ${secure.as}: same CA, not expired?`
    : '';
  const refusal = (error: unknown) => fromStatus(error as ServiceError, path, hint);
  const write = (message: never) => serialise(method.input, message);
  const read = (bytes: Buffer) => fromBinary(method.output, bytes);
  const prepare = async (options: CallOptions, defaultMs?: number) => ({
    metadata: await metadataFor(options, path, authority),
    options: deadline(options.deadlineMs ?? defaultMs),
  });
  switch (method.methodKind) {
    case 'unary':
      return async (request: never, options: CallOptions = {}) => {
        const ready = await prepare(options, UNARY_DEADLINE_MS);
        const ask = (channel: Channel): Promise<unknown> =>
          new Promise((done, fail) => {
            const call = channel.makeUnaryRequest(path, write, read, request, ready.metadata, ready.options, (error, response) =>
              error ? fail(error) : done(response),
            );
            onAbort(options.signal, () => call.cancel());
          });
        const channel = instances.next();
        try {
          return await ask(channel);
        } catch (error) {
          // An instance that went away is no reason to fail where another can answer: every command may be repeated.
          const other = wentAway(error as ServiceError) ? instances.other(channel) : null;
          if (!other) throw refusal(error);
          return ask(other).catch((again) => Promise.reject(refusal(again)));
        }
      };
    case 'server_streaming':
      return async function* (request: never, options: CallOptions = {}) {
        const ready = await prepare(options);
        const call = instances.next().makeServerStreamRequest(path, write, read, request, ready.metadata, ready.options);
        onAbort(options.signal, () => call.cancel());
        try {
          yield* call;
        } catch (error) {
          throw refusal(error);
        } finally {
          call.on('error', () => {}); // cancelling ends the stream with an error nobody waits for
          call.cancel();
        }
      };
    case 'client_streaming':
      return async (requests: AsyncIterable<never>, options: CallOptions = {}) => {
        const ready = await prepare(options);
        let settled = false;
        let wake = () => {};
        const answer = new Promise((done, fail) => {
          const channel = instances.next();
          const call = channel.makeClientStreamRequest(path, write, read, ready.metadata, ready.options, (error, response) => {
            settled = true;
            wake();
            if (error) fail(refusal(error));
            else done(response);
          });
          call.on('error', () => {}); // the callback has it
          onAbort(options.signal, () => call.cancel());
          const send = async () => {
            for await (const request of requests) {
              if (settled) return; // answered early: the rest is not wanted
              if (!call.write(request)) {
                await new Promise<void>((next) => {
                  wake = next;
                  call.once('drain', next);
                  if (settled) next();
                });
              }
            }
            call.end();
          };
          send().catch((error) => {
            fail(error);
            call.cancel();
          });
        });
        return answer;
      };
    default:
      throw new RangeError(`${path}: streams both ways are not used in this house`);
  }
}

async function metadataFor({ as, discom }: CallOptions, path: string, { own, secure, here }: Authority): Promise<Metadata> {
  if (!as && !discom) throw new RangeError(`${path}: a room's own call must say for which discom it acts`);
  const metadata = new Metadata();
  if (secure) metadata.set('lachak-room', secure.as);
  if (as || !secure) metadata.set('authorization', `Bearer ${as ? as.token : await own(discom!)}`);
  else metadata.set('lachak-discom', discom!);
  metadata.set('lachak-request-id', as?.requestId ?? newId());
  const traceparent = here();
  if (traceparent !== '') metadata.set('traceparent', traceparent);
  return metadata;
}

// A room's own refusal has a code of ours; without one, nobody was there.
const wentAway = (error: ServiceError): boolean =>
  error.code === status.UNAVAILABLE && error.metadata?.get('lachak-code')[0] === undefined;

const deadline = (ms: number | undefined) => (ms === undefined ? {} : { deadline: Date.now() + ms });

function onAbort(signal: AbortSignal | undefined, cancel: () => void): void {
  if (signal?.aborted) cancel();
  else signal?.addEventListener('abort', cancel, { once: true });
}
