import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal, type RefusalKind } from '../domain/outcome.ts';

/** RFC 9457. `type` is stable per code; `field` says where in the request it lies. */
export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly field?: string | undefined;
  readonly instance: string;
  readonly requestId: string;
};

const statusOf: Record<RefusalKind, { status: number; title: string }> = {
  invalid: { status: 400, title: 'The request is not right' },
  unauthenticated: { status: 401, title: 'Sign in, or send a valid token' },
  forbidden: { status: 403, title: 'Not allowed' },
  not_found: { status: 404, title: 'Not found' },
  conflict: { status: 409, title: 'Conflicts with what is there' },
  exhausted: { status: 429, title: 'Too much at once' },
  unavailable: { status: 503, title: 'Not available now; try again' },
};

/** Answers any error as a problem. What is not a refusal is a bug: logged whole, answered without details. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error, request);
  if (problem.status >= 500 && !(error instanceof Refusal)) request.log.error({ err: error }, 'request failed');
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="lachak"');
  if (problem.status === 503) reply.header('retry-after', '5');
  return reply.status(problem.status).type('application/problem+json').send(problem);
}

function toProblem(error: unknown, request: FastifyRequest): Problem {
  const where = { instance: request.url.split('?')[0]!, requestId: String(request.id) };
  if (error instanceof Refusal) {
    const { status, title } = statusOf[error.kind];
    return {
      type: `urn:lachak:problem:${error.code}`,
      title,
      status,
      detail: error.message,
      code: error.code,
      field: error.field,
      ...where,
    };
  }
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status < 500) {
    const code =
      status === 413
        ? 'body_too_large'
        : status === 415
          ? 'media_type_unknown'
          : status === 429
            ? 'too_many_requests'
            : 'request_malformed';
    return {
      type: `urn:lachak:problem:${code}`,
      title: 'The request is not right',
      status,
      detail: (error as Error).message,
      code,
      ...where,
    };
  }
  const detail = `Something went wrong on our side. Quote request ${request.id} when you report it.`;
  return { type: 'urn:lachak:problem:internal', title: 'Internal error', status: 500, detail, code: 'internal', ...where };
}
