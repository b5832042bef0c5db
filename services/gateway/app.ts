import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { toJson } from '@bufbuild/protobuf';
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import rateLimit from '@fastify/rate-limit';
import files from '@fastify/static';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { Settlement } from '../../gen/lachak/v1/settlement_pb.ts';
import { notFound, Refusal } from '../domain/outcome.ts';
import type { Tokens } from '../host/auth.ts';
import type { Config } from '../host/config.ts';
import { newId, sha256Base64url } from '../host/ids.ts';
import { CONTENT_TYPE } from '../host/metrics.ts';
import { metricsGuard } from '../host/metrics-door.ts';
import type { Deps } from '../host/room.ts';
import { identityOf, onBehalfOf, tokenOf } from './identity.ts';
import { oauthRoutes } from './oauth.ts';
import { sendProblem } from './problem.ts';
import { requestMessage } from './request.ts';
import { type Route, routes } from './routes.ts';
import { messageSchemas, reference } from './schema.ts';
import { sessionRoutes } from './session.ts';
import { transferRoutes } from './transfers.ts';

const JSON_BODY_BYTES = 1024 * 1024;
/** Parquet by both names it goes by. */
const BINARY_FILES = ['application/zstd', 'application/vnd.apache.parquet', 'application/x-parquet'];
const UPLOAD_BYTES = 4 * 1024 * 1024 * 1024;
/** How long what is left of a request is read after its answer. */
const HEAR_OUT_MS = 30_000;

export type Parts = Pick<Deps, 'config' | 'connect' | 'database' | 'metrics' | 'trace' | 'log'> & { tokens: Tokens };

/** The only HTTP door. It adds no permission: every call travels on its caller's token and the room decides. */
export async function makeApp({ config, connect, database, tokens, metrics, trace, log }: Parts): Promise<FastifyInstance> {
  const app: FastifyInstance = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: JSON_BODY_BYTES,
    genReqId: () => newId(),
    trustProxy: 'loopback',
    forceCloseConnections: true,
    ajv: { customOptions: { strict: false } },
  });
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler((request, reply) =>
    request.method === 'GET' && !request.url.startsWith('/api/') && request.headers.accept?.includes('text/html')
      ? reply.sendFile('index.html') // the console's own paths
      : sendProblem(
          notFound('route_unknown', `there is no ${request.method} ${request.url.split('?')[0]}; see /api/docs`),
          request,
          reply,
        ),
  );
  // Requests are turned into protobuf messages, which is the validation; schemas here only document.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (body) => JSON.stringify(body));
  app.addHook('onSend', async (request, reply) => {
    if (!request.raw.complete) hearOut(request, reply);
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff').header('referrer-policy', 'same-origin');
    if (!request.url.startsWith('/api/docs')) {
      reply.header(
        'content-security-policy',
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
      );
    }
  });
  await app.register(cookie);
  await app.register(formbody);
  await app.register(rateLimit, {
    max: config.gateway.rateLimitPerMinute,
    timeWindow: '1 minute',
    keyGenerator: (request) => (tokenOf(request) ? sha256Base64url(tokenOf(request)) : request.ip),
    errorResponseBuilder: (_, context) =>
      new Refusal(
        'exhausted',
        'too_many_requests',
        `more than ${context.max} requests a minute: wait ${context.after} and go on slower`,
      ),
  });
  for (const type of ['text/csv', 'application/gzip', 'application/x-gzip', ...BINARY_FILES, 'application/octet-stream']) {
    app.addContentTypeParser(type, { bodyLimit: UPLOAD_BYTES }, (_request, stream, done) => done(null, stream));
  }
  await documentation(app);
  app.get('/healthz', { schema: { hide: true }, config: { rateLimit: false } }, async () => ({ status: 'ok' }));
  const mayLook = metricsGuard(config, tokens.verify);
  app.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    await mayLook(tokenOf(request));
    return reply
      .type(CONTENT_TYPE)
      .serializer(String)
      .send(await metrics.text());
  });
  app.get('/issuer.jwks.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json').send((await connect(Settlement).getIssuer({}, { discom: '-' })).jwks),
  );
  oauthRoutes(app, { database, tokens });
  sessionRoutes(app, { tokens, external: externalProvider(config) });
  for (const route of routes) addRoute(app, route, { connect, tokens, trace });
  transferRoutes(app, { connect, tokens });
  const root = consoleFolder();
  // Files under assets/ carry their hash in the name; the page that names them must be asked for anew.
  await app.register(files, {
    root,
    cacheControl: false,
    setHeaders: (reply, path) =>
      reply.setHeader('cache-control', path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'),
  });
  return app;
}

/**
 * Answered before its body was read, as most refusals are: the rest is read and forgotten. Closing instead would reset the connection under
 * a caller who is still sending, and who would then hear of a broken pipe and never of what is wrong.
 */
function hearOut({ raw }: FastifyRequest, reply: FastifyReply): void {
  reply.removeHeader('connection');
  reply.raw.once('finish', () => {
    raw.resume();
    const enough = setTimeout(() => raw.destroy(), HEAR_OUT_MS).unref();
    raw.once('close', () => clearTimeout(enough));
  });
}

function addRoute(
  app: FastifyInstance,
  route: Route,
  { connect, tokens, trace }: Pick<Parts, 'connect' | 'tokens' | 'trace'>,
): void {
  const client = connect(route.service) as unknown as Record<string, (message: unknown, options: unknown) => Promise<never>>;
  app.route({
    method: route.method,
    url: `/api${route.path}`,
    schema: {
      summary: route.summary,
      tags: [route.service.name],
      operationId: `${route.service.name}.${route.rpc.name}${route.path === '/instructions' ? 'OfParticipant' : ''}`,
      ...(route.method === 'GET' ? { querystring: reference(route.rpc.input) } : { body: reference(route.rpc.input) }),
      response: {
        200: { description: route.rpc.output.name, ...reference(route.rpc.output) },
        default: { description: 'Problem', ...problemReference },
      },
    },
    handler: (request) => {
      const because = String(request.headers.traceparent ?? '');
      // What anybody asks of the house begins here.
      const span = { name: `${route.method} /api${route.path}`, kind: 'server', because, begins: true } as const;
      return trace.span(span, async () => {
        await identityOf(request, tokens);
        const message = requestMessage(route.rpc, request);
        return toJson(route.rpc.output, await client[route.rpc.localName]!(message, onBehalfOf(request)), {
          alwaysEmitImplicit: true,
        });
      });
    },
  });
}

const problemReference = { $ref: 'Problem#' };

/** OpenAPI 3.1 from the routes and the protobuf contract, with a page to read and try it at /api/docs. */
async function documentation(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Lachak',
        version: '1',
        description:
          'Messages in proto3 JSON: 64-bit integers and money (micro-rupees) are decimal strings, instants ms UTC. Every write takes an Idempotency-Key header (or commandId): the same key and content give the first answer again. Errors are RFC 9457 problems.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
      security: [{ bearer: [] }],
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `schema-${i}`) },
  });
  const schemas = messageSchemas(routes.flatMap((route) => [route.rpc.input, route.rpc.output]));
  for (const [name, schema] of Object.entries(schemas)) app.addSchema({ $id: name, ...schema });
  const text = { type: 'string' };
  app.addSchema({
    $id: 'Problem',
    type: 'object',
    properties: {
      type: text,
      title: text,
      status: { type: 'integer' },
      detail: text,
      code: text,
      field: text,
      instance: text,
      requestId: text,
    },
  });
  await app.register(swaggerUi, { routePrefix: '/api/docs', uiConfig: { docExpansion: 'list' } });
}

function externalProvider({ gateway }: Config): { issuer: string; clientId: string; clientSecret: string } | undefined {
  if (!gateway.issuer) return undefined;
  const { LACHAK_OIDC_CLIENT_ID = '', LACHAK_OIDC_CLIENT_SECRET = '' } = process.env;
  return { issuer: gateway.issuer, clientId: LACHAK_OIDC_CLIENT_ID, clientSecret: LACHAK_OIDC_CLIENT_SECRET };
}

/** The built console lies beside the compiled gateway; run from source it is found in dist/. */
function consoleFolder(): string {
  const beside = fileURLToPath(new URL('./console/', import.meta.url));
  return existsSync(`${beside}assets`) ? beside : fileURLToPath(new URL('../../dist/services/gateway/console/', import.meta.url));
}
