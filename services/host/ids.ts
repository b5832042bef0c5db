import { createHash, hash, randomUUID } from 'node:crypto';

/** For request ids and the like only: everything derived has `derivedId`, so a retry makes the same one. */
export const newId = (): string => randomUUID();

/**
 * `<kind>-<20 base32 characters>` of SHA-256 over the kind and its parents, each preceded by its length in bytes, so that no two
 * lists of parents run into each other. 100 bits: a clash needs 10¹⁵ ids of one kind.
 */
export function derivedId(kind: string, ...parents: readonly (string | number | bigint)[]): string {
  const digest = createHash('sha256');
  for (const part of [kind, ...parents]) {
    const bytes = Buffer.from(String(part), 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    digest.update(length).update(bytes);
  }
  return `${kind}-${base32(digest.digest()).slice(0, 20)}`;
}

// In one call, without an object for the collector: a day of a shard has ten thousand digests.
export const sha256 = (content: string | Uint8Array): Uint8Array => hash('sha256', content, 'buffer');
export const sha256Hex = (content: string | Uint8Array): string => hash('sha256', content, 'hex');
export const sha256Base64url = (content: string | Uint8Array): string => hash('sha256', content, 'base64url');

// RFC 4648, lower case, no padding: safe in file names, topics and URLs.
function base32(bytes: Uint8Array): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(value >>> (bits - 5)) & 31];
  }
  return bits > 0 ? text + alphabet[(value << (5 - bits)) & 31] : text;
}
