import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// A delivery is killed with SIGKILL after its tile is on disk and before or after its rows are committed. What was acknowledged is
// there afterwards, the rest is delivered again, nothing is there twice, and no file is left that no row names.
const child = fileURLToPath(new URL('../../dist/test/faults/readings.js', import.meta.url));

function run(folder: string, fault: string): Promise<{ signal: NodeJS.Signals | null; output: string; errors: string }> {
  const made = spawn(process.execPath, [child, folder, '5'], { env: { ...process.env, LACHAK_FAULT: fault } });
  const text = { output: '', errors: '' };
  made.stdout.on('data', (part) => {
    text.output += part;
  });
  made.stderr.on('data', (part) => {
    text.errors += part;
  });
  return new Promise((done) => made.once('close', (_, signal) => done({ signal, ...text })));
}

describe('a delivery that is killed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-readings-'));
  beforeAll(() => {
    if (!existsSync(child)) throw new Error(`${child} is missing: npm run build makes it`);
  });
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
