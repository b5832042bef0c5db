import { type Instant, iso } from '../../services/domain/interval.ts';
import type { Sample } from '../proof.ts';
import type { Instruction, Word } from '../reconcile.ts';

/** flex/1 as it travels; FLEX.md is the document. */
export type Command = {
  readonly id: string;
  readonly ts: string;
  readonly validFrom: string;
  readonly validTo: string;
  readonly expires: string;
  readonly action: 'shed' | 'criticalPeak' | 'gridEmergency' | 'loadUp' | 'end';
  readonly level: number;
  readonly set?: { readonly setpointDeltaC?: number; readonly maxPowerW?: number };
  readonly randomStartS: number;
  readonly randomEndS: number;
};

const actions = ['shed', 'criticalPeak', 'gridEmergency'] as const;
/** °C added to the set point when the instruction names neither degrees nor watts. */
const DEFAULT_DELTA_C = [2, 3, 4] as const;

/** Valid from–to: a device that hears nothing more ends it by itself. */
export function commandOf(instruction: Instruction, now: Instant): Command {
  const { valid, direction, level, maxPowerW, setpointDeltaC } = instruction;
  const wished = setpointDeltaC !== 0 || maxPowerW !== null ? Math.abs(setpointDeltaC) : DEFAULT_DELTA_C[level - 1]!;
  const delta = direction === 'absorb' ? -wished : wished;
  return {
    id: instruction.instructionId,
    ts: iso(now),
    validFrom: iso(valid.start),
    validTo: iso(valid.end),
    // A repeat to a device that had taken it up before a reboot must not fail on the first deadline; the pursuit keeps that one.
    expires: iso(Math.max(instruction.expiresAt, now >= instruction.expiresAt ? valid.end : 0)),
    action: direction === 'absorb' ? 'loadUp' : actions[level - 1]!,
    level,
    set: { ...(delta === 0 ? {} : { setpointDeltaC: delta }), ...(maxPowerW === null ? {} : { maxPowerW }) },
    randomStartS: instruction.randomStartS,
    randomEndS: instruction.randomEndS,
  };
}

/** Ends it early. */
export const endOf = (instruction: Instruction, now: Instant): Command => ({
  ...commandOf(instruction, now),
  action: 'end',
  set: {},
});

const words: Record<string, Word> = {
  accepted: 'accepted',
  applied: 'applied',
  rejected: 'rejected',
  expired: 'expired',
  overridden: 'overridden',
  ended: 'ended',
};

/** Readers are lenient in what they do not need and give null for what cannot be read. */
export function readAck(message: Message): { id: string; word: Word; reason: string } | null {
  const word = typeof message.status === 'string' ? words[message.status] : undefined;
  if (!word || typeof message.id !== 'string' || message.id.length > 100) return null;
  return { id: message.id, word, reason: text(message.reason) };
}

export function readTelemetry(message: Message): Sample | null {
  const at = instant(message.ts);
  if (at === null) return null;
  const powerW = finite(message.powerW);
  const registerWh = finite(message.energyWh);
  const serving = message.mode !== 'off';
  return { at, powerW, registerWh, source: powerW !== null || registerWh !== null ? 'meter' : null, serving };
}

export const readStatus = (message: Message): boolean | null => (typeof message.online === 'boolean' ? message.online : null);
export const readAbout = (message: Message) => ({
  vendor: text(message.vendor),
  model: text(message.model),
  stepped: message.stepped === true,
});
export const readStep = (message: Message): number | null => finite(message.step);
export const readOverride = (message: Message): string =>
  typeof message.until === 'string' ? `by the user, until ${text(message.until)}` : 'by the user';

export type Message = { readonly [key: string]: unknown };
/** A JSON object, or null. */
export function readMessage(payload: Uint8Array): Message | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Message) : null;
  } catch {
    return null;
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 200) : '');
const finite = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && Math.abs(value) < 1e12 ? value : null;
function instant(value: unknown): Instant | null {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(at) ? at : null;
}
