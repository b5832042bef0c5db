/** OCPP-J framing (1.6-J §4): CALL [2, id, action, payload], CALLRESULT [3, id, payload], CALLERROR [4, id, code, text, details]. */
export type Payload = { readonly [key: string]: unknown };
export type Frame =
  | { readonly kind: 'call'; readonly id: string; readonly action: string; readonly payload: Payload }
  | { readonly kind: 'result'; readonly id: string; readonly payload: Payload }
  | { readonly kind: 'error'; readonly id: string; readonly code: string; readonly description: string }
  | { readonly kind: 'unreadable'; readonly id: string; readonly reason: string };
export type ErrorCode = 'NotImplemented' | 'FormationViolation' | 'InternalError' | 'GenericError';

/** Never throws: what cannot be read says why. The id is kept where there is one, so that the sender can be told. */
export function readFrame(text: string): Frame {
  const bad = (reason: string, id: unknown = '-1'): Frame => ({
    kind: 'unreadable',
    id: typeof id === 'string' ? id.slice(0, 36) : '-1',
    reason,
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return bad('not JSON');
  }
  if (!Array.isArray(value)) return bad('not an array');
  const [type, id, third, fourth] = value as unknown[];
  if (typeof id !== 'string' || id === '' || id.length > 64) return bad('no message id', id);
  if (type === 2) {
    if (typeof third !== 'string') return bad('no action', id);
    return isObject(fourth) ? { kind: 'call', id, action: third, payload: fourth } : bad('payload is not an object', id);
  }
  if (type === 3) return isObject(third) ? { kind: 'result', id, payload: third } : bad('payload is not an object', id);
  if (type === 4) return { kind: 'error', id, code: String(third), description: typeof fourth === 'string' ? fourth : '' };
  return bad('unknown message type', id);
}

export const callText = (id: string, action: string, payload: object): string => JSON.stringify([2, id, action, payload]);
export const resultText = (id: string, payload: object): string => JSON.stringify([3, id, payload]);
export const errorText = (id: string, code: ErrorCode, description: string): string =>
  JSON.stringify([4, id, code, description.slice(0, 255), {}]);

const isObject = (value: unknown): value is Payload => typeof value === 'object' && value !== null && !Array.isArray(value);
