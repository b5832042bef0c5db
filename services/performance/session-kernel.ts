import { isInt32, place, room, take } from './weather.ts';

/** What sessions would have drawn unsteered, in exact integers of W·ms (3,600,000 make a Wh). */
export type SessionKernel = {
  /** Throws RangeError when the input lies outside the core's bounds. */
  unsteered(input: SessionColumns): UnsteeredSessions;
};

/** S sessions by plug-in, T blocks; columns as `assembly/session.ts` lays them out. */
export type SessionColumns = {
  readonly sessions: number;
  readonly blocks: number;
  /** Length of a block. */
  readonly blockMs: number;
  /** [S] Wh. */
  readonly energy: Int32Array;
  /** [S][T] W, and ms of the block in which that power was to be had. */
  readonly power: Int32Array;
  readonly allowed: Int32Array;
  /** [S][T] Wh. */
  readonly metered: Int32Array;
  /** [T] W, −1 = no limit. */
  readonly site: Int32Array;
};

export type UnsteeredSessions = {
  /** [S][T] W·ms. */
  readonly baseline: BigInt64Array;
  /** [S] W·ms for which the session had no time. */
  readonly short: BigInt64Array;
  /** [S] 1 = drew more than stated, or earlier; 2 = and broke the site's limit. */
  readonly flags: Uint8Array;
};

type SessionColumn =
  | ('SESSION_ENERGY' | 'SESSION_POWER' | 'SESSION_ALLOWED' | 'SESSION_METERED' | 'SESSION_SITE')
  | ('SESSION_BASELINE' | 'SESSION_SHORT' | 'SESSION_FLAGS' | 'SESSION_COLUMNS');

/** What the core must export for this. */
export type SessionCore = Readonly<Record<SessionColumn, { readonly value: number }>> & {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  sessionColumn(which: number, sessions: number, blocks: number): number;
  sessionBaseline(sessions: number, blocks: number, blockMs: number): number;
};

export const sessionKernel = (core: SessionCore): SessionKernel => ({ unsteered: (input) => unsteered(core, input) });

function unsteered(core: SessionCore, input: SessionColumns): UnsteeredSessions {
  const { sessions, blocks, blockMs, energy, power, allowed, metered, site } = input;
  const cells = sessions * blocks;
  const fits =
    energy.length === sessions && site.length === blocks && [power, allowed, metered].every(({ length }) => length === cells);
  if (!fits) throw new RangeError('the columns of sessions are not [sessions][blocks]');
  if (![sessions, blocks, blockMs].every(isInt32) || cells > 2 ** 24)
    throw new RangeError('more sessions or blocks than the core takes');
  const address = (name: SessionColumn) => core.sessionColumn(core[name].value, sessions, blocks);
  room(core, address('SESSION_COLUMNS'));
  place(core, address('SESSION_ENERGY'), energy);
  place(core, address('SESSION_POWER'), power);
  place(core, address('SESSION_ALLOWED'), allowed);
  place(core, address('SESSION_METERED'), metered);
  place(core, address('SESSION_SITE'), site);
  if (core.sessionBaseline(sessions, blocks, blockMs) !== 0)
    throw new RangeError('a session lies outside the bounds of the core: power up to 10 MW, nothing negative');
  return {
    baseline: take(core, address('SESSION_BASELINE'), new BigInt64Array(cells)),
    short: take(core, address('SESSION_SHORT'), new BigInt64Array(sessions)),
    flags: take(core, address('SESSION_FLAGS'), new Uint8Array(sessions)),
  };
}
