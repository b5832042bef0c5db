import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import * as oidc from 'openid-client';
import { Refusal } from '../domain/outcome.ts';
import type { Identity, Tokens } from '../host/auth.ts';
import type { Role } from '../host/room.ts';
import { identityOf, SESSION_COOKIE } from './identity.ts';
import { originOf } from './oauth.ts';

const FLOW_COOKIE = 'lachak_sign_in';
const CLIENT_ID = 'lachak-console';
const SESSION_HOURS = 12;

type External = { issuer: string; clientId: string; clientSecret: string };

/**
 * The console's session: authorisation code + PKCE at the built-in issuer, or at the DISCOM's own OpenID provider when one is
 * configured. The token never reaches a script: it lives in an HttpOnly, SameSite cookie that the event stream uses too.
 */
export function sessionRoutes(
  app: FastifyInstance,
  { tokens, external }: { tokens: Tokens; external: External | undefined },
): void {
  let discovered: Promise<oidc.Configuration> | undefined;
  const provider = (request: FastifyRequest): Promise<oidc.Configuration> | oidc.Configuration => {
    if (!external) return builtIn(originOf(request));
    discovered ??= oidc.discovery(new URL(external.issuer), external.clientId, external.clientSecret).catch((error) => {
      discovered = undefined; // the provider may be back at the next sign-in
      throw new Refusal(
        'unavailable',
        'provider_unreachable',
        `the sign-in provider ${external.issuer} does not answer: ${(error as Error).message}`,
      );
    });
    return discovered;
  };

  app.get('/session/start', { schema: { hide: true } }, async (request, reply) => {
    const verifier = oidc.randomPKCECodeVerifier();
    const state = oidc.randomState();
    const query = request.query as { lang?: string; to?: string };
    const url = oidc.buildAuthorizationUrl(await provider(request), {
      redirect_uri: `${originOf(request)}/session/callback`,
      scope: 'openid profile',
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      ...(query.lang ? { lang: query.lang } : {}),
    });
    setCookie(reply, request, FLOW_COOKIE, `${state}.${verifier}`, 600);
    return reply.redirect(url.href, 303);
  });

  app.get('/session/callback', { schema: { hide: true } }, async (request, reply) => {
    const [state = '', verifier = ''] = (request.cookies[FLOW_COOKIE] ?? '').split('.');
    if (!state) return reply.redirect('/session/start', 303); // the form lay open too long
    const token = external
      ? await externalToken(await provider(request), request, { state, verifier }, tokens)
      : await builtInToken(app, request, { state, verifier });
    reply.clearCookie(FLOW_COOKIE, { path: '/session' });
    setCookie(reply, request, SESSION_COOKIE, token, SESSION_HOURS * 3600);
    return reply.redirect('/', 303);
  });

  app.post('/session/end', { schema: { hide: true } }, async (request, reply) => {
    await identityOf(request, tokens);
    return reply.clearCookie(SESSION_COOKIE, { path: '/' }).status(204).send();
  });

  app.get('/api/me', { schema: { summary: 'Who the token speaks for', tags: ['Access'] } }, (request) =>
    identityOf(request, tokens),
  );
}

function setCookie(reply: FastifyReply, request: FastifyRequest, name: string, value: string, seconds: number): void {
  const path = name === FLOW_COOKIE ? '/session' : '/';
  // Lax for the flow: the provider's redirect back is a cross-site navigation when the provider is the DISCOM's.
  const sameSite = name === FLOW_COOKIE ? 'lax' : 'strict';
  reply.setCookie(name, value, { path, httpOnly: true, sameSite, secure: request.protocol === 'https', maxAge: seconds });
}

// Behind plain HTTP (a trial on loopback) our own endpoints have no https either.
function builtIn(origin: string): oidc.Configuration {
  const endpoints = { authorization_endpoint: `${origin}/oauth/authorize`, token_endpoint: `${origin}/oauth/token` };
  const config = new oidc.Configuration({ issuer: origin, ...endpoints }, CLIENT_ID);
  if (origin.startsWith('http:')) oidc.allowInsecureRequests(config);
  return config;
}

type Flow = { state: string; verifier: string };

/** The same token request a browser application would make, without leaving the process. */
async function builtInToken(app: FastifyInstance, request: FastifyRequest, { state, verifier }: Flow): Promise<string> {
  const query = request.query as { code?: string; state?: string };
  if (query.state !== state)
    throw new Refusal('invalid', 'state_mismatch', 'this sign-in was not started in this browser: start again at /session/start');
  const answer = await app.inject({
    method: 'POST',
    url: '/oauth/token',
    remoteAddress: request.ip, // whose attempts are counted
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({
      grant_type: 'authorization_code',
      code: query.code ?? '',
      redirect_uri: `${originOf(request)}/session/callback`,
      client_id: CLIENT_ID,
      code_verifier: verifier,
    }).toString(),
  });
  if (answer.statusCode !== 200)
    throw new Refusal('unauthenticated', 'sign_in_failed', 'the sign-in has expired: start again at /session/start');
  return (answer.json() as { access_token: string }).access_token;
}

/** The provider's claims `lachak_roles`, `lachak_discom`, `lachak_organisation`, `lachak_participant` say what the person may do here. */
async function externalToken(
  config: oidc.Configuration,
  request: FastifyRequest,
  { state, verifier }: Flow,
  tokens: Tokens,
): Promise<string> {
  const answer = await oidc.authorizationCodeGrant(config, new URL(request.url, originOf(request)), {
    pkceCodeVerifier: verifier,
    expectedState: state,
    idTokenExpected: true,
  });
  const claims = answer.claims()!;
  const text = (name: string): string => (typeof claims[name] === 'string' ? claims[name] : '');
  const roles = Array.isArray(claims.lachak_roles) ? (claims.lachak_roles.map(String) as Role[]) : [];
  const identity: Identity = {
    subject: claims.sub,
    roles: roles.filter((role) => role !== 'room'),
    discom: text('lachak_discom'),
    organisation: text('lachak_organisation'),
    participant: text('lachak_participant'),
  };
  if (!identity.discom || identity.roles.length === 0) {
    throw new Refusal(
      'forbidden',
      'claims_missing',
      'your sign-in provider gave no lachak_discom and lachak_roles: ask its administrator',
    );
  }
  return tokens.issue(identity, SESSION_HOURS);
}
