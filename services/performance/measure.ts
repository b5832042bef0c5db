import { type Interval, MINUTE } from '../domain/interval.ts';
import { MISSING } from '../domain/tile.ts';
import type { CivilDay } from '../domain/zone.ts';
import { type Unserved, unservedAt } from './exclusions.ts';
import { type Family, familyOf } from './family.ts';
import type { FamilyInput } from './family-kernel.ts';
import type { Method } from './method.ts';
import { type Registers, readInterval, type Sheets, SUSPECT } from './stitch.ts';
import type { Plan } from './windows.ts';

/** One settlement point, as the columns need it. */
export type Lane = {
  readonly registers: Registers;
  readonly excluded: ReadonlySet<CivilDay>;
  /** Of those, days excluded only because an event was called: where days are too few, the method may take them. Absent = none. */
  readonly called?: ReadonlySet<CivilDay>;
  /** Of the event day's W + A + R slots: 1 = the gate or a change of occupant forbids reading it. */
  readonly closed: Uint8Array;
  /** Likewise of the intervals shown before and after the window. */
  readonly closedLead: Uint8Array;
  readonly unserved: readonly Unserved[];
};

/** What goes into the core, and what the result shows beside it. */
export type Columns = {
  readonly input: FamilyInput;
  /** [W][M] worst quality in the interval, 0 = no reading. */
  readonly quality: Uint8Array;
  /** [W][M] the wire's SupplyState; 1 = energised. */
  readonly supply: Uint8Array;
  /** [2·LEAD][M] Wh around the window. */
  readonly lead: Int32Array;
};

export const ENERGISED = 1;

/**
 * Gathers the windows of all points, lane fastest. An excluded or closed interval is never opened; a suspect reading counts as missing;
 * an adjustment interval without supply is missing too, since its zero says nothing about the load.
 */
export function columnsOf(plan: Plan, method: Method, lanes: readonly Lane[], sheets: Sheets): Columns {
  const { eventCount, windowCount, rankCount } = plan;
  const family = familyOf(method);
  const meters = lanes.length;
  const slots = eventCount + windowCount + rankCount;
  const step = plan.minutes * MINUTE;
  const history = new Int32Array(plan.days.length * slots * meters).fill(MISSING);
  const excluded = new Uint8Array(plan.days.length * meters);
  const actual = new Int32Array(slots * meters).fill(MISSING);
  const notSettled = new Uint8Array(eventCount * meters);
  const quality = new Uint8Array(eventCount * meters);
  const supply = new Uint8Array(eventCount * meters).fill(ENERGISED);
  const lead = new Int32Array(plan.lead.length * meters).fill(MISSING);
  const span = (start: number): Interval => ({ start, end: start + step });

  for (const [m, lane] of lanes.entries()) {
    for (const [row, day] of plan.days.entries()) {
      const refill = family.refill !== 'none' && lane.called?.has(day) === true;
      if (lane.excluded.has(day)) excluded[row * meters + m] = refill ? EVENT_DAY : EXCLUDED;
      if (lane.excluded.has(day) && !refill) continue;
      let estimated = 0;
      for (const [slot, start] of plan.history[row]!.entries()) {
        if (Number.isNaN(start)) continue;
        const reading = readInterval(lane.registers, span(start), method.quantity, sheets);
        history[(row * slots + slot) * meters + m] = reading.wh;
        if (reading.quality === ESTIMATED) estimated++;
      }
      const guessed = family.gaps.estimatedSlots !== null && estimated > family.gaps.estimatedSlots;
      if (
        guessed ||
        lacksTooMuch(plan, row, family, (start) => readInterval(lane.registers, span(start), method.quantity, sheets).wh)
      )
        excluded[row * meters + m] = EXCLUDED;
    }
    for (const [slot, start] of plan.actual.entries()) {
      if (Number.isNaN(start)) continue;
      const state = unservedAt(lane.unserved, span(start));
      if (slot < eventCount && state !== null) {
        supply[slot * meters + m] = state;
        notSettled[slot * meters + m] = 1;
      }
      if (lane.closed[slot] === 1 || (slot >= eventCount && state !== null)) continue;
      const reading = readInterval(lane.registers, span(start), method.quantity, sheets);
      actual[slot * meters + m] = reading.wh;
      if (slot < eventCount) quality[slot * meters + m] = reading.quality;
    }
    for (const [i, start] of plan.lead.entries()) {
      if (lane.closedLead[i] === 0) lead[i * meters + m] = readInterval(lane.registers, span(start), method.quantity, sheets).wh;
    }
  }
  const shape = { meters, days: plan.days.length, eventSlots: eventCount, windowSlots: windowCount, rankSlots: rankCount };
  return { input: { spec: method.spec, family, ...shape, history, excluded, actual, notSettled }, quality, supply, lead };
}

const EXCLUDED = 1;
const EVENT_DAY = 2;

/** More than the method's share of the whole day is missing. */
function lacksTooMuch(plan: Plan, row: number, { exclude }: Family, wh: (start: number) => number): boolean {
  if (!exclude.missingShare) return false;
  const all = plan.whole[row]!;
  const missing = all.filter((start) => wh(start) === MISSING).length;
  return missing * exclude.missingShare.den > exclude.missingShare.num * all.length;
}

/** What a person should know about one point beside its numbers, in a fixed order. */
export function remarks(plan: Plan, method: Method, columns: Columns, m: number, { registers, closed }: Lane): string[] {
  const { meters } = columns.input;
  const slots = Array.from({ length: plan.eventCount }, (_, slot) => slot);
  const quality = slots.map((slot) => columns.quality[slot * meters + m]!);
  const { own } = registers;
  const found: Record<string, boolean> = {
    no_meter: own.length === 0,
    net_without_export_register: method.quantity === 'net' && own.some((meter) => !meter.hasExport),
    readings_closed: slots.some((slot) => closed[slot] === 1),
    suspect_readings: quality.some((worst) => worst >= SUSPECT),
    estimated_readings: quality.includes(ESTIMATED),
    not_energised: slots.some((slot) => columns.supply[slot * meters + m] !== ENERGISED),
  };
  return Object.keys(found).filter((remark) => found[remark]);
}

const ESTIMATED = 2;
