import type { Instant, Interval } from '../services/domain/interval.ts';

/** What a device shall do from–to. */
export type Instruction = {
  readonly discom: string;
  readonly deviceId: string;
  readonly instructionId: string;
  readonly eventId: string;
  readonly resourceId: string;
  /** Ends by itself. */
  readonly valid: Interval;
  readonly direction: 'shed' | 'absorb';
  /** 1 shed, 2 critical peak, 3 emergency. */
  readonly level: number;
  /** W; null = the driver chooses by level. */
  readonly maxPowerW: number | null;
  readonly setpointDeltaC: number;
  readonly randomStartS: number;
  readonly randomEndS: number;
  /** Not taken up for the first time at or after this instant. */
  readonly expiresAt: Instant;
  /** Small number, unique among the instructions of its device: OCPP profiles need one. */
  readonly slot: number;
  /** The trace it belongs to (W3C Trace Context); empty: none. */
  readonly traceparent: string;
};
export type Outcome =
  | 'SENT'
  | 'ACCEPTED'
  | 'APPLIED'
  | 'REJECTED_BY_DEVICE'
  | 'EXPIRED'
  | 'OVERRIDDEN'
  | 'UNREACHABLE'
  | 'FAILED'
  | 'RELEASED';
/** 0 sent, 1 accepted, 2 the device says it applies, 3 measured power fell. */
export type Proof = 0 | 1 | 2 | 3;

/** An instruction and how far its pursuit has come. */
export type Pursuit = {
  readonly instruction: Instruction;
  readonly outcome: Outcome | null;
  readonly proof: Proof;
  readonly reason: string;
  /** Sends since the device last (re)connected. */
  readonly attempts: number;
  readonly sentAt: Instant | null;
  /** The connection it was last sent on; 0 = none of this process's. */
  readonly session: number;
  /** Why it shall end early; null = it shall not. */
  readonly release: string | null;
  /** Lowest quarter hour before it began, W; null = not measured (yet). */
  readonly beforeW: number | null;
  /** Nothing is to be done any more. */
  readonly closed: boolean;
};
/** What is known of the device now. `session` grows with every connection and reboot. */
export type Reported = { readonly online: boolean; readonly session: number };

export type Action = 'send' | 'clear' | 'nothing';
export type Step = {
  readonly next: Pursuit;
  readonly action: Action /** Look again then, at the latest. */;
  readonly due: Instant | null;
};

export const ANSWER_MS = 15_000;
/** One send and two repeats, all with the same id. */
export const SENDS = 3;

/** The device has said its last word on the instruction: it is not asked again, whatever happens to it. */
const final: Record<Outcome, boolean> = {
  SENT: false,
  ACCEPTED: false,
  APPLIED: false,
  UNREACHABLE: false,
  REJECTED_BY_DEVICE: true,
  EXPIRED: true,
  OVERRIDDEN: true,
  FAILED: true,
  RELEASED: true,
};

/**
 * Desired against reported against now: what to do next. Same answer tomorrow; whoever calls does the action after the new state is
 * stored. A device that (re)connects is told again; one that stays silent is told thrice, then is UNREACHABLE until it reconnects.
 */
export function reconcile(pursuit: Pursuit, reported: Reported, now: Instant): Step {
  if (pursuit.closed) return rest(pursuit, null);
  const { instruction, outcome } = pursuit;
  const ended = now >= instruction.valid.end;
  const taken = outcome === 'ACCEPTED' || outcome === 'APPLIED';

  if (outcome !== null && final[outcome]) return rest({ ...pursuit, closed: true }, null);
  if (ended) return end(pursuit, taken ? 'window ended' : null);
  if (pursuit.release !== null) return clear(pursuit, reported, now);
  if (taken && pursuit.session === reported.session) return rest(pursuit, instruction.valid.end);
  if (!taken && now >= instruction.expiresAt) {
    return outcome === 'UNREACHABLE'
      ? rest(pursuit, instruction.valid.end)
      : say(pursuit, 'EXPIRED', 'expired before it was taken up', 'nothing');
  }
  if (!reported.online) return wait(pursuit, now);
  if (pursuit.session !== reported.session) return send(pursuit, reported, now, 1);
  const due = (pursuit.sentAt ?? now) + ANSWER_MS;
  if (outcome === 'UNREACHABLE') return rest(pursuit, Math.min(instruction.expiresAt, instruction.valid.end));
  if (now < due) return rest(pursuit, due);
  if (pursuit.attempts < SENDS) return send(pursuit, reported, now, pursuit.attempts + 1);
  return say(pursuit, 'UNREACHABLE', `no answer to ${SENDS} sends`, 'nothing');
}

/** What a device's own word makes of an instruction; null = nothing new. */
export function heard(pursuit: Pursuit, word: Word, reason: string): Pursuit | null {
  if (pursuit.closed) return null;
  const to = words[word][pursuit.outcome ?? 'SENT'];
  if (to === null) return null;
  const proof = to === 'ACCEPTED' ? 1 : to === 'APPLIED' ? 2 : pursuit.proof;
  return { ...pursuit, outcome: to, proof: Math.max(proof, pursuit.proof) as Proof, reason };
}
export type Word = 'accepted' | 'applied' | 'rejected' | 'expired' | 'overridden' | 'ended' | 'failed' | 'measured';

// What each word leads to; null changes nothing. An override wins over everything but the end; a rejection only over hope.
const words: Record<Word, Record<Outcome, Outcome | null>> = {
  accepted: row({ SENT: 'ACCEPTED', UNREACHABLE: 'ACCEPTED' }),
  applied: row({ SENT: 'APPLIED', UNREACHABLE: 'APPLIED', ACCEPTED: 'APPLIED' }),
  rejected: row({
    SENT: 'REJECTED_BY_DEVICE',
    UNREACHABLE: 'REJECTED_BY_DEVICE',
    ACCEPTED: 'REJECTED_BY_DEVICE',
    APPLIED: 'REJECTED_BY_DEVICE',
  }),
  expired: row({ SENT: 'EXPIRED', UNREACHABLE: 'EXPIRED' }),
  overridden: row({ SENT: 'OVERRIDDEN', UNREACHABLE: 'OVERRIDDEN', ACCEPTED: 'OVERRIDDEN', APPLIED: 'OVERRIDDEN' }),
  ended: row({ SENT: 'RELEASED', UNREACHABLE: 'RELEASED', ACCEPTED: 'RELEASED', APPLIED: 'RELEASED' }),
  failed: row({ SENT: 'FAILED', UNREACHABLE: 'FAILED', ACCEPTED: 'FAILED', APPLIED: 'FAILED' }),
  // Only a device that took it up can have it proven: power that falls for other reasons is not ours.
  measured: row({ ACCEPTED: 'APPLIED', APPLIED: 'APPLIED' }),
};

function row(changes: Partial<Record<Outcome, Outcome>>): Record<Outcome, Outcome | null> {
  const stay = {
    SENT: null,
    ACCEPTED: null,
    APPLIED: null,
    REJECTED_BY_DEVICE: null,
    EXPIRED: null,
    OVERRIDDEN: null,
    UNREACHABLE: null,
    FAILED: null,
    RELEASED: null,
  };
  return { ...stay, ...changes };
}

const rest = (next: Pursuit, due: Instant | null): Step => ({ next, action: 'nothing', due });

const say = (pursuit: Pursuit, outcome: Outcome, reason: string, action: Action): Step => ({
  next: { ...pursuit, outcome, reason, closed: final[outcome] },
  action,
  due: final[outcome] ? null : pursuit.instruction.valid.end,
});

function send(pursuit: Pursuit, { session }: Reported, now: Instant, attempts: number): Step {
  const outcome = pursuit.outcome ?? 'SENT';
  return { next: { ...pursuit, outcome, attempts, sentAt: now, session }, action: 'send', due: now + ANSWER_MS };
}

// Offline: the same patience as for a silent one; it is told as soon as it connects.
function wait(pursuit: Pursuit, now: Instant): Step {
  const { instruction, outcome } = pursuit;
  const until = Math.min(instruction.expiresAt, instruction.valid.end);
  if (outcome === 'UNREACHABLE') return rest(pursuit, until);
  if (outcome === 'ACCEPTED' || outcome === 'APPLIED') return rest(pursuit, instruction.valid.end);
  const since = pursuit.sentAt ?? now;
  const next = pursuit.sentAt === null ? { ...pursuit, sentAt: now } : pursuit;
  if (now < since + SENDS * ANSWER_MS) return rest(next, Math.min(until, since + SENDS * ANSWER_MS));
  return say(next, 'UNREACHABLE', 'offline', 'nothing');
}

// Released early: ask the device to end it; whether it hears us or not, it ends by itself at the end of the window.
function clear(pursuit: Pursuit, reported: Reported, now: Instant): Step {
  const reason = pursuit.release ?? '';
  if (pursuit.outcome === null) return say(pursuit, 'RELEASED', reason, 'nothing');
  if (!reported.online || pursuit.attempts >= SENDS) {
    return say(pursuit, 'RELEASED', `${reason}; the device did not confirm and ends by itself`, 'nothing');
  }
  const due = (pursuit.sentAt ?? now) + ANSWER_MS;
  if (pursuit.attempts > 0 && now < due) return rest(pursuit, due);
  return {
    next: { ...pursuit, attempts: pursuit.attempts + 1, sentAt: now, session: reported.session },
    action: 'clear',
    due: now + ANSWER_MS,
  };
}

// A device that never took it up stays as it was; one that did is released. Clearing what has expired keeps its memory free.
function end(pursuit: Pursuit, reason: string | null): Step {
  if (reason !== null) return say(pursuit, 'RELEASED', reason, 'clear');
  if (pursuit.outcome === 'UNREACHABLE') return { next: { ...pursuit, closed: true }, action: 'clear', due: null };
  return say(
    pursuit,
    pursuit.release !== null ? 'RELEASED' : 'UNREACHABLE',
    pursuit.release ?? 'no answer before the window ended',
    'clear',
  );
}
