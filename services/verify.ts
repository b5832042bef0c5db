import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { CalendarDay_Kind, CalendarDaySchema, TermsSchema } from '../gen/lachak/v1/catalogue_pb.ts';
import { CohortMemberSchema } from '../gen/lachak/v1/dispatch_pb.ts';
import type { PointResult } from '../gen/lachak/v1/performance_pb.ts';
import { SupplyState } from '../gen/lachak/v1/types_pb.ts';
import { type Instant, MINUTE } from './domain/interval.ts';
import { emptyColumns } from './domain/tile.ts';
import { coreBytes } from './host/core-file.ts';
import { zoneDays } from './host/zone.ts';
import { runDays } from './performance/day-matching.ts';
import { calledDays } from './performance/exclusions.ts';
import { isPlain } from './performance/family.ts';
import { type Kernel, loadKernel } from './performance/kernel.ts';
import { columnsOf, type Lane } from './performance/measure.ts';
import { methodOf } from './performance/method.ts';
import { pointResult } from './performance/results.ts';
import type { MeterService, Sheet, Sheets } from './performance/stitch.ts';
import { isWorkingDay, planOf } from './performance/windows.ts';
import { measuredOf } from './settlement/messages.ts';
import { type MeasureRequest, type Remeasured, remeasuredOf } from './settlement/recompute.ts';
import { verifyStatements } from './settlement/verify-cli.ts';

// The one place beside main.ts that knows two rooms: settlement's verifier runs the very rules and core that performance measures with.

/** The command `lachak verify`. */
export const verifyCommand = (argv: string[], print?: (line: string) => void): Promise<number> =>
  verifyStatements(
    argv,
    {
      zone: zoneDays,
      builtInCore: coreBytes,
      loadCore: async (bytes) => {
        const kernel = await loadKernel(bytes);
        return { sha256: kernel.sha256, measure: (request) => remeasure(kernel, request) };
      },
    },
    print,
  );

/** One settlement point measured again, from readings and what its statement says about days and supply. */
export function remeasure(kernel: Kernel, request: MeasureRequest): Remeasured {
  const { window, point, noticeAtMs } = request;
  const terms = fromJson(TermsSchema, request.terms as JsonValue);
  const zone = zoneDays(terms.zone || 'Asia/Kolkata');
  const days = request.calendar.map((day) => fromJson(CalendarDaySchema, day as JsonValue));
  const holidays = new Set(days.filter(({ kind }) => kind === CalendarDay_Kind.HOLIDAY).map(({ day }) => day));
  const method = methodOf(terms.baseline, terms.direction, isWorkingDay(zone.dayOf(window.start), holidays, zone));
  const minutes = terms.settlementIntervalMinutes;
  const plan = planOf({ window, noticeAt: noticeAtMs || window.start, minutes, method, holidays, zone });

  const services = point.registers.map(
    (register, ordinal): MeterService => ({
      ...{ meterId: register.meterId, shard: 0, ordinal, from: register.fromMs, to: register.toMs },
      ...{
        intervalMinutes: register.intervalMinutes,
        hasExport: register.hasExport,
        zone: zoneDays(register.zone || 'Asia/Kolkata'),
      },
    }),
  );
  const skipped = point.flags.includes('adjustment_skipped_missing');
  const unread = new Set(point.unread);
  const plain = isPlain(method);
  const closed = Uint8Array.from(plan.actual, (start, slot) => {
    // The statement says its consents left gaps; what it did not read is not read here either.
    if (slot < plan.eventCount) return point.flags.includes('readings_closed') && point.slots[slot]?.meteredWh === null ? 1 : 0;
    return plain ? (skipped ? 1 : 0) : unread.has(start) ? 1 : 0;
  });
  const unserved = point.slots
    .filter(({ supply }) => supply !== 'ENERGISED')
    .map(({ startMs, supply }) => ({ start: startMs, end: startMs + minutes * MINUTE, state: SupplyState[supply] }));
  const lane: Lane = {
    registers: {
      own: services.filter((_, i) => !point.registers[i]!.taken),
      taken: services.filter((_, i) => point.registers[i]!.taken),
    },
    excluded: new Set(point.excludedDays.map(({ day }) => day)),
    called: calledDays(point.excludedDays),
    ...{ closed, unserved, closedLead: new Uint8Array(plan.lead.length).fill(1) },
  };
  const columns = columnsOf(plan, method, [lane], sheetsOf(services, request));
  const result = pointResult({
    ...{ plan, method, columns, m: 0, closed: false, remarks: [], exclusions: [], meterIds: [], meterDays: [], unread: [] },
    estimate: runDays(kernel, method, columns.input).at(0),
    member: create(CohortMemberSchema),
  });
  return remeasuredOf(measuredOf(result as unknown as PointResult, true, []));
}

/** Days of the readings file in the shape of tiles: one column a register. */
function sheetsOf(services: readonly MeterService[], { reading }: MeasureRequest): Sheets {
  const made = new Map<string, Sheet>();
  return (_, dayStart, intervalMinutes) => {
    const key = `${dayStart}/${intervalMinutes}`;
    const found = made.get(key) ?? sheetOf(dayStart, intervalMinutes, services, reading);
    made.set(key, found);
    return found;
  };
}

// 30 hours hold the longest civil day; what lies beyond its end is never asked for.
const SHEET_MINUTES = 30 * 60;

function sheetOf(
  dayStart: Instant,
  intervalMinutes: number,
  services: readonly MeterService[],
  reading: MeasureRequest['reading'],
): Sheet {
  const slots = SHEET_MINUTES / intervalMinutes;
  const columns = emptyColumns(slots, services.length);
  for (const { meterId, ordinal } of services) {
    for (let slot = 0; slot < slots; slot++) {
      const known = reading(meterId, dayStart + slot * intervalMinutes * MINUTE);
      if (!known) continue;
      const at = slot * services.length + ordinal;
      if (known.importWh !== null) columns.importWh[at] = known.importWh;
      if (known.exportWh !== null) columns.exportWh[at] = known.exportWh;
      columns.quality[at] = known.quality;
    }
  }
  return { dayStart, intervalMinutes, columns };
}
