import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type Programme, ProgrammeSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Direction } from '../../gen/lachak/v1/types_pb.ts';
import type { CallRules } from './schedule.ts';

/** A published version as stored from its fact. */
export const programmeOf = (stored: unknown): Programme => fromJson(ProgrammeSchema, stored as JsonValue);
export const zoneOf = ({ terms }: Programme): string => terms?.zone || 'Asia/Kolkata';
export const directionOf = ({ terms }: Programme): 'SHED' | 'ABSORB' =>
  terms?.direction === Direction.ABSORB ? 'ABSORB' : 'SHED';

export const callRules = ({ terms }: Programme): CallRules => ({
  intervalMinutes: terms?.settlementIntervalMinutes || 15,
  windows: terms?.windows ?? [],
  noticeMinutes: terms?.noticeMinutes ?? 0,
  gateClosureMinutes: terms?.gateClosureMinutes ?? 0,
  eventsPerDay: terms?.limits?.eventsPerDay ?? 0,
  eventsPerMonth: terms?.limits?.eventsPerMonth ?? 0,
  eventsPerSeason: terms?.limits?.eventsPerSeason ?? 0,
  minutesPerEvent: terms?.limits?.minutesPerEvent ?? 0,
  minutesPerDay: terms?.limits?.minutesPerDay ?? 0,
  continuousMinutes: terms?.limits?.continuousMinutes ?? 0,
  seasonFrom: terms?.limits?.seasonFrom ?? '',
  seasonTo: terms?.limits?.seasonTo ?? '',
});
