import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// Compaction and retention are killed with SIGKILL: after a base is on disk and before its row is committed, and after versions were let go
// and before their files are gone. Whatever was done, every reading is there, nothing is torn, and no file is left that no row names.
const child = fileURLToPath(new URL('../../dist/test/faults/compaction.js', import.meta.url));

function run(folder: string, fault: string): Promise<{ signal: NodeJS.Signals | null; output: string; errors: string }> {
  const made = spawn(process.execPath, [child, folder], { env: { ...process.env, LACHAK_FAULT: fault } });
  const text = { output: '', errors: '' };
  made.stdout.on('data', (part) => {
    text.output += part;
  });
  made.stderr.on('data', (part) => {
    text.errors += part;
  });
  return new Promise((done) => made.once('close', (_, signal) => done({ signal, ...text })));
}

describe('compaction that is killed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-compaction-'));
  beforeAll(() => {
    if (!existsSync(child)) throw new Error(`${child} is missing: npm run build makes it`);
  });
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
