import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { forbidden, invalid, Refusal } from '../domain/outcome.ts';
import type { Identity } from './auth.ts';
import type { Config } from './config.ts';
import { CONTENT_TYPE, type Metrics } from './metrics.ts';

/** Lets in operators, and whoever has the token of `metrics.tokenFile`. Throws Refusal. */
export type Guard = (token: string) => Promise<void>;

/** Throws Refusal `config_invalid` when the file cannot be read or is empty. */
export function metricsGuard({ metrics: { tokenFile } }: Config, verify: (token: string) => Promise<Identity>): Guard {
  const expected = tokenFile === '' ? null : digest(tokenIn(tokenFile));
  return async (token) => {
    if (expected && timingSafeEqual(digest(token), expected)) return;
    if (token === '') throw new Refusal('unauthenticated', 'token_missing', 'send Authorization: Bearer <token> of an operator');
    const { roles } = await verify(token);
    if (!roles.includes('operator'))
      throw forbidden('role_missing', 'metrics are for operators, or the token in metrics.tokenFile');
  };
}

/** Serves GET /metrics of this process at `host:port`; `close` cuts who still reads. */
export async function openMetricsDoor(
  address: string,
  metrics: Metrics,
  guard: Guard,
): Promise<{ address: string; close(): Promise<void> }> {
  const split = address.lastIndexOf(':');
  const host = address.slice(0, split);
  const server = createServer((request, response) => {
    const say = (code: number, text: string, type = 'text/plain; charset=utf-8'): void =>
      void response.writeHead(code, { 'content-type': type }).end(text);
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') return say(404, 'only GET /metrics\n');
    guard((request.headers.authorization ?? '').replace(/^bearer /i, '').trim())
      .then(() => metrics.text())
      .then(
        (text) => say(200, text, CONTENT_TYPE),
        (error) => say(codeOf(error), `${error instanceof Refusal ? error.message : 'unexpected'}\n`),
      );
  });
  await new Promise<void>((done, fail) => server.once('error', fail).listen(Number(address.slice(split + 1)), host, done));
  return {
    address: `http://${host}:${(server.address() as { port: number }).port}/metrics`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

const codeOf = (error: unknown): number =>
  !(error instanceof Refusal) ? 500 : error.kind === 'unauthenticated' ? 401 : error.kind === 'forbidden' ? 403 : 503;

function tokenIn(file: string): string {
  let token = '';
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw invalid('config_invalid', `metrics.tokenFile cannot be read: ${(error as Error).message}`, 'metrics.tokenFile');
  }
  if (token.length >= 16) return token;
  throw invalid('config_invalid', `metrics.tokenFile: ${file} holds no token of 16 characters or more`, 'metrics.tokenFile');
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
