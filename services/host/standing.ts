import type { Database, RoomName } from './room.ts';

export type Lag = {
  /** True when every fact is numbered and every follower here has handled every one. */
  readonly settled: boolean;
  /** Changes whenever a fact was published, numbered or handled. */
  readonly mark: string;
  /** For people: `dispatch has handled 12 of 14 facts of registry: <last error>`. */
  readonly waiting: readonly string[];
};
/** Backlog and lag in plain numbers: for metrics, and for `lachak facts`. */
export type Standing = {
  readonly outboxes: readonly { readonly room: RoomName; readonly position: bigint; readonly unnumbered: bigint }[];
  readonly followers: readonly FollowerStanding[];
};
export type FollowerStanding = {
  readonly room: RoomName;
  readonly upstream: RoomName;
  /** Handled up to here in every partition. */
  readonly position: bigint;
  /** Facts of the upstream it has not handled yet. */
  readonly behind: bigint;
  readonly parked: bigint;
  /** Partitions this process owns. */
  readonly owned: number;
  /** Facts that JetStream brought, since the start; the others were listed. */
  readonly received: number;
  readonly failure: string | null;
  /** The upstream was put back to before what was handled here, and a person has to decide. */
  readonly putBack: boolean;
};
type Follows = Omit<FollowerStanding, 'position' | 'behind' | 'parked'>;

/** One snapshot over all rooms of this process, so nothing can hide between two looks. */
export async function standingOf(host: Database, rooms: readonly RoomName[], followers: readonly Follows[]): Promise<Standing> {
  if (rooms.length === 0) return { outboxes: [], followers: [] };
  const outboxes = rooms.map(
    (room) => `select '${room}' as room, '' as upstream, (select last_position from ${room}.relay) as position,
    (select count(*) from ${room}.outbox where position is null) as open`,
  );
  const cursors = followers.map(
    ({ room, upstream }) =>
      `select '${room}', '${upstream}', coalesce((select position from ${room}.cursor where upstream = '${upstream}'), 0),
      (select count(*) from ${room}.fact_parked where upstream = '${upstream}' and state <> 'dropped')`,
  );
  const rows = await host.query<{ room: RoomName; upstream: RoomName | ''; position: bigint; open: bigint }>(
    [...outboxes, ...cursors].join(' union all '),
  );
  const heads = new Map(rows.filter((row) => row.upstream === '').map((row) => [row.room, row.position]));
  return {
    outboxes: rows.flatMap(({ room, upstream, position, open }) =>
      upstream === '' ? [{ room, position, unnumbered: open }] : [],
    ),
    followers: followers.map((follower) => {
      const row = rows.find(({ room, upstream }) => room === follower.room && upstream === follower.upstream)!;
      const behind = (heads.get(follower.upstream) ?? 0n) - row.position;
      return { ...follower, position: row.position, behind: behind > 0n ? behind : 0n, parked: row.open };
    }),
  };
}

export function lagOf({ outboxes, followers }: Standing): Lag {
  const waiting = [
    ...outboxes.flatMap(({ room, unnumbered }) =>
      unnumbered > 0n ? [`${unnumbered} facts of ${room} are not numbered yet`] : [],
    ),
    ...followers.flatMap(({ room, upstream, position, behind, parked, failure, putBack }) => [
      ...(putBack ? [failure ?? `${upstream} was put back`] : []),
      ...(behind > 0n
        ? [`${room} has handled ${position} of ${position + behind} facts of ${upstream}${failure ? `: ${failure}` : ''}`]
        : []),
      ...(parked > 0n ? [`${room} has parked ${parked} facts of ${upstream} (lachak facts)`] : []),
    ]),
  ];
  const marks = [
    ...outboxes.map(({ position, unnumbered }) => `${position}+${unnumbered}`),
    ...followers.map(({ position, parked }) => `${position}+${parked}`),
  ];
  return { settled: waiting.length === 0, mark: marks.join(' '), waiting };
}
