import type { TilePlace } from './arrange.ts';
import { type KnownMeter, type ShardPlaces, stateAt } from './known.ts';
import type { Member } from './validate.ts';

/** Who is in a tile, by ordinal; undefined = there is no such meter, or it has days of another kind. */
export type Members = {
  readonly members: readonly (Member | undefined)[];
  readonly ids: readonly (string | undefined)[];
  /** Meters of the shard: ordinals that a tile of it has. */
  readonly count: number;
};

/** Where nothing of a shard ever changed, a day is as the next: made once for as long as the shard is remembered. */
const made = new WeakMap<ShardPlaces, { readonly isSteady: boolean; readonly of: Map<string, Members> }>();

export function membersOf(places: ShardPlaces, place: TilePlace): Members {
  const before = made.get(places) ?? { isSteady: isSteady(places), of: new Map<string, Members>() };
  made.set(places, before);
  const { zone, intervalMinutes, dayStart } = place;
  const key = before.isSteady ? `${zone} ${intervalMinutes}` : `${zone} ${intervalMinutes} ${dayStart}`;
  const found = before.of.get(key) ?? madeOf(places, place);
  if (before.of.size < KEPT_MOST) before.of.set(key, found);
  return found;
}

const KEPT_MOST = 8;

/** Whether no meter was ever moved and no connection became another. */
const isSteady = ({ meters, connections }: ShardPlaces): boolean =>
  meters.every(({ links }) => links.length === 1) && [...connections.values()].every((states) => states.length === 1);

function madeOf({ meters, connections }: ShardPlaces, { zone, intervalMinutes, dayStart }: TilePlace): Members {
  const own = byOrdinal(meters).map((meter) =>
    meter?.zone === zone && meter.intervalMinutes === intervalMinutes ? meter : undefined,
  );
  const members = own.map((meter): Member | undefined => {
    if (!meter) return undefined;
    const states = connections.get(stateAt(meter.links, dayStart)?.connectionId ?? '') ?? [];
    const connection = stateAt(states, dayStart);
    const areaId = meter.parentMeterId === '' ? (connection?.areaId ?? '') : '';
    return { meterId: meter.meterId, sanctionedLoadW: connection?.sanctionedLoadW ?? 0, areaId };
  });
  return { members, count: own.length, ids: own.map((meter) => meter?.meterId) };
}

export function byOrdinal(meters: readonly KnownMeter[]): (KnownMeter | undefined)[] {
  const sparse: (KnownMeter | undefined)[] = [];
  for (const meter of meters) sparse[meter.ordinal] = meter;
  return Array.from(sparse);
}

/** Members by ordinal as three columns: a message of thousands of objects takes longer than laying a small day. */
export type MemberColumns = {
  /** Ids and areas, each with a zero byte behind it, which no name has. */
  readonly meterIds: string;
  readonly areaIds: string;
  /** W; NaN = there is no such meter. */
  readonly sanctionedLoadsW: Float64Array;
};

export function columnsOf(members: readonly (Member | undefined)[]): MemberColumns {
  const found = spelled.get(members) ?? {
    meterIds: members.map((member) => `${member?.meterId ?? ''}\0`).join(''),
    areaIds: members.map((member) => `${member?.areaId ?? ''}\0`).join(''),
    sanctionedLoadsW: Float64Array.from(members, (member) => member?.sanctionedLoadW ?? Number.NaN),
  };
  spelled.set(members, found);
  return found;
}
const spelled = new WeakMap<readonly (Member | undefined)[], MemberColumns>();

export function membersFrom({ meterIds, areaIds, sanctionedLoadsW }: MemberColumns): (Member | undefined)[] {
  const [ids, areas] = [meterIds.split('\0'), areaIds.split('\0')];
  return Array.from(sanctionedLoadsW, (sanctionedLoadW, i) =>
    Number.isNaN(sanctionedLoadW) ? undefined : { meterId: ids[i]!, sanctionedLoadW, areaId: areas[i]! },
  );
}
