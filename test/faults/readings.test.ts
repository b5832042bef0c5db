import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runTill } from './killed.ts';

// A delivery is killed with SIGKILL after its tile is on disk and before or after its rows are committed. What was acknowledged is
// there afterwards, the rest is delivered again, nothing is there twice, and no file is left that no row names.
const run = (folder: string, fault: string) => runTill(fault, 'readings', folder, '5');

describe('a delivery that is killed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-readings-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    ['metering.before_commit:1', 0, 'the very first file: an orphan, and nothing acknowledged'],
    ['metering.before_commit:3', 2, 'the third: two are acknowledged'],
    ['metering.after_commit:3', 2, 'the third is committed, and its sender never knew'],
  ])('at %s loses nothing acknowledged: %i (%s)', async (fault, acknowledged) => {
    const { signal, output, errors } = await run(folder, fault);
    expect({ signal, errors }).toEqual({ signal: 'SIGKILL', errors: '' });
    expect(output.match(/acknowledged/g)?.length ?? 0).toBe(acknowledged);
  });

  test('is delivered again, each reading once, with one tile and one fact', async () => {
    const { output, errors } = await run(folder, '');
    expect(errors).toBe('');
    expect(JSON.parse(/result (.*)/.exec(output)?.[1] ?? 'null')).toEqual({
      readings: ['100', '200', '300', '400', '500'],
      facts: 5,
      tiles: 5,
      swept: 3,
    });
  });
});
