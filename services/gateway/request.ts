import { type DescMethod, fromJson, type JsonValue, type Message } from '@bufbuild/protobuf';
import type { FastifyRequest } from 'fastify';
import { invalid } from '../domain/outcome.ts';

type Members = { [name: string]: JsonValue };

/**
 * The request message from path, query and body. Shorthands: `size` and `pageToken` make `page`; `from` and `to` (ISO-8601 or ms)
 * make `span`; the header `Idempotency-Key` stands for `commandId`. A member that does not fit is refused by name.
 */
export function requestMessage(method: DescMethod, request: FastifyRequest): Message {
  const body = (request.body ?? {}) as JsonValue;
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalid('body_not_an_object', 'the body must be a JSON object');
  const members: Members = {
    ...(body as Members),
    ...fromQuery(method, request.query as Record<string, string>),
    ...(request.params as Members),
  };
  const key = request.headers['idempotency-key'];
  if (typeof key === 'string' && members.commandId === undefined && method.input.field.commandId) members.commandId = key;
  try {
    return fromJson(method.input, members, { ignoreUnknownFields: false });
  } catch (error) {
    const text = (error as Error).message.replace(/^cannot (decode|parse) (message )?lachak\.v1\.\S+ from JSON:\s*/, '');
    throw invalid(
      'request_malformed',
      `${text}; see /api/docs for what ${method.parent.name}.${method.name} takes`,
      /key "?([\w.]+)"?/.exec(text)?.[1],
    );
  }
}

function fromQuery(method: DescMethod, query: Record<string, string>): Members {
  const members: Members = {};
  const page: Members = {};
  const span: Members = {};
  for (const [name, value] of Object.entries(query)) {
    if (name === 'size') page.size = Number(value);
    else if (name === 'pageToken') page.token = value;
    else if ((name === 'from' || name === 'to') && method.input.field.span)
      span[name === 'from' ? 'startMs' : 'endMs'] = instant(name, value);
    else members[name] = scalarOf(method, name, value);
  }
  if (Object.keys(page).length) members.page = page;
  if (Object.keys(span).length) members.span = span;
  return members;
}

function scalarOf(method: DescMethod, name: string, value: string): JsonValue {
  const field = method.input.fields.find((f) => f.jsonName === name);
  if (!field) throw invalid('query_unknown', `this route has no query parameter "${name}"`, name);
  if (field.fieldKind === 'list') return value.split(',');
  if (field.fieldKind === 'scalar' && (value === 'true' || value === 'false')) return value === 'true';
  if (/Ms$/.test(name)) return instant(name, value);
  return value;
}

/** ms UTC as a decimal string, from ms or ISO-8601 with an offset. */
export function instant(name: string, value: string): string {
  if (/^-?\d{1,16}$/.test(value)) return value;
  const at = /(Z|[+-]\d\d:?\d\d)$/.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at))
    throw invalid('instant_malformed', `"${value}" is not an instant: give ms since 1970 or ISO-8601 with an offset`, name);
  return String(at);
}
