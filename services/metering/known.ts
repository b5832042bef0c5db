import { type Dated, holdsAt, type Instant } from '../domain/interval.ts';

/** A meter as the registry tells it. Shard and ordinal are its place in the tiles, given once, for ever. */
export type KnownMeter = {
  readonly meterId: string;
  readonly shard: number;
  readonly ordinal: number;
  readonly zone: string;
  readonly intervalMinutes: number;
  readonly hasImport: boolean;
  readonly hasExport: boolean;
  /** A sub-meter's parent; empty for a connection's own meter. */
  readonly parentMeterId: string;
  /** The only source that may deliver for it; empty = any of the DISCOM's. */
  readonly source: string;
  /** Which connection it served, with its multiplication factor: in order of `from`. */
  readonly links: readonly (Dated & { readonly connectionId: string; readonly factor: number })[];
};
/** One dated state of a connection. */
export type KnownConnection = Dated & {
  readonly connectionId: string;
  readonly participantId: string;
  readonly areaId: string;
  /** W; 0 = not known. */
  readonly sanctionedLoadW: number;
};

/** Null = the registry knows no such meter, or none that this source may deliver for; null as source = the DISCOM's own people. */
export const deliverable = (meter: KnownMeter | undefined, source: string | null): KnownMeter | null =>
  meter && (source === null || meter.source === '' || meter.source === source) ? meter : null;

/** A shard as it is known. */
export type ShardPlaces = {
  /** By ordinal. */
  readonly meters: readonly KnownMeter[];
  /** Of all connections that these meters have served. */
  readonly connections: ReadonlyMap<string, readonly KnownConnection[]>;
};

/**
 * The state that holds at an instant; of two, the later one. Before the first and in gaps the nearest earlier one, else the first:
 * a meter's history from before its registration is still its history.
 */
export function stateAt<S extends Dated>(states: readonly S[], at: Instant): S | undefined {
  let nearest = states[0];
  for (const state of states) {
    if (state.from <= at) nearest = state;
    else break;
  }
  for (let i = states.length - 1; i >= 0; i--) if (holdsAt(states[i]!, at)) return states[i];
  return nearest;
}
