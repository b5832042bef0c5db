import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  createLocalJWKSet,
  createRemoteJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTVerifyGetKey,
  jwtVerify,
  SignJWT,
} from 'jose';
import { forbidden, invalid, Refusal } from '../domain/outcome.ts';
import { newId } from './ids.ts';
import type { Role } from './room.ts';

/** Who a token speaks for. */
export type Identity = {
  readonly subject: string;
  readonly roles: readonly Role[];
  readonly discom: string;
  readonly organisation: string;
  readonly participant: string;
};
export type SigningKey = {
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
  /** RFC 7638, SHA-256, base64url; also the key id. */
  readonly thumbprint: string;
};
export type Tokens = {
  /** An ES256 token; `hours` of wall time. */
  issue(identity: Identity, hours: number): Promise<string>;
  /**
   * Throws Refusal unauthenticated: `token_missing`, `token_expired`, `token_invalid`; forbidden: `scope_missing`. A role that needs an
   * organisation or a participant and names none is not held.
   */
  verify(token: string): Promise<Identity>;
  /** This process speaking as a room for one DISCOM; cached until shortly before it expires. */
  ofRoom(room: string, discom: string): Promise<string>;
  /** Public keys, for `/.well-known/jwks.json`. */
  readonly jwks: { keys: JWK[] };
};

const ISSUER = 'lachak';
const ROLES: readonly Role[] = ['operator', 'aggregator', 'cpo', 'consumer', 'verifier', 'room', 'meter_source'];

/**
 * The installation's own token issuer; its key is made in `<folder>/secrets/` on first use. With `keys`, a JWKS file or URL, the issuer
 * is elsewhere: tokens are verified with its public keys, and none are issued here.
 */
export async function openTokens(folder: string, keys = ''): Promise<Tokens> {
  const key = keys === '' ? await keyIn(folder, 'issuer') : null;
  const publicKey = key ? createLocalJWKSet({ keys: [key.publicJwk] }) : publicKeys(keys);
  const seen = new Map<string, { identity: Identity; expiresAt: number }>();
  const rooms = new Map<string, { token: string; renewAt: number }>();
  const issue = async ({ subject, roles, discom, organisation, participant }: Identity, hours: number): Promise<string> => {
    if (!key) throw new Refusal('unavailable', 'issuer_elsewhere', `tokens are issued where ${keys} comes from, not here`);
    return new SignJWT({ roles, discom, org: organisation, participant })
      .setProtectedHeader({ alg: 'ES256', kid: key.thumbprint, typ: 'JWT' })
      .setIssuer(ISSUER)
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000 + hours * 3600))
      .setJti(newId())
      .sign(key.privateKey);
  };
  return {
    issue,
    jwks: { keys: key ? [key.publicJwk] : [] },
    verify: async (token) => {
      const known = seen.get(token);
      if (known && known.expiresAt > Date.now()) return known.identity;
      const { identity, expiresAt } = await verified(token, publicKey);
      if (seen.size >= 10_000) seen.clear(); // a bound, not a policy: the next call verifies again
      seen.set(token, { identity, expiresAt });
      return identity;
    },
    ofRoom: async (room, discom) => {
      const at = `${room}/${discom}`;
      const cached = rooms.get(at);
      if (cached && cached.renewAt > Date.now()) return cached.token;
      const token = await issue({ subject: `room:${room}`, roles: ['room'], discom, organisation: '', participant: '' }, 1);
      rooms.set(at, { token, renewAt: Date.now() + 50 * 60_000 });
      return token;
    },
  };
}

/** The key that signs statements, apart from the token issuer's: whoever can mint tokens cannot thereby sign statements. */
export const signingKeys = (folder: string): Promise<SigningKey> => keyIn(folder, 'statement');

async function verified(token: string, key: JWTVerifyGetKey): Promise<{ identity: Identity; expiresAt: number }> {
  if (token === '') throw new Refusal('unauthenticated', 'token_missing', 'this call needs a token: `lachak token --help`');
  try {
    const { payload } = await jwtVerify(token, key, {
      issuer: ISSUER,
      algorithms: ['ES256'],
      requiredClaims: ['sub', 'exp', 'discom', 'roles'],
    });
    const roles = (payload.roles as unknown[]).filter((role): role is Role => ROLES.includes(role as Role));
    const whose = {
      discom: String(payload.discom),
      organisation: String(payload.org ?? ''),
      participant: String(payload.participant ?? ''),
    };
    const held = roles.filter((role) => actsForSomebody(role, whose));
    if (held.length === 0 && roles.length > 0) {
      throw forbidden('scope_missing', 'the token names no organisation or participant to act for');
    }
    return { identity: { subject: payload.sub!, roles: held, ...whose }, expiresAt: payload.exp! * 1000 };
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const { code, message } = error as { code?: string; message: string };
    if (code === 'ERR_JWKS_TIMEOUT' || code === 'ERR_JOSE_GENERIC' || error instanceof TypeError)
      throw new Refusal('unavailable', 'issuer_unreachable', `the token issuer's public keys cannot be had: ${message}`);
    const expired = code === 'ERR_JWT_EXPIRED';
    throw expired
      ? new Refusal('unauthenticated', 'token_expired', 'the token has expired: get a new one')
      : new Refusal('unauthenticated', 'token_invalid', 'the token was not issued by this installation or is damaged');
  }
}

function publicKeys(from: string): JWTVerifyGetKey {
  if (/^https?:\/\//.test(from)) return createRemoteJWKSet(new URL(from), { timeoutDuration: 3000 });
  try {
    return createLocalJWKSet(JSON.parse(readFileSync(from, 'utf8')));
  } catch (error) {
    throw invalid(
      'config_invalid',
      `tokens.keys: ${from} holds no public keys (JWKS): ${(error as Error).message}`,
      'tokens.keys',
    );
  }
}

// An empty organisation is how rows say "the DISCOM's own": an aggregator's token that names none must not stand for it.
function actsForSomebody(role: Role, whose: { organisation: string; participant: string }): boolean {
  if (role === 'aggregator' || role === 'cpo') return whose.organisation !== '';
  return role !== 'consumer' || whose.participant !== '';
}

async function keyIn(folder: string, name: string): Promise<SigningKey> {
  const file = join(folder, 'secrets', `${name}-key.jwk.json`);
  if (!existsSync(file)) {
    mkdirSync(join(folder, 'secrets'), { recursive: true, mode: 0o700 });
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const draft = `${file}.${process.pid}-${createHash('sha256').update(newId()).digest('hex').slice(0, 8)}`;
    writeFileSync(draft, JSON.stringify(await exportJWK(privateKey)), { mode: 0o600 });
    try {
      linkSync(draft, file); // the first one wins; a second process reads what the first made
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
  }
  const jwk = JSON.parse(readFileSync(file, 'utf8')) as JWK;
  const { d: _, ...open } = jwk;
  const thumbprint = await calculateJwkThumbprint(open);
  return {
    privateKey: (await importJWK(jwk, 'ES256')) as CryptoKey,
    publicJwk: { ...open, kid: thumbprint, alg: 'ES256', use: 'sig' },
    thumbprint,
  };
}
