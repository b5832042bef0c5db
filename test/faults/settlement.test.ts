import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// Kills the process that settles an event at named places, and starts it again on the same folder: nothing is credited, posted, billed
// or said twice, and nothing is left out.
const child = fileURLToPath(new URL('../../dist/test/faults/settlement-run.js', import.meta.url));

function run(folder: string, fault: string): Promise<{ signal: NodeJS.Signals | null; report: unknown; errors: string }> {
  const started = spawn(process.execPath, [child, folder], { env: { ...process.env, LACHAK_FAULT: fault } });
  let [text, errors] = ['', ''];
  started.stdout.on('data', (chunk) => {
    text += chunk;
  });
  started.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const report = () => JSON.parse(/^report (.*)$/m.exec(text)?.[1] ?? 'null') as unknown;
  return new Promise((done) => started.once('close', (_, signal) => done({ signal, report: report(), errors })));
}

describe('a run that is killed goes on where it was', () => {
  const folders: string[] = [];
  beforeAll(() => {
    if (!existsSync(child)) throw new Error(`${child} is missing: npm run build makes it`);
  });
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  test.each([
    [['settlement.before_shard:2'], 'between two shards, the second one read but not kept'],
    [['settlement.after_shard:1'], 'between two shards, the first one kept'],
    [['settlement.after_lines:2'], 'lines of two shards kept, nobody sees them'],
    [['settlement.before_close:1'], 'all computed, nothing committed'],
    [['settlement.posted_shard:2'], 'in the middle of what is posted'],
    [['settlement.after_close:1'], 'committed, and this process never knew'],
    [['settlement.before_shard:1', 'settlement.after_lines:1', 'settlement.posted_shard:3'], 'three times on the way'],
  ])('at %j: %s', async (faults) => {
    const folder = mkdtempSync(join(tmpdir(), 'lachak-faults-'));
    folders.push(folder);
    for (const fault of faults) {
      const killed = await run(folder, fault);
      expect(killed).toMatchObject({ signal: 'SIGKILL', errors: '' });
    }
    const { report, errors } = await run(folder, '');
    expect(errors).toBe('');
    // 9 homes × (600 + 500 − i) Wh at ₹4: 9864 Wh; each bill line rounds to whole paise.
    expect(report).toEqual({
      ...{ credits: 18, wh: 9864, runs: 1, sum: 0, bills: 9, log: 2, paise: 3946 },
      facts: ['creditPosted', 'creditPosted', 'creditPosted', 'runClosed'],
    });
  });
});
