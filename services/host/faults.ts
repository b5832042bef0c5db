/** Places at which a test may have this process killed, as kill -9 would: nothing is flushed, nothing is said. */
export type KillPoint =
  | 'relay.before_numbering'
  | 'relay.after_numbering'
  | 'follow.before_handler'
  | 'follow.before_commit'
  | 'follow.after_commit'
  | (string & {});

/**
 * Inert unless LACHAK_FAULT names this place: `place:n` kills at the n-th time it is passed; `place:n:stop` only stops there, until a
 * SIGCONT, so that a server can be taken away just then.
 */
export function killPoint(place: KillPoint): void {
  if (place !== armed.place) return;
  if (++armed.passed === armed.at) process.kill(process.pid, armed.signal);
}

const [place, at, then] = (process.env.LACHAK_FAULT ?? '').split(':');
const armed = { place: place || null, at: Number(at ?? 1), signal: then === 'stop' ? 'SIGSTOP' : 'SIGKILL', passed: 0 };
