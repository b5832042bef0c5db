import { hex } from '../domain/hex.ts';
import { type Instant, iso, MINUTE } from '../domain/interval.ts';
import type { Hash } from '../domain/merkle.ts';
import { meterDayBytes } from '../domain/meter-day.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { type Check, short } from './difference.ts';
import type { ParticipantPayload } from './payload.ts';
import { knownAt, type Readings } from './readings.ts';
import type { Recompute, Remeasured } from './recompute.ts';

/** Every meter-day named, hashed again from the readings; `found` is what they give for the window, null where nothing was measured. */
export function checkMeterDays(
  payload: ParticipantPayload,
  readings: Readings,
  recompute: Pick<Recompute, 'hash' | 'zone'>,
  found: Remeasured | null,
): Check {
  const { meterDays } = payload.measured;
  const differences = meterDays.flatMap(({ meterId, day, digest }) => {
    const given = dayDigest(payload, meterId, day, readings, recompute);
    if (given === digest) return [];
    const named = digest ? `digest ${short(digest)}` : 'no reading';
    const where = digest && given ? `; ${whereChanged(payload, day, found)}` : '';
    return [
      `meter ${meterId}, ${day}: the statement names ${named}, the file gives ${given ? short(given) : 'no reading'}${where}`,
    ];
  });
  return {
    says: `${meterDays.length} meter-days as known at ${iso(payload.run.asOfMs)} have the digests named`,
    differences,
  };
}

function dayDigest(
  { measured, run }: ParticipantPayload,
  meterId: string,
  day: CivilDay,
  readings: Readings,
  { hash, zone }: { readonly hash: Hash; zone(name: string): ZoneDays },
): string | null {
  const register = measured.registers.find((candidate) => candidate.meterId === meterId);
  const name = register?.zone || 'Asia/Kolkata';
  const days = zone(name);
  const intervalMinutes = register?.intervalMinutes || 30;
  const start = days.startOf(day);
  const slots = Math.round((days.startOf(days.plus(day, 1)) - start) / (intervalMinutes * MINUTE));
  const at = (slot: number): Instant => start + slot * intervalMinutes * MINUTE;
  const known = Array.from({ length: slots }, (_, slot) => knownAt(readings.get(meterId)?.get(at(slot)), run.asOfMs));
  if (known.every((reading) => reading === null)) return null;
  const bytes = meterDayBytes({
    ...{ meterId, day, zone: name, intervalMinutes },
    importWh: known.map((reading) => reading?.importWh ?? null),
    exportWh: known.map((reading) => reading?.exportWh ?? null),
    quality: known.map((reading) => reading?.quality ?? 0),
  });
  return hex(hash(bytes));
}

// Of the window the statement prints what was metered, so the interval can be named; of all else it has the day's digest.
function whereChanged({ measured, event }: ParticipantPayload, day: CivilDay, found: Remeasured | null): string {
  if (day !== event.day || !found)
    return 'of this day the statement holds only the digest, so which interval it is cannot be said';
  const changed = measured.slots.flatMap(({ startMs, meteredWh }, i) => {
    const given = found.slots[i]?.meteredWh ?? null;
    return given === meteredWh ? [] : [`${iso(startMs)}: ${whole(meteredWh)} in the statement, ${whole(given)} in the file`];
  });
  return changed.length > 0
    ? changed.join('; ')
    : 'in no interval of the window, and of the rest of the day the statement holds only the digest';
}

const whole = (wh: number | null): string => (wh === null ? 'no reading' : `${wh} Wh`);

/** Reasons as performance gives them. */
const REASONS = ['calendar', 'holiday', 'event', 'notice', 'outage', 'before_occupancy', 'before_consent'];

/**
 * The excluded days, as far as the statement can be held against itself: each is a civil day before the event's with a reason we know,
 * none lends its load, and the calendar's agree with the calendar printed. That there was an event, a notice or an outage, or that the
 * household had not yet shared a day, no reading can tell.
 */
export function checkExcludedDays({ measured, calendar, event }: ParticipantPayload): Check {
  const { excludedDays, candidateDays, selectedDays, lowUsageRejected } = measured;
  const names = new Map(
    (calendar.days as readonly CalendarDay[]).flatMap(({ day, name, kind }) => (kind === 'EXCLUDED' ? [[day, name ?? '']] : [])),
  );
  // A day that was called may lend its load where the terms let such days in for want of others.
  const others = excludedDays.filter(({ reason }) => !CALLS.includes(split(reason)[0])).map(({ day }) => day);
  const refilled = new Set((measured.refilledDays ?? []).filter((day) => !others.includes(day)));
  const used = new Set([...candidateDays, ...selectedDays, ...lowUsageRejected].filter((day) => !refilled.has(day)));
  const holidays = new Set(
    (calendar.days as readonly CalendarDay[]).flatMap(({ day, kind }) => (kind === 'HOLIDAY' ? [day] : [])),
  );
  const differences = excludedDays.flatMap(({ day, reason }) => {
    const [word = '', of] = split(reason);
    return [
      ...(isCivilDay(day) ? [] : [`"${day}" is excluded and is no civil day`]),
      ...(day >= event.day ? [`${day} is excluded and does not lie before the event's day`] : []),
      ...(REASONS.includes(word) && WITH_NAME.includes(word) === (of !== null)
        ? []
        : [`${day} is excluded for no known reason: "${reason}"`]),
      ...(word === 'calendar' && names.get(day) !== of
        ? [`${day} is excluded as "${reason}", which the calendar does not have`]
        : []),
      ...(word === 'holiday' && !holidays.has(day) ? [`${day} is excluded as a holiday, which the calendar does not have`] : []),
      ...(word === 'event' && of === event.eventId ? [`${day} is excluded as a day of this very event`] : []),
      ...(used.has(day) ? [`${day} is excluded (${reason}) and is a candidate all the same`] : []),
    ];
  });
  const missed = [...used].filter((day) => names.has(day) && !excludedDays.some((excluded) => excluded.day === day));
  return {
    says:
      excludedDays.length === 0
        ? 'no day is excluded'
        : `${new Set(excludedDays.map(({ day }) => day)).size} days are excluded, and none lends its load`,
    differences: [...differences, ...missed.map((day) => `${day} is a candidate although the calendar excludes it`)],
  };
}

type CalendarDay = { readonly day: string; readonly name?: string; readonly kind?: string };
const WITH_NAME = ['calendar', 'event', 'notice'];
const CALLS = ['event', 'notice'];

function split(reason: string): [string, string | null] {
  const at = reason.indexOf(':');
  return at < 0 ? [reason, null] : [reason.slice(0, at), reason.slice(at + 1)];
}

const isCivilDay = (day: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(day) && !Number.isNaN(Date.parse(day)) && new Date(day).toISOString().startsWith(day);

/** What no recomputation can show, in one sentence: a person who doubts it has to ask. */
export function issuersWord({ measured, settled, terms }: ParticipantPayload): string {
  const words = new Set(
    measured.excludedDays.map(({ reason }) => split(reason)[0]).filter((word) => word !== 'calendar' && word !== 'holiday'),
  );
  const { netting, optOut, holdout } = terms as { netting?: string; optOut?: unknown; holdout?: { pay?: string } };
  const parts = [
    ...(words.size > 0 ? [`why days were excluded (${[...words].join(', ')})`] : []),
    'the supply status of each interval',
    'which meters served the connection',
    ...((measured.unread ?? []).length > 0 ? ['which intervals of the event’s day were not to be read'] : []),
    'the consents',
    'the committed power',
    ...(measured.role === 'CHOSEN' ? ['the portfolio’s sums (the counterparty’s statement adds them up)'] : []),
    ...(measured.role === 'HOLDOUT' && holdout?.pay === 'COHORT_AVERAGE'
      ? ['the mean of the others, which the holdout gets']
      : []),
    ...(netting === 'NET_CYCLE' ? [`the carry of ${settled.carry} Wh from the cycle’s earlier events`] : []),
    ...(optOut === undefined ? [] : [`${measured.optOuts ?? 0} opt-outs counted`]),
  ];
  return `on the issuer’s word rest: ${parts.join(', ')}`;
}
