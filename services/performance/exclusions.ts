import { grouped } from '../domain/grouped.ts';
import { type Instant, type Interval, MINUTE, overlaps } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';

export type Exclusion = { readonly day: CivilDay; readonly reason: string };

/** A stretch in which a connection was not energised. `state` is the wire's SupplyState. */
export type Unserved = Interval & { readonly state: number };

/** What of a day would be read, the same for all points of a run. */
export type DayLook = {
  readonly day: CivilDay;
  readonly spans: readonly Interval[];
  /** Midnight, or what a window reaches of the day before. */
  readonly earliest: Instant;
  /** Instants that must be permitted, and the civil days they lie in. */
  readonly reads: readonly { readonly at: Instant; readonly day: CivilDay }[];
};

/** `days` of the event day's class, latest first, `history`: the slots each would lend (NaN = none), of `minutes`. */
export function looksAt(days: readonly CivilDay[], history: readonly Float64Array[], minutes: number, zone: ZoneDays): DayLook[] {
  return days.map((day, row) => {
    const starts = Array.from(history[row]!).filter((start) => !Number.isNaN(start));
    // A window that reaches the day before needs that day's readings too.
    const earliest = Math.min(zone.startOf(day), ...starts);
    return {
      ...{ day, earliest, spans: starts.map((start) => ({ start, end: start + minutes * MINUTE })) },
      reads: [earliest, ...starts].map((at) => ({ at, day: zone.dayOf(at) })),
    };
  });
}

export type ExclusionInput = {
  readonly looks: readonly DayLook[];
  /** Excluded days of the calendar, by name. */
  readonly calendar: ReadonlyMap<CivilDay, string>;
  /** Holidays, where the method counts none; absent = they are days of their class. */
  readonly holidays?: ReadonlySet<CivilDay>;
  /** Days on which any programme instructed this point or gave it notice. */
  readonly eventDays: readonly { readonly day: CivilDay; readonly eventId: string; readonly reason: string }[];
  readonly unserved: readonly Unserved[];
  /** When the present occupant took the connection. */
  readonly occupiedFrom: Instant;
  /** The gate: may the readings of an interval that starts then, on that day, be used? */
  readonly permitted: (at: Instant, day: CivilDay) => boolean;
};

/**
 * The days that may not enter this settlement point's baseline, each with every reason, in day order. Excluded days =
 * calendar ∪ outage ∪ every day any programme called ∪ what is not this occupant's or not shared. Source: design §7.
 */
export function exclusionsOf(input: ExclusionInput): Exclusion[] {
  const { looks, calendar, holidays, eventDays, unserved, occupiedFrom, permitted } = input;
  const called = grouped(eventDays, ({ day }) => day);
  const found: Exclusion[] = [];
  for (const { day, spans, earliest, reads } of looks) {
    const reasons: string[] = [];
    if (calendar.has(day)) reasons.push(`calendar:${calendar.get(day)}`);
    if (holidays?.has(day)) reasons.push('holiday');
    for (const { eventId, reason } of called.get(day) ?? []) reasons.push(`${reason}:${eventId}`);
    if (unserved.length > 0 && spans.some((span) => unservedAt(unserved, span) !== null)) reasons.push('outage');
    if (earliest < occupiedFrom) reasons.push('before_occupancy');
    if (!reads.every(({ at, day: of }) => permitted(at, of))) reasons.push('before_consent');
    for (const reason of [...new Set(reasons)].sort(inOrder)) found.push({ day, reason });
  }
  return found.reverse().sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : inOrder(a.reason, b.reason)));
}

/** The days that nothing but an event's call or notice excludes. */
export function calledDays(exclusions: readonly Exclusion[]): Set<CivilDay> {
  const called = (reason: string) => reason.startsWith('event:') || reason.startsWith('notice:');
  const others = new Set(exclusions.filter(({ reason }) => !called(reason)).map(({ day }) => day));
  return new Set(exclusions.map(({ day }) => day).filter((day) => !others.has(day)));
}

/** The supply state of the first stretch without energy that touches the interval; null = energised throughout. */
export function unservedAt(unserved: readonly Unserved[], span: Interval): number | null {
  return unserved.find((stretch) => overlaps(stretch, span))?.state ?? null;
}

/** From when on the participant has held the connection without a break, looking back from `at`; null = does not hold it then. */
export function occupiedFrom(states: readonly Occupancy[], participantId: string, at: Instant): Instant | null {
  const ordered = states.toSorted((a, b) => a.from - b.from);
  let index = ordered.findLastIndex((state) => state.from <= at);
  const present = ordered[index];
  if (present?.participantId !== participantId || (present.to !== null && present.to <= at)) return null;
  let from = present.from;
  for (index--; index >= 0; index--) {
    const before = ordered[index]!;
    if (before.participantId !== participantId || (before.to !== null && before.to < from)) break;
    from = before.from;
  }
  return from;
}
/** Whether the participant holds the connection at an instant: `occupiedFrom` is not null then. */
export function holds(states: readonly Occupancy[], participantId: string, at: Instant): boolean {
  let present: Occupancy | null = null;
  for (const state of states) if (state.from <= at && (present === null || state.from >= present.from)) present = state;
  return present !== null && present.participantId === participantId && (present.to === null || at < present.to);
}
export type Occupancy = { readonly participantId: string; readonly from: Instant; readonly to: Instant | null };

const ORDER = ['calendar', 'holiday', 'event', 'notice', 'outage', 'before_occupancy', 'before_consent'];
function inOrder(a: string, b: string): number {
  const rank = (reason: string) => ORDER.indexOf(reason.split(':', 1)[0]!);
  return rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0);
}
