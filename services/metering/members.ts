import type { Member } from './validate.ts';

/** Members by ordinal as three columns: a message of thousands of objects takes longer than laying a small day. */
export type MemberColumns = {
  /** Ids and areas, each with a zero byte behind it, which no name has. */
  readonly meterIds: string;
  readonly areaIds: string;
  /** W; NaN = there is no such meter. */
  readonly sanctionedLoadsW: Float64Array;
};

export const columnsOf = (members: readonly (Member | undefined)[]): MemberColumns => ({
  meterIds: members.map((member) => `${member?.meterId ?? ''}\0`).join(''),
  areaIds: members.map((member) => `${member?.areaId ?? ''}\0`).join(''),
  sanctionedLoadsW: Float64Array.from(members, (member) => member?.sanctionedLoadW ?? Number.NaN),
});

export function membersFrom({ meterIds, areaIds, sanctionedLoadsW }: MemberColumns): (Member | undefined)[] {
  const [ids, areas] = [meterIds.split('\0'), areaIds.split('\0')];
  return Array.from(sanctionedLoadsW, (sanctionedLoadW, i) =>
    Number.isNaN(sanctionedLoadW) ? undefined : { meterId: ids[i]!, sanctionedLoadW, areaId: areas[i]! },
  );
}
