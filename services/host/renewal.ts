import { statSync } from 'node:fs';
import type { experimental } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { RoomName } from './room.ts';
import { openTls, RENEW, RENEW_DAYS, type Tls } from './tls.ts';

/** Certificate, key and CA, read again when their files have become others. */
export type KeptTls = Tls & {
  /** What is wrong with the files as they lie there, or with what is in use; null: nothing. For people. */
  problem(now?: number): string | null;
  stop(): void;
};

const LOOK_MS = 1000;
const DAY_MS = 86_400_000;

/**
 * As `openTls`, which says what it throws; null when no file is set. New files are used by the connections that are made from then on,
 * here and as a client; those that are open live on, and the calls on them. Files that cannot be used (half laid, of another room, of
 * another key) change nothing: what was read before stays until they can be.
 */
export function keepTls(config: Pick<Config, 'tls'>, rooms: readonly RoomName[], log: Logger): KeptTls | null {
  const first = openTls(config, rooms);
  if (!first) return null;
  const files = Object.values(config.tls);
  const listeners = new Set<() => void>();
  let current = first;
  let mark = marksOf(files);
  let fault: string | null = null;
  let warnedAt = Number.NEGATIVE_INFINITY;

  const look = (): void => {
    const now = Date.now();
    const seen = marksOf(files);
    if (seen !== mark || fault !== null) renew(seen);
    const days = Math.floor((current.expiresAt - now) / DAY_MS);
    if (days >= RENEW_DAYS || now - warnedAt < DAY_MS) return;
    warnedAt = now;
    log.warn({ file: config.tls.cert, days }, `the certificate expires on ${dayOf(current.expiresAt)}: ${RENEW}`);
  };
  const renew = (seen: string): void => {
    try {
      const next = openTls(config, rooms)!;
      mark = seen;
      fault = null;
      const same = (['ca', 'cert', 'key'] as const).every((part) => next[part].equals(current[part]));
      if (same) return;
      current = next;
      log.info({ file: config.tls.cert, until: dayOf(next.expiresAt) }, 'a new certificate is in use');
      for (const listener of listeners) listener();
    } catch (error) {
      const { message } = error as Error;
      if (message !== fault)
        log.warn({ why: message, until: dayOf(current.expiresAt) }, 'the new certificate files cannot be used');
      fault = message;
    }
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  timer.unref();

  return {
    get ca() {
      return current.ca;
    },
    get cert() {
      return current.cert;
    },
    get key() {
      return current.key;
    },
    get rooms() {
      return current.rooms;
    },
    get expiresAt() {
      return current.expiresAt;
    },
    onRenewed: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    problem: (now = Date.now()) => {
      const expired = now >= current.expiresAt ? `${config.tls.cert} expired on ${dayOf(current.expiresAt)}: ${RENEW}` : null;
      return expired && (fault ?? expired);
    },
    stop: () => clearInterval(timer),
  };
}

/** What grpc-js asks for certificates: those of now, then each that follows. */
export function certificatesOf(tls: Tls): experimental.CertificateProvider {
  const told = new Map<unknown, () => void>();
  const listen = (listener: unknown, tell: () => void): void => {
    told.set(listener, tls.onRenewed(tell));
    process.nextTick(tell); // who asks is not ready to hear yet
  };
  const leave = (listener: unknown): void => {
    told.get(listener)?.();
    told.delete(listener);
  };
  return {
    addCaCertificateListener: (listener) => listen(listener, () => listener({ caCertificate: tls.ca })),
    removeCaCertificateListener: leave,
    addIdentityCertificateListener: (listener) =>
      listen(listener, () => listener({ certificate: tls.cert, privateKey: tls.key })),
    removeIdentityCertificateListener: leave,
  };
}

/** Changes when a file is written or replaced. */
const marksOf = (files: readonly string[]): string =>
  files
    .map((file) => {
      const found = statSync(file, { throwIfNoEntry: false, bigint: true });
      return found ? `${found.ino}/${found.size}/${found.mtimeNs}` : 'none';
    })
    .join(' ');

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);
