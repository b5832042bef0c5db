/** Something that happens again and again; whoever looked at `count` before looking at the world misses nothing. */
export class Signal {
  count = 0;
  readonly #waiting = new Set<() => void>();

  fire(): void {
    this.count++;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves when it has fired beyond `seen`, or after `atMostMs` of wall time. */
  async beyond(seen: number, atMostMs: number): Promise<void> {
    if (this.count > seen) return;
    await new Promise<void>((done) => {
      const timer = setTimeout(done, atMostMs);
      this.#waiting.add(() => {
        clearTimeout(timer);
        done();
      });
    });
  }
}

/** Runs what it is given one after the other, in the order it came. */
export function inTurn(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next.catch(() => {});
    return next;
  };
}
