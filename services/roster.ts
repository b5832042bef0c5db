import { roomNames } from './host/arrows.ts';
import type { RoomMaker, RoomName } from './host/room.ts';

/** Each room's code is loaded when it is asked for: a process of one room starts without the libraries of the others. */
const rooms: Readonly<Record<RoomName, () => Promise<{ readonly room: RoomMaker }>>> = {
  catalogue: () => import('./catalogue/service.ts'),
  registry: () => import('./registry/service.ts'),
  enrolment: () => import('./enrolment/service.ts'),
  devices: () => import('../devices/service.ts'),
  metering: () => import('./metering/service.ts'),
  dispatch: () => import('./dispatch/service.ts'),
  performance: () => import('./performance/service.ts'),
  settlement: () => import('./settlement/service.ts'),
  gateway: () => import('./gateway/service.ts'), // no facts and no verbs of its own: everything it shows, it asks for
};

/** The rooms named, or all of them, in dependency order: each calls and follows only rooms above it. */
export const loadRooms = (names: readonly RoomName[] = roomNames): Promise<readonly RoomMaker[]> =>
  Promise.all(roomNames.filter((name) => names.includes(name)).map(async (name) => (await rooms[name]()).room));
