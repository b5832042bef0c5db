import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { conflict } from '../domain/outcome.ts';

/**
 * Holds the state folder for one process. A holder that was killed leaves its file behind; it is taken over once no process of that
 * pid *and* start time lives. Throws Refusal `folder_in_use`, naming the pid.
 */
export async function lockFolder(folder: string): Promise<{ release(): void }> {
  const file = join(folder, 'lock');
  const mine = JSON.stringify({ pid: process.pid, startedAt: startOf(process.pid) });
  const draft = `${file}.${process.pid}`;
  for (let attempt = 0; attempt < 20; attempt++) {
    writeFileSync(draft, mine, { mode: 0o600 });
    try {
      linkSync(draft, file); // fails when the name exists: the one atomic step
      await pause(5);
      if (read(file) === mine) return { release: () => read(file) === mine && unlinkSync(file) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      takeOverStale(folder, file);
    } finally {
      rmSync(draft, { force: true });
    }
    await pause(5);
  }
  throw conflict('folder_in_use', `${folder} is being locked by several processes at once; try again`);
}

/** Whose lock lies in the folder, and whether that process lives; null when there is none. */
export function holderOf(folder: string): { readonly pid: number; readonly lives: boolean } | null {
  const holder = parse(read(join(folder, 'lock')) ?? '');
  return holder && { pid: holder.pid, lives: lives(holder) };
}

function takeOverStale(folder: string, file: string): void {
  const found = read(file);
  if (found === null) return;
  const holder = parse(found);
  if (holder !== null && lives(holder)) {
    throw conflict(
      'folder_in_use',
      `${folder} is in use by the process ${holder.pid}: stop that one, or give this one another --folder`,
    );
  }
  const aside = `${file}.stale-${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // another one was faster; look again
  }
  // Between reading and renaming somebody else may have taken over: what is not stale goes back.
  if (read(aside) !== found) {
    try {
      linkSync(aside, file);
    } catch {
      // The name is taken again; its holder checks that the file is its own.
    }
  }
  rmSync(aside, { force: true });
}

type Holder = { readonly pid: number; readonly startedAt: string | null };

function lives(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  // A pid comes back after a reboot or a wrap; its start does not. Where it cannot be known, the pid is believed.
  return holder.startedAt === null || startOf(holder.pid) === holder.startedAt;
}

/** Boot and start of a process in clock ticks since; null where there is no /proc, and for a zombie, which holds nothing any more. */
function startOf(pid: number): string | null {
  const stat = read(`/proc/${pid}/stat`);
  const boot = read('/proc/sys/kernel/random/boot_id');
  if (stat === null || boot === null) return null;
  // The second field is the command in parentheses, which may hold spaces; state is the first field after it, start the 20th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? null : `${boot.trim()}/${fields[19]}`;
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function parse(text: string): Holder | null {
  try {
    const holder = JSON.parse(text);
    return Number.isInteger(holder?.pid) ? holder : null;
  } catch {
    return null;
  }
}
