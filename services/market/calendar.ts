import { type Instant, iso, MINUTE } from '../domain/interval.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { type Charges, OTHER_TIME } from './charges.ts';
import { fault } from './fields.ts';

/** Where an interval falls: its civil day, its time-of-day slot, and the billing cycle by its first day. */
export type Place = { readonly day: CivilDay; readonly slot: string; readonly cycle: CivilDay };

/** Places intervals; throws Refusal for one that lies in two slots. Slots count elapsed time from local midnight. */
export function calendar({ slots, cycleStartsOn }: Charges, zone: ZoneDays): (start: Instant, minutes: number) => Place {
  const known = new Map<Instant, Place>();
  const slotAt = (minute: number): string => {
    const own = slots.find(({ from, to }) => (to > from ? from <= minute && minute < to : from <= minute || minute < to));
    return own?.name ?? OTHER_TIME;
  };
  return (start, minutes) => {
    const before = known.get(start);
    if (before) return before;
    const day = zone.dayOf(start);
    const minute = Math.floor((start - zone.startOf(day)) / MINUTE) % 1440;
    const slot = slotAt(minute);
    for (let next = 1; next < minutes; next++) {
      const later = slotAt((minute + next) % 1440);
      if (later !== slot)
        throw fault(`the interval of ${iso(start)}`, `of ${minutes} minutes lies in two time-of-day slots, ${slot} and ${later}`);
    }
    const place = { day, slot, cycle: cycleOf(day, cycleStartsOn) };
    known.set(start, place);
    return place;
  };
}

function cycleOf(day: CivilDay, startsOn: number): CivilDay {
  const [year, month, dayOfMonth] = day.split('-').map(Number) as [number, number, number];
  const months = year * 12 + month - 1 - (dayOfMonth < startsOn ? 1 : 0);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${String(Math.floor(months / 12)).padStart(4, '0')}-${two((months % 12) + 1)}-${two(startsOn)}`;
}
