import { between } from '../../devices/simulated/random.ts';

/** One connection of the demo: a home, or a public charger. */
export type Home = {
  readonly id: string; // h-001, c-001
  readonly kind: 'AC' | 'CHARGER' | 'BEHAVIOURAL';
  readonly areaId: string;
  readonly organisationId: string; // aggregator or charge-point operator; behavioural homes are the DISCOM's own
  readonly sanctionedW: number;
};

export const DISCOM = 'DEMO';
export const AGGREGATOR = 'coolhomes';
export const OPERATOR_OF_CHARGERS = 'voltpoint';

/** Substation, two feeders, two transformers each. The second transformer of feeder 2 is the one that fails. */
export const AREAS = [
  { areaId: 'ss-1', kind: 'SUBSTATION', name: 'Rohini substation', parentId: '' },
  { areaId: 'f-1', kind: 'FEEDER', name: 'Feeder 1', parentId: 'ss-1' },
  { areaId: 'f-2', kind: 'FEEDER', name: 'Feeder 2', parentId: 'ss-1' },
  { areaId: 't-1', kind: 'TRANSFORMER', name: 'Transformer 1', parentId: 'f-1' },
  { areaId: 't-2', kind: 'TRANSFORMER', name: 'Transformer 2', parentId: 'f-1' },
  { areaId: 't-3', kind: 'TRANSFORMER', name: 'Transformer 3', parentId: 'f-2' },
  { areaId: 't-4', kind: 'TRANSFORMER', name: 'Transformer 4', parentId: 'f-2' },
] as const;
export const BLACKED_OUT = 't-4';
const TRANSFORMERS = ['t-1', 't-2', 't-3', 't-4'];

/**
 * So many homes, seven in ten of them with an air conditioner and the others by notice, and a charger for every fifth, spread over the
 * transformers in turn.
 */
export function homes(seed: number, count: number): readonly Home[] {
  const cooled = Math.round(0.7 * count);
  const of = (prefix: string, from: number, count: number, kind: Home['kind'], organisationId: string): Home[] =>
    Array.from({ length: count }, (_, i) => {
      const id = `${prefix}-${String(from + i).padStart(3, '0')}`;
      const sanctionedW = kind === 'CHARGER' ? 11_000 : 1000 * Math.round(between(3, 8, seed, 'sanctioned', id));
      return { id, kind, areaId: TRANSFORMERS[i % TRANSFORMERS.length]!, organisationId, sanctionedW };
    });
  return [
    ...of('h', 1, cooled, 'AC', AGGREGATOR),
    ...of('h', cooled + 1, count - cooled, 'BEHAVIOURAL', ''),
    ...of('c', 1, Math.round(count / 5), 'CHARGER', OPERATOR_OF_CHARGERS),
  ];
}

export const participantOf = (home: Home): string => `p-${home.id}`;
export const connectionOf = (home: Home): string => `k-${home.id}`;
export const meterOf = (home: Home): string => `m-${home.id}`;
export const pointOf = (home: Home): string => `sp-${home.id}`;
export const resourceOf = (home: Home): string => `r-${home.id}`;
export const deviceOf = (home: Home): string => `d-${home.id}`;
