import { between, happens } from '../../devices/simulated/random.ts';
import type { Commitment } from '../../gen/lachak/v1/dispatch_pb.ts';
import { CohortMember_Role } from '../../gen/lachak/v1/dispatch_pb.ts';
import { BLACKED_OUT, type Home, pointOf } from './homes.ts';

/** Who does what tonight. Drawn after the cohort is committed, so that nobody with a part to play sits in the holdout. */
export type Parts = {
  readonly optOut: Home;
  readonly override: Home;
  readonly dead: Home;
  readonly liar: Home;
  /** Its last two readings of the window arrive two days late. */
  readonly late: Home;
  readonly chosen: readonly Home[];
  readonly holdout: readonly Home[];
  readonly blackedOut: readonly Home[];
  /** Behavioural homes: what they answer to the notice, and how much of their load they then leave off. */
  answerOf(home: Home): 'will' | 'not_this_time' | 'silent';
  forgoneShare(home: Home): number;
};

export function castParts(seed: number, homes: readonly Home[], commitment: Commitment): Parts {
  const roles = new Map(commitment.members.map((member) => [member.settlementPointId, member.role]));
  const chosen = homes.filter((home) => roles.get(pointOf(home)) === CohortMember_Role.CHOSEN);
  const cooled = chosen.filter((home) => home.kind === 'AC' && home.areaId !== BLACKED_OUT);
  if (cooled.length < 5) throw new Error(`only ${cooled.length} air conditioners were chosen: too few for the story`);
  const [optOut, override, dead, liar, late] = spread(cooled, 5) as [Home, Home, Home, Home, Home];
  const answerOf = (home: Home) =>
    happens(0.6, seed, 'will', home.id) ? 'will' : happens(0.5, seed, 'will not', home.id) ? 'not_this_time' : 'silent';
  return {
    optOut,
    override,
    dead,
    liar,
    late,
    chosen,
    holdout: homes.filter((home) => roles.get(pointOf(home)) === CohortMember_Role.HOLDOUT),
    blackedOut: homes.filter((home) => home.areaId === BLACKED_OUT),
    answerOf,
    forgoneShare: (home) => (answerOf(home) === 'will' ? between(0.15, 0.45, seed, 'forgone', home.id) : 0),
  };
}

/** `count` members of the list, evenly apart. */
const spread = <T>(list: readonly T[], count: number): T[] =>
  Array.from({ length: count }, (_, i) => list[Math.floor(((i + 0.5) * list.length) / count)]!);
