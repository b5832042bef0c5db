import { room as catalogue } from './catalogue/service.ts';
import { room as enrolment } from './enrolment/service.ts';
import { room as gateway } from './gateway/service.ts';
import type { RoomMaker } from './host/room.ts';
import { room as metering } from './metering/service.ts';
import { room as performance } from './performance/service.ts';
import { room as settlement } from './settlement/service.ts';

/** The rooms in dependency order: each may call those above it and follow their facts, never those below. */
export const roster: readonly RoomMaker[] = [catalogue, enrolment, metering, performance, settlement, gateway];
