import { forbidden, Refusal } from '../domain/outcome.ts';
import { arrows, mayCall, roomNames, roomServing } from './arrows.ts';
import type { Identity } from './auth.ts';
import type { RoomName } from './room.ts';

/** What a call says about its caller. */
export type Said = {
  readonly token: string;
  /** The room that calls, and the DISCOM it acts for: said by a room that has a certificate instead of a token. */
  readonly room: string;
  readonly discom: string;
  /** The rooms that the peer's certificate names; null on a connection without certificates. */
  readonly certified: readonly RoomName[] | null;
};

/**
 * Who calls. With certificates, the peer is the room its certificate names: its own calls carry no token, and only the gateway passes
 * on the tokens of people. Without, a token says everything. Either way a room reaches only where its arrows lead.
 * Throws Refusal `room_not_certified`, `room_may_not_call`, `room_may_not_pass_on`, `discom_missing`, or what `verify` throws.
 */
export async function identify(said: Said, typeName: string, verify: (token: string) => Promise<Identity>): Promise<Identity> {
  if (said.certified === null) {
    const identity = await verify(said.token);
    const room = identity.roles.includes('room') ? identity.subject.replace(/^room:/, '') : '';
    if (isRoom(room)) arrowOf(room, typeName);
    return identity;
  }
  const room = said.room || said.certified[0] || '';
  if (!isRoom(room) || !said.certified.includes(room)) {
    const named = said.certified.join(', ') || 'no room';
    throw forbidden('room_not_certified', `the caller says it is ${room || 'nobody'}; its certificate names ${named}`);
  }
  arrowOf(room, typeName);
  if (said.token === '') {
    if (said.discom === '') throw new Refusal('unauthenticated', 'discom_missing', `${room} calls for no DISCOM`);
    return { subject: `room:${room}`, roles: ['room'], discom: said.discom, organisation: '', participant: '' };
  }
  if (room !== 'gateway')
    throw forbidden('room_may_not_pass_on', `${room} may not pass on the tokens of people; the gateway does`);
  const identity = await verify(said.token);
  if (identity.roles.includes('room'))
    throw forbidden('room_not_certified', 'a room speaks by its certificate here, not by a token');
  return identity;
}

const FACTS = 'lachak.v1.Facts';

function arrowOf(from: RoomName, typeName: string): void {
  if (typeName === FACTS) return; // the answer depends on whose: facts-binding.ts asks whether the caller follows
  if (mayCall(from, roomServing(typeName))) return;
  const reach = arrows[from].join(', ') || 'no other room';
  throw forbidden('room_may_not_call', `${from} may not call ${typeName}: its arrows lead to ${reach}`);
}

const isRoom = (name: string): name is RoomName => (roomNames as readonly string[]).includes(name);
