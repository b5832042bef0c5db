import {
  Adjustment_Anchor,
  Adjustment_Limit,
  type CallWindow,
  type Limits,
  type Terms,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import { Direction } from '../../gen/lachak/v1/types_pb.ts';
import { baselineFault } from './baseline-terms.ts';
import { compareRatios, fault, firstFault, isCivilDay, ratioFault, type TermsFault } from './fault.ts';
import { nettingFault, payFault, sharesFault, stagesFault } from './pay-terms.ts';

/** What the room knows about the world and these pure rules do not. */
export type Known = { zone(zone: string): boolean; calendar(calendarId: string): boolean };

/** Grids that smart meters in India and their AMI profiles use, minutes. */
export const GRIDS: readonly number[] = [15, 30, 60];
export const DEFAULT_ZONE = 'Asia/Kolkata';

/**
 * The first thing wrong with terms, or null: in the order of the fields, so that the same terms always get the same answer.
 * Expects terms as `filled` made them.
 */
export function termsFault(terms: Terms, known: Known): TermsFault | null {
  return (
    scopeFault(terms, known) ??
    gridFault(terms) ??
    noticeFault(terms) ??
    (terms.limits ? limitsFault(terms.limits, terms.settlementIntervalMinutes) : null) ??
    (terms.calendarId !== '' && !known.calendar(terms.calendarId)
      ? fault('calendar_not_found', 'calendar_id', `names ${terms.calendarId}, which is no calendar here; put it first`)
      : null) ??
    lossFault(terms) ??
    baselineFault(terms) ??
    nettingFault(terms) ??
    payFault(terms) ??
    sharesFault(terms) ??
    stagesFault(terms)
  );
}

/** Writes out the defaults that the contract names, so that a digest never depends on what a reader takes for granted. */
export function filled(terms: Terms): Terms {
  const { baseline } = terms;
  const adjustment = baseline?.adjustment;
  return {
    ...terms,
    zone: terms.zone || DEFAULT_ZONE,
    billingCycle: terms.billingCycle || 'MONTHLY',
    ...(baseline && {
      baseline: {
        ...baseline,
        method: baseline.method || 'DAY_MATCHING',
        ...(adjustment && {
          adjustment: {
            ...adjustment,
            direction: adjustment.direction || Adjustment_Limit.BOTH,
            anchor: adjustment.anchor || Adjustment_Anchor.START,
          },
        }),
      },
    }),
  };
}

function scopeFault(terms: Terms, known: Known): TermsFault | null {
  if (terms.direction !== Direction.SHED && terms.direction !== Direction.ABSORB) {
    return fault('direction_missing', 'direction', 'must be SHED (take less) or ABSORB (take more)');
  }
  if (terms.kinds.length === 0) {
    return fault(
      'kinds_missing',
      'kinds',
      'must name at least one resource kind: AC, CHARGER, WATER_HEATER, PUMP, BATTERY, BEHAVIOURAL',
    );
  }
  const kind = terms.kinds.findIndex((name, i) => !/^[A-Z][A-Z0-9_]{0,31}$/.test(name) || terms.kinds.indexOf(name) !== i);
  if (kind >= 0) {
    return fault(
      'kind_malformed',
      `kinds[${kind}]`,
      `must be upper-case letters, digits and _, each kind once, not "${terms.kinds[kind]}"`,
    );
  }
  const { minSanctionedLoadW: least = 0n, maxSanctionedLoadW: most = 0n } = terms.eligibility ?? {};
  if (least < 0n) return fault('eligibility_malformed', 'eligibility.min_sanctioned_load_w', 'must not be negative');
  if (most !== 0n && most < least) {
    return fault(
      'eligibility_malformed',
      'eligibility.max_sanctioned_load_w',
      `is ${most} W, below the least of ${least} W (0 = no bound)`,
    );
  }
  if (!known.zone(terms.zone)) {
    return fault(
      'zone_unknown',
      'zone',
      `is "${terms.zone}", neither an IANA zone such as Asia/Kolkata nor an offset such as +05:30`,
    );
  }
  return null;
}

function gridFault(terms: Terms): TermsFault | null {
  const grid = terms.settlementIntervalMinutes;
  if (!GRIDS.includes(grid)) return fault('grid_unknown', 'settlement_interval_minutes', `must be 15, 30 or 60, not ${grid}`);
  return firstFault(terms.windows, (window, i) => windowFault(window, `windows[${i}]`, grid));
}

function windowFault(window: CallWindow, field: string, grid: number): TermsFault | null {
  const day = window.weekdays.findIndex((weekday, i) => weekday > 6 || window.weekdays.indexOf(weekday) !== i);
  if (day >= 0) {
    return fault(
      'window_malformed',
      `${field}.weekdays[${day}]`,
      `must be 0 (Sunday) to 6 (Saturday), each once, not ${window.weekdays[day]}`,
    );
  }
  if (window.toMinute > 1440)
    return fault('window_malformed', `${field}.to_minute`, `must be at most 1440, not ${window.toMinute}`);
  if (window.fromMinute >= window.toMinute) {
    return fault(
      'window_malformed',
      `${field}.to_minute`,
      `must be after from_minute ${window.fromMinute}, not ${window.toMinute}; a window lies inside one civil day`,
    );
  }
  for (const [name, minute] of [
    ['from_minute', window.fromMinute],
    ['to_minute', window.toMinute],
  ] as const) {
    if (minute % grid !== 0)
      return fault('window_off_grid', `${field}.${name}`, `must be a multiple of ${grid} minutes, not ${minute}`);
  }
  return null;
}

function noticeFault(terms: Terms): TermsFault | null {
  const { noticeMinutes: notice, gateClosureMinutes: gate } = terms;
  if (notice > WEEK) return fault('notice_too_long', 'notice_minutes', `must be at most ${WEEK} (a week), not ${notice}`);
  if (gate > WEEK) return fault('gate_too_early', 'gate_closure_minutes', `must be at most ${WEEK} (a week), not ${gate}`);
  // Who is told is who was committed: a cohort drawn after notice could be chosen by how it answered.
  if (gate < notice) {
    return fault(
      'gate_after_notice',
      'gate_closure_minutes',
      `is ${gate}, but notice goes out ${notice} minutes ahead; the gate must close no later than that`,
    );
  }
  return null;
}

const WEEK = 7 * 1440;

function limitsFault(limits: Limits, grid: number): TermsFault | null {
  for (const [name, minutes] of [
    ['minutes_per_event', limits.minutesPerEvent],
    ['continuous_minutes', limits.continuousMinutes],
  ] as const) {
    if (minutes !== 0 && minutes % grid !== 0) {
      return fault(
        'limit_off_grid',
        `limits.${name}`,
        `must be a multiple of the settlement interval of ${grid} minutes, not ${minutes}`,
      );
    }
  }
  const rising = [
    ['events_per_month', limits.eventsPerMonth, 'events_per_day', limits.eventsPerDay],
    ['events_per_season', limits.eventsPerSeason, 'events_per_month', limits.eventsPerMonth],
    ['minutes_per_day', limits.minutesPerDay, 'minutes_per_event', limits.minutesPerEvent],
  ] as const;
  for (const [wider, most, narrower, least] of rising) {
    if (most !== 0 && most < least)
      return fault('limit_malformed', `limits.${wider}`, `is ${most}, below ${narrower}, which is ${least}`);
  }
  const { seasonFrom, seasonTo } = limits;
  if (seasonFrom === '' && seasonTo === '') return null;
  for (const [name, day] of [
    ['season_from', seasonFrom],
    ['season_to', seasonTo],
  ] as const) {
    if (!isCivilDay(day))
      return fault(
        'season_malformed',
        `limits.${name}`,
        `must be a day such as 2026-04-01, not "${day}"; a season has both ends or none`,
      );
  }
  if (seasonTo < seasonFrom)
    return fault('season_malformed', 'limits.season_to', `is ${seasonTo}, before the season's start ${seasonFrom}`);
  return null;
}

function lossFault(terms: Terms): TermsFault | null {
  const { lossFactor } = terms;
  const malformed = ratioFault(lossFactor, 'loss_factor');
  if (malformed || !lossFactor) return malformed;
  if (compareRatios(lossFactor, { num: 1n, den: 1n } as typeof lossFactor) < 0) {
    return fault(
      'loss_below_one',
      'loss_factor',
      'must be at least 1: a kW less at the meter is at least a kW less at the periphery',
    );
  }
  return null;
}
