import type { RoomName } from './room.ts';

/**
 * Whom a room may call and whose facts it may follow: the arrows of the house, transitive. Calls over the wire are held to it, grants
 * in PostgreSQL are made from it, and a test reads the source against it.
 */
export const arrows: Readonly<Record<RoomName, readonly RoomName[]>> = (() => {
  const registry = ['catalogue'] as const;
  const enrolment = ['registry', ...registry] as const;
  const devices = ['registry'] as const;
  const metering = ['enrolment', 'devices', ...enrolment] as const;
  const dispatch = ['metering', ...metering] as const;
  const performance = ['dispatch', ...dispatch] as const;
  const settlement = ['performance', ...performance] as const;
  const gateway = ['settlement', ...settlement] as const;
  return { catalogue: [], registry, enrolment, devices, metering, dispatch, performance, settlement, gateway };
})();

/** All rooms, each after those it calls. */
export const roomNames: readonly RoomName[] = [
  'catalogue',
  'registry',
  'enrolment',
  'devices',
  'metering',
  'dispatch',
  'performance',
  'settlement',
  'gateway',
];

/** The room that serves `lachak.v1.Dispatch`; null for what every process serves (its clock, its health). */
export function roomServing(typeName: string): RoomName | null {
  const noun = typeName.split('.').at(-1)!.toLowerCase();
  if (noun === 'access') return 'gateway';
  return roomNames.find((room) => room === noun) ?? null;
}

/** True when `from` may call what `to` serves; a room may call itself, and the gateway conducts the clocks of all. */
export function mayCall(from: RoomName, to: RoomName | null): boolean {
  if (to === null) return from === 'gateway';
  return from === to || arrows[from].includes(to);
}
