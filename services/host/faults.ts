/** Places at which a test may have this process killed, as kill -9 would: nothing is flushed, nothing is said. */
export type KillPoint =
  | 'relay.before_numbering'
  | 'relay.after_numbering'
  | 'follow.before_handler'
  | 'follow.before_commit'
  | 'follow.after_commit'
  | (string & {});

/** Inert unless LACHAK_FAULT names this place: `place:n` kills at the n-th time it is passed. */
export function killPoint(place: KillPoint): void {
  if (place !== armed.place) return;
  if (++armed.passed === armed.at) process.kill(process.pid, 'SIGKILL');
}

const [place, at] = (process.env.LACHAK_FAULT ?? '').split(':');
const armed = { place: place || null, at: Number(at ?? 1), passed: 0 };
