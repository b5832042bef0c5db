import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Identity, Tokens } from '../host/auth.ts';
import type { Database, Role } from '../host/room.ts';
import { signInPage } from './pages.ts';
import { hashSecret, newSecret, s256, secretMatches } from './secrets.ts';
import { type Account, accountById, keepCode, takeCode } from './store.ts';

const PERSON_HOURS = 12;
const MACHINE_HOURS = 1;

type AuthorizeQuery = Record<
  'response_type' | 'client_id' | 'redirect_uri' | 'code_challenge' | 'code_challenge_method' | 'state' | 'lang',
  string
>;
type TokenForm = Partial<
  Record<'grant_type' | 'code' | 'redirect_uri' | 'client_id' | 'client_secret' | 'code_verifier', string>
>;

/**
 * The built-in issuer: authorisation code with PKCE (RFC 6749, 7636) for people, client credentials for machines. Redirects go only to
 * this server's own console, so there is nothing to register.
 */
export function oauthRoutes(app: FastifyInstance, { database, tokens }: { database: Database; tokens: Tokens }): void {
  // Verified against when there is no such account, so that an unknown name takes as long as a wrong password.
  const nobody = hashSecret(newSecret());
  const checked = async (id: string, secret: string, kind: Account['kind']): Promise<Account | undefined> => {
    const account = await accountById(database, id);
    const known = account?.kind === kind && !account.closed;
    const matches = await secretMatches(secret, known ? account.secretHash : await nobody);
    return known && matches ? account : undefined;
  };
  // By address: whoever guesses passwords must not get a fresh allowance with every token made up.
  const attempts = { config: { rateLimit: { max: 10, timeWindow: '1 minute', keyGenerator: ({ ip }: FastifyRequest) => ip } } };

  app.get('/oauth/authorize', { schema: { hide: true } }, async (request, reply) => {
    const query = request.query as AuthorizeQuery;
    const wrong = wrongAuthorize(query, request);
    if (wrong) return reply.status(400).send({ error: 'invalid_request', error_description: wrong });
    return reply.type('text/html').send(signInPage({ query, lang: languageOf(request), failed: false }));
  });

  app.post('/oauth/authorize', { schema: { hide: true }, ...attempts }, async (request, reply) => {
    const query = request.query as AuthorizeQuery;
    const wrong = wrongAuthorize(query, request);
    if (wrong) return reply.status(400).send({ error: 'invalid_request', error_description: wrong });
    const { username = '', password = '' } = request.body as Record<string, string>;
    const account = await checked(username, password, 'USER');
    if (!account)
      return reply
        .status(401)
        .type('text/html')
        .send(signInPage({ query, lang: languageOf(request), failed: true }));
    const code = newSecret();
    await keepCode(database, s256(code), {
      accountId: account.accountId,
      clientId: query.client_id,
      redirectUri: query.redirect_uri,
      challenge: query.code_challenge,
    });
    const target = new URL(query.redirect_uri);
    target.searchParams.set('code', code);
    if (query.state) target.searchParams.set('state', query.state);
    return reply.redirect(target.href, 303);
  });

  app.post('/oauth/token', { schema: { hide: true }, ...attempts }, async (request, reply) => {
    const form = (request.body ?? {}) as TokenForm;
    reply.header('cache-control', 'no-store');
    if (form.grant_type === 'authorization_code') {
      const code = await takeCode(database, s256(form.code ?? ''));
      const account = code && (await accountById(database, code.accountId));
      const proven =
        code?.challenge === s256(form.code_verifier ?? '') &&
        code.clientId === form.client_id &&
        code.redirectUri === form.redirect_uri;
      if (!account || account.closed || !proven) return reply.status(400).send({ error: 'invalid_grant' });
      return tokenAnswer(await tokens.issue(identityFor(account), PERSON_HOURS), PERSON_HOURS);
    }
    if (form.grant_type === 'client_credentials') {
      const { id, secret } = clientCredentials(request, form);
      const account = await checked(id, secret, 'CLIENT');
      if (!account) return reply.status(401).header('www-authenticate', 'Basic realm="lachak"').send({ error: 'invalid_client' });
      return tokenAnswer(await tokens.issue(identityFor(account), MACHINE_HOURS), MACHINE_HOURS);
    }
    return reply.status(400).send({ error: 'unsupported_grant_type' });
  });

  app.get('/.well-known/oauth-authorization-server', { schema: { hide: true } }, async (request) => ({
    issuer: originOf(request),
    authorization_endpoint: `${originOf(request)}/oauth/authorize`,
    token_endpoint: `${originOf(request)}/oauth/token`,
    jwks_uri: `${originOf(request)}/.well-known/jwks.json`,
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code', 'client_credentials'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
  }));

  app.get('/.well-known/jwks.json', { schema: { hide: true } }, async () => tokens.jwks);
}

export const originOf = (request: FastifyRequest): string => `${request.protocol}://${request.host}`;

export const languageOf = (request: FastifyRequest): 'en' | 'hi' => {
  const asked = (request.query as { lang?: string }).lang ?? request.headers['accept-language'] ?? '';
  return asked.startsWith('hi') ? 'hi' : 'en';
};

const identityFor = (account: Account): Identity => ({
  subject: account.accountId,
  roles: account.roles as Role[],
  discom: account.discom,
  organisation: account.organisation,
  participant: account.participant,
});

const tokenAnswer = (token: string, hours: number) => ({ access_token: token, token_type: 'Bearer', expires_in: hours * 3600 });

function wrongAuthorize(query: AuthorizeQuery, request: FastifyRequest): string | undefined {
  if (query.response_type !== 'code') return 'response_type must be "code"';
  if (query.code_challenge_method !== 'S256' || !/^[\w-]{43}$/.test(query.code_challenge ?? ''))
    return 'PKCE with S256 is required';
  if (query.redirect_uri !== `${originOf(request)}/session/callback`)
    return 'redirect_uri must be this server’s /session/callback';
  return undefined;
}

function clientCredentials(request: FastifyRequest, form: TokenForm): { id: string; secret: string } {
  const header = request.headers.authorization ?? '';
  if (!header.toLowerCase().startsWith('basic ')) return { id: form.client_id ?? '', secret: form.client_secret ?? '' };
  const text = Buffer.from(header.slice(6), 'base64').toString('utf8');
  const colon = text.indexOf(':');
  // RFC 6749 §2.3.1: both halves are form-encoded.
  const halves = new URLSearchParams(`id=${text.slice(0, colon)}&secret=${text.slice(colon + 1)}`);
  return { id: halves.get('id') ?? '', secret: halves.get('secret') ?? '' };
}
