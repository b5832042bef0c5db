import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder } from './folder.ts';

test('makes what is missing, closed to others, and is content with what is there', () => {
  const root = mkdtempSync(join(tmpdir(), 'lachak-folder-'));
  makeFolder(join(root, 'a', 'b'));
  makeFolder(join(root, 'a', 'b'));
  expect(statSync(join(root, 'a', 'b')).mode & 0o777).toBe(0o700);
  rmSync(root, { recursive: true });
});

test.runIf(existsSync('/proc/self'))('says so at once where no folder can be made', () => {
  expect(() => makeFolder('/proc/lachak/data')).toThrow(/ENOENT/);
});
