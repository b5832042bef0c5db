import { Facts as FactsService } from '../../gen/lachak/v1/host_pb.ts';
import { forbidden, invalid, notFound } from '../domain/outcome.ts';
import { mayCall, roomNames } from './arrows.ts';
import type { FactEngine } from './facts.ts';
import { PARTITIONS } from './partition.ts';
import { type Binding, bind, type Caller, type RoomName } from './room.ts';

const MOST = 1000;

/** `lachak.v1.Facts` for the rooms of this process. */
export function factsBinding(facts: FactEngine, here: readonly RoomName[]): Binding {
  const ours = (room: string): RoomName => {
    const found = here.find((name) => name === room);
    if (!found) throw notFound('room_not_here', `${room || 'a room'} does not run in this process`, 'room');
    return found;
  };
  return bind(FactsService, {
    list: async ({ room, after, limit, stretch }, caller) => {
      const upstream = ours(room);
      expectFollower(caller, upstream);
      if (after.some(({ partition }) => partition >= PARTITIONS))
        throw invalid('partition_unknown', `partitions are 0 to ${PARTITIONS - 1}`, 'after');
      if (limit < 1 || limit > MOST) throw invalid('limit_out_of_range', `limit is 1 to ${MOST}`, 'limit');
      const positions = new Map(after.map(({ partition, position }) => [partition, { position }]));
      const { facts: listed, through, head, history } = await facts.list(upstream, positions, limit, stretch);
      return { facts: listed.map(({ fact }) => fact), through, head, history: (history ?? []).map((one) => ({ ...one })) };
    },
    getStanding: async () => {
      const { outboxes, followers } = await facts.standing();
      return {
        outboxes: outboxes.filter(({ room }) => here.includes(room)).map((outbox) => ({ ...outbox })),
        followers: followers.map((follower) => ({ ...follower, failure: follower.failure ?? '' })),
      };
    },
    rejoin: async ({ room, upstream, reason }, { subject }) => {
      if (reason.trim() === '') throw invalid('reason_missing', 'say why it may go on: the reason is kept', 'reason');
      const { agreed, handled } = await facts.rejoin(ours(room), upstream as RoomName, { subject, reason });
      return { agreedTo: agreed, handledTo: handled };
    },
    listParked: async ({ room, dropped }, { discom }) => {
      const rooms = room === '' ? here : [ours(room)];
      const lists = await Promise.all(
        rooms.map(async (name) => (await facts.parked.list(name, discom, dropped)).map((parked) => ({ ...parked, room: name }))),
      );
      return { facts: lists.flat() };
    },
    getParked: async ({ room, upstream, position }, { discom }) =>
      facts.parked.show(ours(room), discom, upstream as RoomName, position),
    replay: async ({ room, upstream, position }, { discom }) => {
      await facts.parked.decide(ours(room), discom, upstream as RoomName, position, null);
      return {};
    },
    drop: async ({ room, upstream, position, reason }, { discom }) => {
      if (reason.trim() === '') throw invalid('reason_missing', 'say why the fact is given up: the reason is kept', 'reason');
      await facts.parked.decide(ours(room), discom, upstream as RoomName, position, reason);
      return {};
    },
  });
}

// All DISCOMs' facts are in one outbox: a room that follows this one may read them all.
function expectFollower({ subject }: Caller, upstream: RoomName): void {
  const from = subject.replace(/^room:/, '');
  const room = roomNames.find((name) => name === from);
  if (!room || !mayCall(room, upstream)) throw forbidden('room_may_not_follow', `${from} does not follow ${upstream}`);
}
