import type { Instant } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';

/** A civil month of the terms' zone, `2026-05`. */
export type Cycle = string;
export type BillLine = {
  readonly connectionId: string;
  readonly cycle: Cycle;
  readonly chargeCode: string;
  readonly reference: string;
  readonly paise: bigint;
};

export const cycleOf = (day: CivilDay): Cycle => day.slice(0, 7);

export function cycleAfter(cycle: Cycle): Cycle {
  const [year, month] = cycle.split('-').map(Number) as [number, number];
  return month === 12 ? `${year + 1}-01` : `${year}-${String(month + 1).padStart(2, '0')}`;
}

/** The cycle an instant lies in: [start, end). */
export function cycleSpan(at: Instant, zone: ZoneDays): [start: Instant, end: Instant] {
  const cycle = cycleOf(zone.dayOf(at));
  return [zone.startOf(`${cycle}-01`), zone.startOf(`${cycleAfter(cycle)}-01`)];
}

/** The first cycle from the event's own on that is not closed: where a line of this event goes now. */
export function firstOpen(from: Cycle, closed: ReadonlySet<Cycle>): Cycle {
  let cycle = from;
  while (closed.has(cycle)) cycle = cycleAfter(cycle);
  return cycle;
}

/** Throws Refusal `cycle_malformed`. */
export function readCycle(text: string): Cycle {
  if (/^\d{4}-(0[1-9]|1[0-2])$/.test(text)) return text;
  throw invalid('cycle_malformed', `"${text}" is no billing cycle such as 2026-05`, 'cycle');
}

/** `connection,cycle,charge_code,reference,amount`; amount in rupees with two decimals; lines in order, so the bytes are always the same. */
export function billCsv(lines: readonly BillLine[]): string {
  const rows = lines.map((line) =>
    [line.connectionId, line.cycle, line.chargeCode, line.reference].map(field).concat(amount(line.paise)).join(','),
  );
  return `${['connection,cycle,charge_code,reference,amount', ...rows.sort()].join('\n')}\n`;
}

function amount(paise: bigint): string {
  const magnitude = paise < 0n ? -paise : paise;
  return `${paise < 0n ? '-' : ''}${magnitude / 100n}.${String(magnitude % 100n).padStart(2, '0')}`;
}

const field = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
