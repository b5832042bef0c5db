import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { Refusal, type RefusalKind } from '../domain/outcome.ts';

const statusOf: Record<RefusalKind, status> = {
  invalid: status.INVALID_ARGUMENT,
  not_found: status.NOT_FOUND,
  conflict: status.FAILED_PRECONDITION,
  forbidden: status.PERMISSION_DENIED,
  unauthenticated: status.UNAUTHENTICATED,
  exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
};

/** A refusal as a gRPC status; its code and field travel in the trailers `lachak-code` and `lachak-field`. */
export function toStatus(refusal: Refusal): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set('lachak-kind', refusal.kind);
  metadata.set('lachak-code', encodeURIComponent(refusal.code));
  if (refusal.field !== undefined) metadata.set('lachak-field', encodeURIComponent(refusal.field));
  return { code: statusOf[refusal.kind], details: refusal.message, metadata };
}

/**
 * What a client throws: the room's own refusal, or `unavailable` when there was no answer; anything else is a bug over there. `hint`
 * is for a connection that broke without a word.
 */
export function fromStatus(error: ServiceError, path: string, hint = ''): Error {
  const code = first(error, 'lachak-code');
  if (code !== undefined)
    return new Refusal(first(error, 'lachak-kind') as RefusalKind, code, error.details, first(error, 'lachak-field'));
  if (error.code === status.DEADLINE_EXCEEDED)
    return new Refusal('unavailable', 'deadline_exceeded', `${path} did not answer in time`);
  if (error.code === status.UNAVAILABLE)
    return new Refusal(
      'unavailable',
      'unavailable',
      `${path} cannot be reached: ${error.details}${/Failed to connect|ECONNRESET|dropped/.test(error.details) ? hint : ''}`,
    );
  if (error.code === status.UNIMPLEMENTED) return new Refusal('unavailable', 'not_served', `${path} is not served here`);
  if (error.code === status.RESOURCE_EXHAUSTED) return new Refusal('exhausted', 'message_too_large', `${path}: ${error.details}`);
  if (error.code === status.CANCELLED) return new Refusal('unavailable', 'cancelled', `${path} was cancelled`);
  return new Error(`${path}: ${error.details}`);
}

function first(error: ServiceError, name: string): string | undefined {
  const value = error.metadata?.get(name)[0];
  return value === undefined ? undefined : decodeURIComponent(String(value));
}
