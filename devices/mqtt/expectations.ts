/** Who follows steps, and who has answered which: one bounded wait for a silent one, then none until it speaks. */
export function expectations() {
  const answers = new Map<string, number>();
  const dropped = new Set<string>();
  let look = (): void => {};
  return {
    /** From the next step on it is waited for. */
    expect: (id: string): void => {
      if (!answers.has(id)) answers.set(id, 0);
      dropped.delete(id);
    },
    forget: (id: string): void => {
      answers.delete(id);
      dropped.delete(id);
      look();
    },
    answered: (id: string, step: number): void => {
      dropped.delete(id);
      answers.set(id, Math.max(step, answers.get(id) ?? 0));
      look();
    },
    /** Resolves with those that had not answered `step` within the bound. */
    settled: (step: number, boundMs: number): Promise<string[]> =>
      new Promise((done) => {
        const waitingFor = () => [...answers].filter(([id, last]) => last < step && !dropped.has(id)).map(([id]) => id);
        const finish = (silent: string[]): void => {
          clearTimeout(timer);
          look = () => {};
          for (const id of silent) dropped.add(id);
          done(silent);
        };
        const timer = setTimeout(() => finish(waitingFor()), boundMs);
        // One that joins while we wait is not of this step, unless it says so.
        const asked = new Set(waitingFor());
        look = () => {
          for (const [id, last] of answers) if (last >= step) asked.delete(id);
          for (const id of asked) if (!answers.has(id)) asked.delete(id);
          if (asked.size === 0) finish([]);
        };
        look();
      }),
  };
}
