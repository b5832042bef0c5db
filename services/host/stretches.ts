/** What one leader numbered without a break: the positions beyond `after`, until the next stretch begins. */
export type Stretch = { readonly id: string; readonly after: bigint };

/**
 * How far two histories of one outbox are the same: the one a follower has `seen`, which it has handled up to `handled`, and the one
 * that is `there` now and reaches to `head`. They part where the newest stretch of both ends in either.
 */
export function agreedTo(seen: readonly Stretch[], handled: bigint, there: readonly Stretch[], head: bigint): bigint {
  for (let i = seen.length - 1; i >= 0; i--) {
    const same = there.findIndex(({ id }) => id === seen[i]!.id);
    if (same < 0) continue;
    const mine = seen[i + 1]?.after ?? handled;
    const theirs = there[same + 1]?.after ?? head;
    if (mine > theirs) return theirs;
    return mine;
  }
  return 0n;
}

/** True when a fact said to have this position in the history that ended with stretch `id` has it in the one that was `seen`, too. */
export function isOf(seen: readonly Stretch[], id: string, position: bigint): boolean {
  const at = seen.findIndex((stretch) => stretch.id === id);
  const next = seen[at + 1];
  return at >= 0 && (next === undefined || position <= next.after);
}

/** As stored: `[["", "0"], ["k3…", "120"]]`. */
export const stretchesIn = (stored: readonly (readonly [string, string])[]): Stretch[] =>
  stored.map(([id, after]) => ({ id, after: BigInt(after) }));
