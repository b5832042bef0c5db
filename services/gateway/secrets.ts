import { createHash, randomBytes, scrypt as scryptCallback, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const scrypt = promisify<string, Uint8Array, number, Uint8Array>(scryptCallback);

/** `scrypt$<salt>$<key>`, base64url; Node's default cost (N = 2¹⁴). */
export async function hashSecret(secret: string): Promise<string> {
  const salt = randomBytes(16);
  return `scrypt$${salt.toString('base64url')}$${Buffer.from(await scrypt(secret, salt, 32)).toString('base64url')}`;
}

export async function secretMatches(secret: string, hash: string): Promise<boolean> {
  const [, salt = '', key = ''] = hash.split('$');
  const expected = Buffer.from(key, 'base64url');
  const given = await scrypt(secret, Buffer.from(salt, 'base64url'), 32);
  return expected.length === given.length && timingSafeEqual(expected, given);
}

export const newSecret = (): string => randomBytes(32).toString('base64url');
/** S256 of RFC 7636, and how codes are kept. */
export const s256 = (text: string): string => createHash('sha256').update(text).digest('base64url');
