import { isInt32, place, room, take } from './weather.ts';

/** Groups of persons in the core: what leaves it are means of at least 15 of them. */
export type ControlKernel = {
  /** Throws RangeError when the input lies outside the core's bounds. */
  compare(input: GroupColumns): GroupComparison;
};

/** Columns as `assembly/control.ts` lays them out; P persons, W slots. Rows of persons in an order that does not depend on who asks. */
export type GroupColumns = {
  readonly persons: number;
  readonly slots: number;
  /** [P] 1 treated, 0 control. */
  readonly role: Uint8Array;
  readonly stratum: Uint8Array;
  /** [W][P] Wh. */
  readonly event: Int32Array;
  /** [W][P] Wh, sum of `days` ordinary days. */
  readonly pre: BigInt64Array;
  readonly days: number;
  readonly matched: boolean;
  readonly seed: bigint;
  /** Draws of the bootstrap, and how many of them lie beyond either end of the interval, plus one. */
  readonly draws: number;
  readonly rank: number;
};

export type GroupStatus = 'ok' | 'group_too_small' | 'stratum_too_small' | 'stratum_too_large' | 'interval_unbounded';

export type GroupComparison = {
  readonly status: GroupStatus;
  readonly treated: number;
  readonly controls: number;
  /** Null unless groups are large enough. By slot, Wh a person. */
  readonly means: {
    readonly treated: readonly number[];
    readonly controls: readonly number[];
    readonly treatedBefore: readonly number[];
    readonly controlsBefore: readonly number[];
    readonly impact: readonly number[];
    readonly totalWh: number;
    /** Null when the draws have no end. */
    readonly interval: readonly [number, number] | null;
  } | null;
};

type ControlColumn =
  | ('CONTROL_ROLE' | 'CONTROL_STRATUM' | 'CONTROL_EVENT' | 'CONTROL_PRE' | 'CONTROL_TREATED' | 'CONTROL_OTHERS')
  | ('CONTROL_TREATED_PRE' | 'CONTROL_OTHERS_PRE' | 'CONTROL_IMPACT' | 'CONTROL_TOTAL' | 'CONTROL_COUNT' | 'CONTROL_COLUMNS');

/** What the core must export for this. */
export type ControlCore = Readonly<Record<ControlColumn, { readonly value: number }>> & {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  controlColumn(which: number, persons: number, slots: number, draws: number, cells: number): number;
  control(
    ...terms: [
      persons: number,
      slots: number,
      draws: number,
      cells: number,
      days: number,
      matched: number,
      seed: bigint,
      rank: number,
    ]
  ): number;
};

const STATUS: readonly (GroupStatus | null)[] = [
  'ok',
  null,
  'group_too_small',
  'stratum_too_small',
  'stratum_too_large',
  'interval_unbounded',
];

export const controlKernel = (core: ControlCore): ControlKernel => ({ compare: (input) => compare(core, input) });

function compare(core: ControlCore, input: GroupColumns): GroupComparison {
  const { persons, slots, role, stratum, event, pre, days, matched, seed, draws, rank } = input;
  const fits =
    [role, stratum].every(({ length }) => length === persons) && event.length === persons * slots && pre.length === event.length;
  demand(fits, 'the columns of persons are not [slots][persons]');
  demand(
    [persons, slots, days, draws, rank].every(isInt32) && persons * slots <= 2 ** 24 && draws <= 19_999,
    'more persons, slots or draws than the core takes',
  );
  const cells = matched ? mostPairs(role, stratum) : 0;
  const shape = [persons, slots, draws, cells] as const;
  const address = (name: ControlColumn) => core.controlColumn(core[name].value, ...shape);
  room(core, address('CONTROL_COLUMNS'));
  place(core, address('CONTROL_ROLE'), role);
  place(core, address('CONTROL_STRATUM'), stratum);
  place(core, address('CONTROL_EVENT'), event);
  place(core, address('CONTROL_PRE'), pre);
  const status = STATUS[core.control(...shape, days, matched ? 1 : 0, seed, rank)];
  demand(status !== null && status !== undefined, 'the groups or terms lie outside the bounds of the core');
  const [treated, controls] = take(core, address('CONTROL_COUNT'), new Int32Array(2));
  const floats = (name: ControlColumn, count = slots) => Array.from(take(core, address(name), new Float64Array(count)));
  const [totalWh, low, high] = floats('CONTROL_TOTAL', 3);
  return {
    ...{ status: status!, treated: treated!, controls: controls! },
    means:
      status === 'ok' || status === 'interval_unbounded'
        ? {
            ...{ treated: floats('CONTROL_TREATED'), controls: floats('CONTROL_OTHERS') },
            ...{ treatedBefore: floats('CONTROL_TREATED_PRE'), controlsBefore: floats('CONTROL_OTHERS_PRE') },
            ...{ impact: floats('CONTROL_IMPACT'), totalWh: totalWh!, interval: status === 'ok' ? [low!, high!] : null },
          }
        : null,
  };
}

/** The most treated times controls of a stratum, within what the core takes: the core says so when a stratum has more. */
function mostPairs(role: Uint8Array, stratum: Uint8Array): number {
  const counts = new Int32Array(512);
  for (const [p, own] of stratum.entries()) counts[own * 2 + (role[p] === 1 ? 1 : 0)]!++;
  return Math.min(2 ** 26, Math.max(...Array.from({ length: 256 }, (_, s) => counts[2 * s]! * counts[2 * s + 1]!)));
}

function demand(holds: boolean, complaint: string): void {
  if (!holds) throw new RangeError(complaint);
}
