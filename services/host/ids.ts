import { createHash, randomUUID } from 'node:crypto';

/** For request ids and the like only: everything derived has `derivedId`, so a retry makes the same one. */
export const newId = (): string => randomUUID();

/**
 * `<kind>-<20 base32 characters>` of SHA-256 over the kind and its parents, each preceded by its length in bytes, so that no two
 * lists of parents run into each other. 100 bits: a clash needs 10¹⁵ ids of one kind.
 */
export function derivedId(kind: string, ...parents: readonly (string | number | bigint)[]): string {
  const hash = createHash('sha256');
  for (const part of [kind, ...parents]) {
    const bytes = Buffer.from(String(part), 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  }
  return `${kind}-${base32(hash.digest()).slice(0, 20)}`;
}

export const sha256 = (content: string | Uint8Array): Uint8Array => createHash('sha256').update(content).digest();
export const sha256Hex = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');
export const sha256Base64url = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('base64url');

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
