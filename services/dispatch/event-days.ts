import type { Instant, Interval } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';

/** What one settlement point was asked for in one event. */
export type Asked = {
  readonly settlementPointId: string;
  readonly eventId: string;
  readonly window: Interval;
  /** Null = no notice went out. */
  readonly notifiedAt: Instant | null;
  /** A device was instructed, or the household itself was asked to act. */
  readonly instructed: boolean;
};
export type EventDay = {
  readonly settlementPointId: string;
  readonly day: CivilDay;
  readonly eventId: string;
  readonly reason: 'event' | 'notice';
};

/** Days that are no innocent baseline days: the event's own, and the day the notice came. A cancelled event leaves its notices. */
export function eventDays(asked: readonly Asked[], days: ZoneDays, span: Interval): EventDay[] {
  const found = new Map<string, EventDay>();
  for (const { settlementPointId, eventId, window, notifiedAt, instructed } of asked) {
    const add = (at: Instant, reason: EventDay['reason']) => {
      const day = days.dayOf(at);
      const key = `${settlementPointId}\n${day}\n${eventId}`;
      const inside = days.startOf(day) < span.end && span.start < days.startOf(days.plus(day, 1));
      if (inside && found.get(key)?.reason !== 'event') found.set(key, { settlementPointId, day, eventId, reason });
    };
    if (instructed) add(window.start, 'event');
    else if (notifiedAt !== null) add(window.start, 'notice');
    if (notifiedAt !== null) add(notifiedAt, 'notice');
  }
  return [...found.values()].sort(
    (a, b) => order(a.settlementPointId, b.settlementPointId) || order(a.day, b.day) || order(a.eventId, b.eventId),
  );
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
