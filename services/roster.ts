import { room as devices } from '../devices/service.ts';
import { room as catalogue } from './catalogue/service.ts';
import { room as dispatch } from './dispatch/service.ts';
import { room as enrolment } from './enrolment/service.ts';
import { room as gateway } from './gateway/service.ts';
import type { RoomMaker } from './host/room.ts';
import { room as metering } from './metering/service.ts';
import { room as performance } from './performance/service.ts';
import { room as registry } from './registry/service.ts';
import { room as settlement } from './settlement/service.ts';

/** The rooms in dependency order: each calls and follows only rooms above it. */
export const roster: readonly RoomMaker[] = [
  catalogue,
  registry,
  enrolment,
  devices,
  metering,
  dispatch,
  performance,
  settlement,
  gateway, // no facts and no verbs of its own: everything it shows, it asks for
];
