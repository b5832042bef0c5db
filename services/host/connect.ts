import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { fromBinary } from '@bufbuild/protobuf';
import { Client as Channel, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { pathOf, STREAM_MESSAGE_BYTES, serialise, UNARY_DEADLINE_MS } from './grpc.ts';
import { newId } from './ids.ts';
import type { CallOptions, Client } from './room.ts';
import { fromStatus } from './status.ts';

export type Wire = {
  client<S extends DescService>(service: S, ownToken: (discom: string) => Promise<string>): Client<S>;
  close(): void;
};

/** One connection to the rooms' server; all clients share it. Nothing is sent before the first call. */
export function openWire(address: string): Wire {
  const channel = new Channel(address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': STREAM_MESSAGE_BYTES,
    'grpc.max_send_message_length': STREAM_MESSAGE_BYTES,
    // A client stream of many small messages stalls for seconds once it has filled the default of 1 MiB.
    'grpc.per_rpc_retry_buffer_size': 65_536,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
  });
  return {
    client: (service, ownToken) => {
      const methods = service.methods.map((method) => [method.localName, callerOf(channel, method, ownToken)]);
      return Object.fromEntries(methods);
    },
    close: () => channel.close(),
  };
}

type OwnToken = (discom: string) => Promise<string>;

function callerOf(channel: Channel, method: DescMethod, ownToken: OwnToken) {
  const path = pathOf(method);
  const write = (message: never) => serialise(method.input, message);
  const read = (bytes: Buffer) => fromBinary(method.output, bytes);
  const prepare = async (options: CallOptions, defaultMs?: number) => ({
    metadata: await metadataFor(options, path, ownToken),
    options: deadline(options.deadlineMs ?? defaultMs),
  });
  switch (method.methodKind) {
    case 'unary':
      return async (request: never, options: CallOptions = {}) => {
        const ready = await prepare(options, UNARY_DEADLINE_MS);
        return new Promise((done, fail) => {
          const call = channel.makeUnaryRequest(path, write, read, request, ready.metadata, ready.options, (error, response) =>
            error ? fail(fromStatus(error, path)) : done(response),
          );
          onAbort(options.signal, () => call.cancel());
        });
      };
    case 'server_streaming':
      return async function* (request: never, options: CallOptions = {}) {
        const ready = await prepare(options);
        const call = channel.makeServerStreamRequest(path, write, read, request, ready.metadata, ready.options);
        onAbort(options.signal, () => call.cancel());
        try {
          yield* call;
        } catch (error) {
          throw fromStatus(error as ServiceError, path);
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
          const call = channel.makeClientStreamRequest(path, write, read, ready.metadata, ready.options, (error, response) => {
            settled = true;
            wake();
            if (error) fail(fromStatus(error, path));
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

async function metadataFor({ as, discom }: CallOptions, path: string, ownToken: OwnToken): Promise<Metadata> {
  if (!as && !discom) throw new RangeError(`${path}: a room's own call must say for which discom it acts`);
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${as ? as.token : await ownToken(discom!)}`);
  metadata.set('lachak-request-id', as?.requestId ?? newId());
  return metadata;
}

const deadline = (ms: number | undefined) => (ms === undefined ? {} : { deadline: Date.now() + ms });

function onAbort(signal: AbortSignal | undefined, cancel: () => void): void {
  if (signal?.aborted) cancel();
  else signal?.addEventListener('abort', cancel, { once: true });
}
