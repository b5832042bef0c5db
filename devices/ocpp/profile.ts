import { iso } from '../../services/domain/interval.ts';
import type { Instruction } from '../reconcile.ts';

/** Ids 900000 and up are ours; a CPO's own profiles stay below. Two for each instruction: for any session, and for the open one. */
const FIRST_ID = 900_000;
const SLOTS = 50_000;
export const profileIds = (instruction: Instruction): readonly [number, number] => {
  const first = FIRST_ID + 2 * (instruction.slot % SLOTS);
  return [first, first + 1];
};

/** IEC 61851: a car cannot be offered less than 6 A; below that it is 0, never something in between. */
const LEAST_A = 6;
const VOLTS = 230;

/** What one phase may draw, A: what the instruction says, or by its level the least current (1) or none (2, 3). One decimal. */
export function limitAmps({ maxPowerW, level }: Pick<Instruction, 'maxPowerW' | 'level'>, phases: number): number {
  if (maxPowerW === null) return level === 1 ? LEAST_A : 0;
  const amps = Math.floor((maxPowerW / VOLTS / phases) * 10) / 10;
  return amps < LEAST_A ? 0 : amps;
}

export type ProfileSetting = {
  readonly connectorId: number;
  /** Highest that the station takes. */
  readonly stackLevel: number;
  readonly phases: number;
  readonly transactionId: number | null;
};

/**
 * The SetChargingProfile payloads of an instruction: a TxDefaultProfile that also covers cars that come later and, because many chargers
 * look at that only when a session starts, a TxProfile for the open session. Both expire by themselves at the end.
 */
export function chargingProfiles(
  instruction: Instruction,
  { connectorId, stackLevel, phases, transactionId }: ProfileSetting,
): object[] {
  const start = instruction.valid.start + stagger(instruction, 'start', instruction.randomStartS);
  const end = instruction.valid.end + stagger(instruction, 'end', instruction.randomEndS);
  const [defaultId, sessionId] = profileIds(instruction);
  const common = {
    stackLevel,
    chargingProfileKind: 'Absolute',
    validFrom: iso(start),
    validTo: iso(end),
    chargingSchedule: {
      startSchedule: iso(start),
      duration: Math.round((end - start) / 1000),
      chargingRateUnit: 'A',
      chargingSchedulePeriod: [{ startPeriod: 0, limit: limitAmps(instruction, phases), numberPhases: phases }],
    },
  };
  const payload = (profile: object) => ({ connectorId, csChargingProfiles: { ...profile, ...common } });
  const standing = payload({ chargingProfileId: defaultId, chargingProfilePurpose: 'TxDefaultProfile' });
  if (transactionId === null) return [standing];
  return [standing, payload({ chargingProfileId: sessionId, chargingProfilePurpose: 'TxProfile', transactionId })];
}

/**
 * Chargers have no randomness of their own: the offset within `mostS` is drawn from the instruction's id, so a repeat has the same one.
 * ms, whole seconds.
 */
function stagger({ instructionId }: Instruction, edge: 'start' | 'end', mostS: number): number {
  let hash = 7;
  for (const letter of edge + instructionId) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
  return mostS > 0 ? (hash % (mostS + 1)) * 1000 : 0;
}
