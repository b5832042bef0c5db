import type { FastifyRequest } from 'fastify';
import { forbidden, Refusal } from '../domain/outcome.ts';
import type { Identity, Tokens } from '../host/auth.ts';
import type { CallOptions } from '../host/room.ts';

export const SESSION_COOKIE = 'lachak_session';

/** The token of a request: a bearer token, or the session cookie the sign-in set. Empty when there is none. */
export function tokenOf(request: FastifyRequest): string {
  const header = request.headers.authorization ?? '';
  if (header.toLowerCase().startsWith('bearer ')) return header.slice(7).trim();
  return request.cookies[SESSION_COOKIE] ?? '';
}

/**
 * Verifies the caller before any work is done for it; the rooms verify again. A cookie travels by itself, so a changing request that
 * rests on one must come from our own pages.
 */
export async function identityOf(request: FastifyRequest, tokens: Tokens): Promise<Identity> {
  const token = tokenOf(request);
  if (!token)
    throw new Refusal(
      'unauthenticated',
      'token_missing',
      'send Authorization: Bearer <token> (`lachak token` mints one), or sign in',
    );
  if (!request.headers.authorization && request.method !== 'GET' && request.method !== 'HEAD' && !fromOurPages(request)) {
    throw forbidden('foreign_origin', 'a request that rests on the session cookie must come from the console itself');
  }
  return tokens.verify(token);
}

/** The room acts on the caller's authority, never on the gateway's. */
export const onBehalfOf = (request: FastifyRequest): CallOptions => ({
  as: { token: tokenOf(request), requestId: String(request.id) },
});

function fromOurPages(request: FastifyRequest): boolean {
  const origin = request.headers.origin;
  if (origin === undefined) return request.headers['sec-fetch-site'] === 'same-origin';
  return URL.canParse(origin) && new URL(origin).host === request.headers.host;
}
