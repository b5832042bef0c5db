import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Refusal } from '../domain/outcome.ts';

/** As whom PostgreSQL runs: `owner` null = as ourselves; `through` is what its programs are started with. */
export type ServerUser = { readonly owner: Owner | null; readonly through: readonly string[] };
type Owner = { readonly uid: number; readonly gid: number };

/**
 * PostgreSQL refuses to run as root. So root lends it the user `postgres`, who gets passage through our folder; where something above
 * is closed to that user (a clone under /root), it runs as root's shadow in a user namespace, with root's files and none of root's
 * powers. Everybody else runs it as themselves. Throws Refusal `folder_unreachable` when neither way is open.
 */
export function serverUser(server: string, program: string): ServerUser {
  if (process.getuid?.() !== 0) return { owner: null, through: [] };
  const owner = postgresUser();
  const folder = dirname(server);
  const closed = closedTo(owner, dirname(folder)) ?? closedTo(owner, dirname(program));
  if (closed === null) {
    // Only our own folder is opened, and only for passing through; what lies above it is not ours to change.
    if (!passable(folder, owner)) {
      chownSync(folder, -1, owner.gid);
      chmodSync(folder, (statSync(folder).mode & 0o777) | 0o010);
    }
    giveTo(owner, server);
    return { owner, through: [] };
  }
  if (!namespacesWork()) {
    throw new Refusal(
      'invalid',
      'folder_unreachable',
      `PostgreSQL runs as the user postgres when Lachak runs as root, and ${closed} is closed to it: choose another place, run as an ordinary user, or give --database-url`,
    );
  }
  giveTo({ uid: 0, gid: 0 }, server);
  return { owner: null, through: ['unshare', '--user', '--'] };
}

function postgresUser(): Owner {
  try {
    return idsOf('postgres');
  } catch {
    execFileSync('useradd', ['--system', '--user-group', 'postgres']);
    return idsOf('postgres');
  }
}

const idsOf = (user: string): Owner => ({ uid: idOf('-u', user), gid: idOf('-g', user) });
const idOf = (which: string, user: string) => Number(execFileSync('id', [which, user], { stdio: ['ignore', 'pipe', 'ignore'] }));

/** The nearest folder on the way up that the user cannot pass; null when the way is free. */
function closedTo(owner: Owner, from: string): string | null {
  for (let folder = from; ; folder = dirname(folder)) {
    if (!passable(folder, owner)) return folder;
    if (folder === dirname(folder)) return null;
  }
}

function passable(folder: string, owner: Owner): boolean {
  const { mode, uid, gid } = statSync(folder);
  if (uid === owner.uid) return (mode & 0o100) !== 0;
  return (mode & (gid === owner.gid ? 0o010 : 0o001)) !== 0;
}

// A folder that was moved, or copied from elsewhere, may still belong to the other of the two.
function giveTo(owner: Owner, server: string): void {
  if (existsSync(server) && statSync(server).uid !== owner.uid)
    execFileSync('chown', ['-R', `${owner.uid}:${owner.gid}`, server]);
}

function namespacesWork(): boolean {
  try {
    return (
      execFileSync('unshare', ['--user', '--', 'id', '-u'], { stdio: ['ignore', 'pipe', 'ignore'] })
        .toString()
        .trim() !== '0'
    );
  } catch {
    return false;
  }
}
