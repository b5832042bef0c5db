import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// Kills a real process on a real PostgreSQL with SIGKILL, at named places (LACHAK_FAULT) and after seeded numbers of acknowledgements,
// starts it again on the same folder, and at the end looks whether each fact was handled exactly once, in order.
const pair = fileURLToPath(new URL('../../dist/test/faults/pair.js', import.meta.url));
const TOTAL = 400;

type Run = {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly errors: string;
};

function run(folder: string, { fault = '', killAfter = 0, alsoServer = false } = {}): Promise<Run> {
  const child = spawn(process.execPath, [pair, folder, String(TOTAL)], { env: { ...process.env, LACHAK_FAULT: fault } });
  const lines: string[] = [];
  let errors = '';
  let acknowledged = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    if (line.startsWith('acknowledged') && ++acknowledged === killAfter) {
      if (alsoServer)
        process.kill(Number(readFileSync(join(folder, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL');
      child.kill('SIGKILL');
    }
  });
  child.stderr.on('data', (text) => {
    errors += text;
  });
  return new Promise((done) => child.once('close', (code, signal) => done({ code, signal, lines, errors })));
}

describe('kill -9, again and again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-faults-'));
  const acknowledged: number[] = [];
  const note = ({ lines }: Run) => {
    for (const line of lines) if (line.startsWith('acknowledged ')) acknowledged.push(Number(line.slice(13)));
  };
  beforeAll(() => {
    if (!existsSync(pair)) throw new Error(`${pair} is missing: npm run build makes it`);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    ['writer.before_commit:7', 'the write and its fact are both gone'],
    ['writer.after_commit:11', 'the write is acknowledged, its fact not yet numbered'],
    ['relay.before_numbering:5', 'committed facts wait for their numbers'],
    ['relay.after_numbering:6', 'numbered, and no follower was told'],
    ['follow.before_handler:9', 'the cursor moved, uncommitted'],
    ['follow.before_commit:13', 'the work is done, uncommitted'],
    ['follow.after_commit:17', 'committed, and this process never knew'],
    ['follow.before_commit:1', 'at the very first fact after a restart'],
  ])('at %s: %s', async (fault) => {
    const ended = await run(folder, { fault });
    expect(ended.errors).toBe('');
    expect(ended.signal).toBe('SIGKILL');
    note(ended);
  });

  // Seeded moments: a linear congruence, so a failing run can be repeated.
  const moments = Array.from({ length: 6 }, (_, i) => 3 + ((i * 7919 + 104_729) % 23));
  test.each(moments.map((killAfter, i) => ({ killAfter, alsoServer: i % 3 === 2 })))(
    'after $killAfter acknowledgements (PostgreSQL killed too: $alsoServer)',
    async ({ killAfter, alsoServer }) => {
      const ended = await run(folder, { killAfter, alsoServer });
      expect(ended.signal).toBe('SIGKILL');
      note(ended);
    },
  );

  test('in the end every acknowledged write is there, and each fact was handled once, in order, in both rooms', async () => {
    const ended = await run(folder);
    expect(ended.errors).toBe('');
    expect(ended.code).toBe(0);
    note(ended);
    const report = JSON.parse(ended.lines.find((line) => line.startsWith('report '))!.slice(7));
    const all = Array.from({ length: TOTAL }, (_, i) => i + 1);
    expect(report.registry).toEqual(all);
    expect(report.enrolment).toEqual(all);
    expect(report.dispatch).toEqual(all);
    expect(all).toEqual(expect.arrayContaining([...new Set(acknowledged)]));
    expect(new Set(acknowledged).size).toBe(acknowledged.length);
  });
});
