import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runTill } from './killed.ts';

// Compaction and retention are killed with SIGKILL: after a base is on disk and before its row is committed, and after versions were let go
// and before their files are gone. Whatever was done, every reading is there, nothing is torn, and no file is left that no row names.
const run = (folder: string, fault: string) => runTill(fault, 'compaction', folder);

describe('compaction that is killed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-compaction-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    ['metering.before_fold:2', 0, 'the second base is an orphan, the first is done'],
    ['metering.retained:1', 1, 'the first versions are let go, their files still there'],
  ])('at %s stops there (%i: %s)', async (fault, compacted) => {
    const { signal, output, errors } = await run(folder, fault);
    expect({ signal, errors }).toEqual({ signal: 'SIGKILL', errors: '' });
    expect(output.match(/^compacted$/gm)?.length ?? 0).toBe(compacted);
  });

  test('goes on where it was: every reading, one base a day, nothing else', async () => {
    const { output, errors } = await run(folder, '');
    expect(errors).toBe('');
    expect(JSON.parse(/result (.*)/.exec(output)?.[1] ?? 'null')).toEqual({ readings: [400, 400], faults: [], tiles: 2 });
  });
});
