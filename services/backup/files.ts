import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, link, mkdir, open, readdir, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { FilePart } from './manifest.ts';
import { measuring } from './measuring.ts';

/** Made anew when missing, and of no use elsewhere. */
const LEFT_OUT = new Set(['secrets/postgres-password']);
const isDraft = (path: string): boolean => /\.draft$|\.[0-9a-f]{8}\.tile$|\.replaced$/.test(path);

/** All files in these folders of the state folder, by their paths below it. */
export async function filesIn(folder: string, among: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const part of among) {
    const entries = await readdir(join(folder, part), { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = relative(folder, join(entry.parentPath, entry.name));
      if (entry.isFile() && !isDraft(path) && !LEFT_OUT.has(path)) found.push(path);
    }
  }
  return found.sort();
}

/**
 * Copies a file, reading it once. With `like`, a file of an earlier backup with that digest, it becomes a second name of that one: what
 * never changes takes no room twice. Null: it went away meanwhile, as drafts do.
 */
export async function copyFile(
  from: string,
  to: string,
  like: { file: string; part: FilePart } | null,
): Promise<Measured | null> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const hash = createHash('sha256');
  const measure = measuring(hash);
  if (like) {
    const found = await stat(from).catch(() => null);
    if (!found) return null;
    if (found.size === like.part.bytes && (await digestOf(from)) === like.part.sha256) {
      const linked = await link(like.file, to).then(
        () => true,
        () => false, // the earlier one lies on another disk
      );
      if (linked) return { bytes: like.part.bytes, sha256: like.part.sha256 };
    }
  }
  try {
    await pipeline(createReadStream(from), measure, createWriteStream(to, { mode: 0o600, flush: true }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !(await stat(from).catch(() => null))) return null;
    throw error;
  }
  await chmod(to, 0o600);
  return { bytes: measure.bytes, sha256: hash.digest('hex') };
}
export type Measured = Pick<FilePart, 'bytes' | 'sha256'>;

/** SHA-256 in hex; null when there is no such file. */
export async function digestOf(file: string): Promise<string | null> {
  const hash = createHash('sha256');
  const measure = measuring(hash);
  measure.resume();
  try {
    await pipeline(createReadStream(file), measure);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return hash.digest('hex');
}

/** Names written into these folders are on disk when it returns. */
export async function syncFolders(files: readonly string[]): Promise<void> {
  for (const folder of new Set(files.map(dirname))) {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

/** A few at a time: disks like company, memory does not. */
export async function fourAtOnce<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const queue = all.values();
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (const one of queue) await work(one);
    }),
  );
}
