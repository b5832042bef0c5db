import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { invalid, Refusal } from '../domain/outcome.ts';
import { roomNames } from './arrows.ts';
import type { Config } from './config.ts';
import type { RoomName } from './room.ts';

/** What a process proves itself with, and whom it believes; as it is now, when its files are kept up with (renewal.ts). */
export type Tls = {
  /** One authority or several: while one follows another, both are believed. */
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
  /** The rooms its certificate names. */
  readonly rooms: readonly RoomName[];
  readonly expiresAt: number;
  /** Calls when the files have become others; answers how to end that. */
  readonly onRenewed: (listener: () => void) => () => void;
};

/** From so many days before its end on, an operator is told that a certificate is about to expire. */
export const RENEW_DAYS = 14;

/** A certificate names its rooms in its alternative names: `URI:lachak:room:dispatch`. */
export const roomUri = (room: RoomName): string => `lachak:room:${room}`;

/** The rooms named in a certificate's `subjectAltName`, as Node writes it. */
export function roomsNamed(subjectAltName: string | undefined): RoomName[] {
  const named = [...(subjectAltName ?? '').matchAll(/URI:lachak:room:(\w+)/g)].map(([, room]) => room as RoomName);
  return named.filter((room) => roomNames.includes(room));
}

/**
 * Reads the files of `config.tls`; null when none is set. Throws Refusal `config_invalid` naming the file and what is wrong with it:
 * missing, no PEM, expired, of another CA, of another key, or naming no room (of `rooms`).
 */
export function openTls({ tls }: Pick<Config, 'tls'>, rooms: readonly RoomName[] = [], now = Date.now()): Tls | null {
  if (tls.ca === '' && tls.cert === '' && tls.key === '') return null;
  for (const part of ['ca', 'cert', 'key'] as const) {
    if (tls[part] === '')
      throw wrong(part, 'is missing: mutual TLS needs tls.ca, tls.cert and tls.key (lachak certs makes them for trials)');
  }
  const [ca, cert, key] = [read('ca', tls.ca), read('cert', tls.cert), read('key', tls.key)];
  const authorities = allParsed('ca', tls.ca, ca);
  const own = parsed('cert', tls.cert, cert);
  const named = roomsNamed(own.subjectAltName);
  const expiresAt = Date.parse(own.validTo);
  if (now >= expiresAt) throw new CertificateExpired(wrong('cert', `${tls.cert} expired on ${own.validTo}: ${RENEW}`));
  if (now < Date.parse(own.validFrom))
    throw wrong('cert', `${tls.cert} is not valid before ${own.validFrom}: is the clock right?`);
  const issuer = authorities.find((one) => own.checkIssued(one) && own.verify(one.publicKey));
  if (!issuer) throw wrong('cert', `${tls.cert} was not issued by ${tls.ca}`);
  if (now >= Date.parse(issuer.validTo))
    throw new CertificateExpired(wrong('ca', `${tls.ca} expired on ${issuer.validTo}: ${RENEW}`));
  if (named.length === 0) throw wrong('cert', `${tls.cert} names no room; expected a URI like ${roomUri('dispatch')}`);
  const unnamed = rooms.find((room) => !named.includes(room));
  if (unnamed) throw wrong('cert', `${tls.cert} names ${named.join(', ')}, not ${unnamed}`);
  try {
    createSecureContext({ ca, cert, key });
  } catch (error) {
    throw wrong('key', `${tls.key} does not fit ${tls.cert}: ${(error as Error).message}`);
  }
  return { ca, cert, key, rooms: named, expiresAt, onRenewed: () => () => {} };
}

/** What to do about one that expires. */
export const RENEW = 'make a new one in its place (lachak certs); rooms read it within a second, without a new start';

/** The one fault of a certificate that time alone brings, and that somebody may be about to mend. */
export class CertificateExpired extends Refusal {
  constructor({ kind, code, message, field }: Refusal) {
    super(kind, code, message, field);
  }
}

function read(part: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw wrong(part, `cannot be read: ${(error as Error).message}`);
  }
}

function parsed(part: string, file: string, pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw wrong(part, `${file} holds no certificate in PEM form`);
  }
}

/** A file of several certificates, one after another. */
function allParsed(part: string, file: string, pem: Buffer): X509Certificate[] {
  const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.length === 0 ? [parsed(part, file, pem)] : blocks.map((block) => parsed(part, file, Buffer.from(block)));
}

const wrong = (part: string, why: string) => invalid('config_invalid', `tls.${part}: ${why}`, `tls.${part}`);
