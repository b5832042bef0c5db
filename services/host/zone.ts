import { Temporal } from '@js-temporal/polyfill';
import type { Instant } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';

const known = new Map<string, ZoneDays>();

/**
 * The civil days of an IANA zone (`Asia/Kolkata`) or a fixed offset (`+05:30`). Throws Refusal `zone_unknown`. A day starts at its
 * first existing instant, also where clocks skip midnight.
 */
export function zoneDays(zone: string): ZoneDays {
  const found = known.get(zone);
  if (found) return found;
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
  } catch {
    throw invalid('zone_unknown', `${zone} is neither an IANA time zone like Asia/Kolkata nor an offset like +05:30`);
  }
  const made = isOffset(zone) ? fixed(zone) : named(zone);
  known.set(zone, made);
  return made;
}

const isOffset = (zone: string): boolean => /^[+-]\d{2}:?\d{2}$/.test(zone);

function named(zone: string): ZoneDays {
  const starts = new Map<CivilDay, Instant>();
  const startOf = (day: CivilDay): Instant => {
    const cached = starts.get(day);
    if (cached !== undefined) return cached;
    const start = plainDay(day).toZonedDateTime(zone).epochMilliseconds;
    if (starts.size > 20_000) starts.clear();
    starts.set(day, start);
    return start;
  };
  let last = { day: '', start: 0, end: 0 };
  return {
    zone,
    startOf,
    dayOf: (at) => {
      // Readings come day by day: asking the time-zone table once a day is a hundred times faster than once a reading.
      if (at >= last.start && at < last.end) return last.day;
      const day = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone).toPlainDate().toString();
      last = { day, start: startOf(day), end: startOf(plus(day, 1)) };
      return day;
    },
    plus,
    weekdayOf,
  };
}

function fixed(zone: string): ZoneDays {
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  const offset = (zone.startsWith('-') ? -minutes : minutes) * 60_000;
  return {
    zone,
    startOf: (day) => utcOf(day) - offset,
    dayOf: (at) => new Date(at + offset).toISOString().slice(0, 10),
    plus,
    weekdayOf,
  };
}

const plus = (day: CivilDay, days: number): CivilDay => new Date(utcOf(day) + days * 86_400_000).toISOString().slice(0, 10);
const weekdayOf = (day: CivilDay): number => new Date(utcOf(day)).getUTCDay();

function utcOf(day: CivilDay): number {
  const at = Date.parse(`${day}T00:00:00Z`);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day) || Number.isNaN(at)) throw invalid('day_malformed', `${day} is no day like 2026-05-01`);
  return at;
}

function plainDay(day: CivilDay): Temporal.PlainDate {
  utcOf(day);
  return Temporal.PlainDate.from(day);
}
