import { Refusal } from '../domain/outcome.ts';

/** What the system says when a disk, or somebody's share of it, has no room left. */
const FULL: readonly string[] = ['ENOSPC', 'EDQUOT'];

/**
 * Writes below `folder`. Throws Refusal `disk_full`: it is nobody's mistake and may pass, so the same may be told again; whatever else
 * goes wrong is thrown as it is.
 */
export async function withRoom<T>(folder: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!FULL.includes(code ?? '')) throw error;
    throw new Refusal(
      'unavailable',
      'disk_full',
      `the disk under ${folder} is full (${message}): make room there; nothing of this was taken, what was taken before is kept, and the same can be told again`,
    );
  }
}
