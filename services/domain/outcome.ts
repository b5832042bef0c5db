/**
 * An expected "no": a value with a stable code, a sentence that says what to do, and where in the request it lies.
 * `kind` decides the gRPC status and the HTTP status; the code is what programs and tests look at.
 */
export type RefusalKind =
  | 'invalid' // the request cannot be right whatever the state (400)
  | 'not_found' // (404)
  | 'conflict' // id reused, or the state forbids it (409)
  | 'forbidden' // role, organisation, consent (403)
  | 'unauthenticated' // (401)
  | 'exhausted' // a limit was reached (429)
  | 'unavailable'; // a dependency is away; try again (503)

export class Refusal extends Error {
  readonly kind: RefusalKind;
  readonly code: string;
  readonly field: string | undefined;
  constructor(kind: RefusalKind, code: string, message: string, field?: string) {
    super(message);
    this.name = 'Refusal';
    this.kind = kind;
    this.code = code;
    this.field = field;
  }
}

export const invalid = (code: string, message: string, field?: string): Refusal => new Refusal('invalid', code, message, field);
export const notFound = (code: string, message: string, field?: string): Refusal =>
  new Refusal('not_found', code, message, field);
export const conflict = (code: string, message: string, field?: string): Refusal => new Refusal('conflict', code, message, field);
export const forbidden = (code: string, message: string): Refusal => new Refusal('forbidden', code, message);
