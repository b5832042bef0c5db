import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockFolder } from './lock.ts';

describe('one process a folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lachak-lock-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('a second holder is refused and told the pid; a released folder is free', async () => {
    const held = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toMatchObject({
      code: 'folder_in_use',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    held.release();
    (await lockFolder(folder)).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each([
    ['a pid that is gone', JSON.stringify({ pid: 2 ** 22 + 1, startedAt: 'x/1' })],
    ['a pid that now belongs to another process', JSON.stringify({ pid: process.pid, startedAt: 'an earlier boot/1' })],
    ['half a file', '{"pid":'],
  ])('%s does not keep the folder locked', async (_, content) => {
    writeFileSync(join(folder, 'lock'), content);
    const held = await lockFolder(folder);
    held.release();
    expect(existsSync(join(folder, 'lock'))).toBe(false);
  });

  test('of twenty that find a stale lock at once, one gets the folder', async () => {
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: 2 ** 22 + 1, startedAt: 'x/1' }));
    const tries = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
    expect(tries.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
  });

  test('a living process of another pid holds it', async () => {
    const other = spawn('sleep', ['30']);
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: other.pid, startedAt: null }));
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'folder_in_use' });
    other.kill();
  });
});
