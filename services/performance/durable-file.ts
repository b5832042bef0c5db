import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withRoom } from '../host/disk.ts';

/**
 * Writes a file that is either there whole or not at all, also after a power cut: file → fsync → rename → fsync of the folder.
 * Two writers of the same name write the same bytes, so whoever renames last changes nothing. Throws Refusal `disk_full`.
 */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path);
  const draft = `${path}.${process.pid}.draft`;
  const write = async (): Promise<void> => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
    await syncFolder(folder);
  };
  await withRoom(folder, write).catch(async (error: Error) => {
    await rm(draft, { force: true });
    throw error;
  });
}

/** As `writeDurably`, for a file whose name is its content: nothing is done when it is there. */
export async function keepOnce(path: string, bytes: Uint8Array): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found?.size !== bytes.length) await writeDurably(path, bytes);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
