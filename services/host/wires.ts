import type { DescService } from '@bufbuild/protobuf';
import { invalid, Refusal } from '../domain/outcome.ts';
import { roomNames, roomServing } from './arrows.ts';
import type { Tokens } from './auth.ts';
import { type Config, isApart } from './config.ts';
import { type Own, openWire, type Wire } from './connect.ts';
import type { RoomName } from './room.ts';
import type { Tls } from './tls.ts';
import type { Trace } from './trace.ts';

/** The ways to all rooms: through our own server when they are here, else to where the configuration says. */
export type Wires = {
  /** Throws Refusal `room_nowhere` when the configuration does not say where the room is. */
  to(service: DescService, as: string): Wire;
  /** One process, for what every process serves; spoken to as the gateway. */
  toAddress(address: string, room: RoomName): Wire;
  /** A room's own authority. */
  own(room: string): Own;
  /** From when our own server listens. */
  begin(ownAddress: string): void;
  close(): void;
};

export function openWires(config: Config, here: readonly RoomName[], tls: Tls | null, tokens: Tokens, trace: Trace): Wires {
  const open = new Map<string, Wire>();
  let own = '';
  const speaker = (as: string): RoomName => {
    if (!tls) return 'gateway'; // unused: a token says who speaks
    return tls.rooms.includes(as as RoomName) ? (as as RoomName) : tls.rooms[0]!;
  };
  const wire = (addresses: string, server: RoomName, as: string): Wire => {
    const key = `${addresses} ${server} ${speaker(as)}`;
    const found = open.get(key) ?? openWire(addresses, tls && { tls, as: speaker(as), server }, trace.here);
    open.set(key, found);
    return found;
  };
  const toRoom = (room: RoomName, as: string): Wire => {
    if (here.includes(room) || !isApart(config)) return wire(own, tls?.rooms[0] ?? room, as);
    const addresses = config.rooms[room];
    if (addresses === '')
      throw new Refusal('unavailable', 'room_nowhere', `the configuration does not say where ${room} is: set rooms.${room}`);
    return wire(addresses, room, as);
  };
  return {
    to: (service, as) => {
      const room = roomServing(service.typeName);
      return room === null ? wire(own, tls?.rooms[0] ?? roomNames[0]!, as) : toRoom(room, as);
    },
    toAddress: (address, room) => wire(address, room, 'gateway'),
    own: (room) => (discom) => tokens.ofRoom(room, discom),
    begin: (ownAddress) => {
      own = ownAddress;
    },
    close: () => {
      for (const one of open.values()) one.close();
    },
  };
}

/** Tokens alone guard a socket in a closed folder, or loopback; never a network. Throws Refusal `config_invalid`. */
export function expectGuarded(address: string, tls: Tls | null): void {
  const host = address.slice(0, address.lastIndexOf(':'));
  if (tls || address.startsWith('unix:') || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(host)) return;
  throw invalid(
    'config_invalid',
    `grpc.address ${address} can be reached from other machines, so it needs tls.ca, tls.cert and tls.key (lachak certs makes them for trials)`,
    'grpc.address',
  );
}
