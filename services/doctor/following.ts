import { PutBack } from '../host/lineage.ts';
import type { RoomName } from '../host/room.ts';
import { agreedTo, type Stretch } from '../host/stretches.ts';
import { type Finding, note, ok, wrong } from './finding.ts';

/** How far a room is with the facts of one it follows, as its schema and the upstream's outbox say at one moment. */
export type Following = {
  readonly upstream: RoomName;
  /** In every partition. */
  readonly position: bigint;
  /** In the partition that is furthest. */
  readonly handled: bigint;
  readonly stretches: readonly Stretch[];
  /** Partitions of no process that lives. */
  readonly unowned: number;
  readonly parked: {
    readonly count: number;
    readonly position: bigint;
    readonly discom: string;
    readonly error: string;
    readonly since: Date;
  } | null;
  /** Null: its outbox is in another database, or may not be read by this login. */
  readonly there: {
    readonly head: bigint;
    readonly stretches: readonly Stretch[];
    /** The oldest that is not handled; `at` is its domain time. */
    readonly oldest: { readonly position: bigint; readonly kind: string; readonly at: Date } | null;
  } | null;
};
/** One room, looked at once. */
export type RoomFacts = {
  readonly room: RoomName;
  /** Processes that say they live; a house on its own folder keeps no such leases. */
  readonly living: number;
  /** When the last of them will have been, or was, taken for dead. */
  readonly lastWord: Date | null;
  /** The first of the room's own facts without a number, by its place in the outbox. */
  readonly unnumbered: { readonly row: bigint; readonly count: number; readonly at: Date } | null;
  readonly follows: readonly Following[];
};

/** True when a second look is needed to tell what stands still from what is under way. */
export const moves = ({ living, unnumbered, follows }: RoomFacts): boolean =>
  unnumbered !== null || follows.some((one) => (living > 0 && one.unowned > 0) || waiting(one) > 0n);

/**
 * What stands still, since when, and the command to look at it: from two looks some seconds apart. `holder`: a process works in the
 * folder, whose rooms need no leases.
 */
export function factFindings(
  before: RoomFacts,
  { room, living, lastWord, unnumbered, follows }: RoomFacts,
  holder: boolean,
): Finding[] {
  const what = `facts, ${room}`;
  const runs = holder || living > 0;
  const found: Finding[] = [];
  if (runs && unnumbered !== null && unnumbered.row === before.unnumbered?.row)
    found.push(
      wrong(
        what,
        `${unnumbered.count} of its own have no number since ${told(unnumbered.at)}, so nobody hears them; expected within a second: look at the log of ${room}, and start it again`,
      ),
    );
  for (const one of follows) {
    const { upstream, position, handled, stretches, unowned, parked, there } = one;
    if (parked !== null)
      found.push(
        wrong(
          what,
          `${parked.count} of ${upstream} are parked since ${told(parked.since)}, the first, ${upstream}-${parked.position}, with "${parked.error}": lachak facts parked ${room} --discom ${parked.discom}`,
        ),
      );
    if (there === null) {
      found.push(note(what, `${upstream} is in another database: lachak facts, at the running ${room}, says how far it is`));
      continue;
    }
    const agreed = agreedTo(stretches, handled, there.stretches, there.head);
    if (agreed < handled) {
      found.push(wrong(what, new PutBack(room, upstream, agreed, handled).message));
      continue;
    }
    const behind = waiting(one);
    const earlier = before.follows.find((other) => other.upstream === upstream);
    const since = there.oldest ? ` since ${told(there.oldest.at)}` : '';
    if (!runs) {
      const gone = lastWord ? `, whose last process ended before ${told(lastWord)}` : '';
      if (behind > 0n) found.push(note(what, `${behind} of ${upstream} wait${since} for ${room}${gone}: lachak start ${room}`));
      continue;
    }
    if (living > 0 && unowned > 0 && (earlier?.unowned ?? 0) > 0)
      found.push(
        wrong(
          what,
          `${unowned} of the partitions of ${upstream} belong to no process that lives; expected the others to take them within ten seconds: lachak facts, and the logs of ${room}`,
        ),
      );
    else if (behind > 0n && earlier?.position === position && parked === null)
      found.push(
        wrong(
          what,
          `stands still: ${behind} of ${upstream} wait${since}, the first is ${upstream}-${there.oldest?.position} (${there.oldest?.kind}): lachak facts says what is in the way`,
        ),
      );
    else if (behind > 0n) found.push(note(what, `${behind} of ${upstream} wait${since}, and it gets on`));
  }
  if (found.length > 0 || follows.length === 0) return found;
  return [ok(what, `of ${follows.map(({ upstream }) => upstream).join(', ')}: all handled`)];
}

const waiting = ({ position, there }: Following): bigint =>
  there === null || there.head < position ? 0n : there.head - position;
const told = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`;
