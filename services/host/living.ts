import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Pids of the processes that work in `folder`. PostgreSQL and all its backends stand in their data folder, so this tells a live
 * server from a stale pid file whatever the pid now belongs to. Without /proc the pid file is all there is, and is believed.
 */
export function livingIn(folder: string): number[] {
  const place = realpathSync(folder);
  const pids = numericEntries('/proc');
  if (pids === null) return believed(folder);
  return pids.filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === place && readFileSync(`/proc/${pid}/cmdline`).includes('postgres');
    } catch {
      return false; // ended meanwhile, or somebody else's
    }
  });
}

function numericEntries(folder: string): number[] | null {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return null;
  }
}

function believed(folder: string): number[] {
  try {
    const pid = Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0]);
    process.kill(pid, 0);
    return [pid];
  } catch {
    return [];
  }
}
