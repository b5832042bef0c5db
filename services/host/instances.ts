import { Client as Channel, type ChannelCredentials, connectivityState, credentials, experimental } from '@grpc/grpc-js';
import type { Secure } from './connect.ts';
import { STREAM_MESSAGE_BYTES } from './grpc.ts';
import { certificatesOf } from './renewal.ts';
import { roomsNamed } from './tls.ts';

/** Connections to the instances of one room. */
export type Instances = {
  /** Round robin among those that are well; when none is, the next one all the same, whose refusal says why. */
  next(): Channel;
  /** Another one, if possible one that is well; null when there is none. */
  other(than: Channel): Channel | null;
  close(): void;
};

const ASK_HEALTH_MS = 1000;

export function openInstances(addresses: readonly string[], secure: Secure | null): Instances {
  const all = addresses.map((address) => ({ channel: open(address.trim(), secure), healthy: true }));
  let turn = 0;
  let timer: NodeJS.Timeout | undefined;
  const well = (one: (typeof all)[number]): boolean =>
    one.healthy && one.channel.getChannel().getConnectivityState(false) !== connectivityState.TRANSIENT_FAILURE;
  // One instance has no alternative: whether it is well is asked by calling it.
  const watch = (): void => {
    if (all.length === 1 || timer) return;
    timer = setInterval(() => {
      for (const one of all) {
        void asked(one.channel).then((healthy) => {
          one.healthy = healthy;
        });
      }
    }, ASK_HEALTH_MS);
    timer.unref();
  };
  return {
    next: () => {
      watch();
      for (let i = 0; i < all.length; i++) {
        const one = all[(turn + i) % all.length]!;
        if (!well(one)) continue;
        turn += i + 1;
        return one.channel;
      }
      return all[turn++ % all.length]!.channel;
    },
    other: (than) => {
      for (const one of all) if (one.channel === than) one.healthy = false; // until it is asked again
      const others = all.filter((one) => one.channel !== than);
      return (others.find(well) ?? others[0])?.channel ?? null;
    },
    close: () => {
      clearInterval(timer);
      for (const { channel } of all) channel.close();
    },
  };
}

const open = (address: string, secure: Secure | null): Channel =>
  new Channel(address, credentialsOf(secure), {
    'grpc.max_receive_message_length': STREAM_MESSAGE_BYTES,
    'grpc.max_send_message_length': STREAM_MESSAGE_BYTES,
    // A client stream of many small messages stalls for seconds once it has filled the default of 1 MiB.
    'grpc.per_rpc_retry_buffer_size': 65_536,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
    // A peer that vanished without a word is noticed, and calls to it end.
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5000,
    // Addresses say nothing about who is there: the certificate names the room.
    ...(secure ? { 'grpc.ssl_target_name_override': `${secure.server}.lachak`, 'grpc.default_authority': 'lachak' } : {}),
  });

function credentialsOf(secure: Secure | null): ChannelCredentials {
  if (!secure) return credentials.createInsecure();
  const { tls, server } = secure;
  const certificates = certificatesOf(tls);
  return experimental.createCertificateProviderChannelCredentials(certificates, certificates, {
    checkServerIdentity: (_host, { subjectaltname }) => {
      const named = roomsNamed(subjectaltname);
      return named.includes(server)
        ? undefined
        : new Error(`expected ${server}; its certificate names ${named.join(', ') || 'no room'}`);
    },
  });
}

/** The standard health service, by hand: the request is empty, the answer's only field is the status, 1 = SERVING. */
function asked(channel: Channel): Promise<boolean> {
  const same = (bytes: Buffer) => bytes;
  return new Promise((done) => {
    channel.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      same,
      same,
      Buffer.alloc(0),
      { deadline: Date.now() + ASK_HEALTH_MS },
      (error, answer) => done(!error && answer?.[1] === 1),
    );
  });
}
