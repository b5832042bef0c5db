export const states = [
  'PLANNED',
  'NOTIFIED',
  'ISSUED',
  'ACKNOWLEDGED',
  'APPLIED',
  'CONFIRMED',
  'OPTED_OUT',
  'OVERRIDDEN',
  'FAILED',
  'RELEASED',
  'WITHHELD',
] as const;
export type State = (typeof states)[number];

export const inputs = [
  'notice', // the notice instant has come
  'issue', // handed to devices
  'will', // "I will"
  'will_not', // "not this time"
  'opt_out', // left the running event
  'accept', // the device took it
  'apply', // the device says it does it
  'measure', // measured power fell
  'override', // somebody used the device's own controls
  'reject', // the device refuses, or failed
  'unreachable',
  'expire', // not taken up in time
  'withhold', // consent, supply or protection forbids it
  'release', // the window ended or the event was cancelled
] as const;
export type Input = (typeof inputs)[number];

type Row = Record<Input, State | null>;
const nothing: Row = {
  notice: null,
  issue: null,
  will: null,
  will_not: null,
  opt_out: null,
  accept: null,
  apply: null,
  measure: null,
  override: null,
  reject: null,
  unreachable: null,
  expire: null,
  withhold: null,
  release: null,
};
/** From anywhere before the end a household may leave, the law may forbid, the window may close. */
const open: Row = { ...nothing, will_not: 'OPTED_OUT', opt_out: 'OPTED_OUT', withhold: 'WITHHELD', release: 'RELEASED' };
const answering: Row = {
  ...open,
  accept: 'ACKNOWLEDGED',
  apply: 'APPLIED',
  measure: 'CONFIRMED',
  override: 'OVERRIDDEN',
  reject: 'FAILED',
  unreachable: 'FAILED',
  expire: 'FAILED',
};

/** Every state under every input; null = nothing changes, so a late or repeated input is harmless. */
export const next: Record<State, Row> = {
  PLANNED: { ...open, notice: 'NOTIFIED', issue: 'ISSUED' },
  NOTIFIED: { ...open, issue: 'ISSUED', will: 'ACKNOWLEDGED' },
  ISSUED: answering,
  ACKNOWLEDGED: { ...answering, accept: null, expire: null },
  // Out of reach is no proof that it stopped: the device goes on by itself until the window ends.
  APPLIED: { ...answering, accept: null, apply: null, unreachable: null, expire: null },
  CONFIRMED: { ...answering, accept: null, apply: null, measure: null, unreachable: null, expire: null },
  // A device that comes back within the window is welcome.
  FAILED: { ...open, accept: 'ACKNOWLEDGED', apply: 'APPLIED', measure: 'CONFIRMED', override: 'OVERRIDDEN', release: null },
  // The household's own hand wins for the rest of the event.
  OVERRIDDEN: nothing,
  OPTED_OUT: nothing,
  RELEASED: nothing,
  WITHHELD: nothing,
};

export const step = (state: State, input: Input): State | null => next[state][input];

/** Nothing leads out of these. */
export const isFinal = (state: State): boolean => inputs.every((input) => next[state][input] === null);
