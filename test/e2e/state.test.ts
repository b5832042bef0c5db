import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '../../services/domain/canonical.ts';
import { coreBytes } from '../../services/host/core-file.ts';
import { loadKernel } from '../../services/performance/kernel.ts';
import type { Measured } from '../../services/settlement/payload.ts';
import { readColumns } from '../../services/state/column-store.ts';
import type { StateRun } from '../../services/state/run-state.ts';
import { groundOf, readTown, settledFile } from '../../services/state/shard-work.ts';
import { townStatement } from '../../services/state/town-statement.ts';

const MAIN = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'lachak-state-'));
const folder = join(root, 'one');
const METERS = 5000; // two shards, the second with fewer

const state = (...argv: string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((done) => {
    execFile(process.execPath, [MAIN, 'state', ...argv], (error, out, err) => {
      done({ code: error ? Number(error.code) : 0, out, err });
    });
  });
const runOf = (place: string): StateRun => JSON.parse(readFileSync(join(place, 'run', 'run.json'), 'utf8')) as StateRun;
/** What must be the same however it came about: the key that signed the root is the folder's own. */
const outcome = (place: string) => {
  const { rootJws: _, ...run } = runOf(place);
  const shards = readdirSync(join(place, 'run', 'settled')).map((name) =>
    readFileSync(join(place, 'run', 'settled', name), 'hex'),
  );
  return { run, shards, bills: readFileSync(join(place, 'run', 'bill-credits.csv'), 'utf8') };
};

beforeAll(async () => {
  const seeded = await state('seed', '--folder', folder, '--meters', String(METERS), '--seed', '7');
  expect(seeded.err).toContain('100 %');
  const run = await state('run', '--folder', folder, '--threads', '1');
  expect(run.out).toContain('together                                        ₹0.00');
}, 180_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('a settlement run of columns', () => {
  test('settles each point to the integers that the rules for points give', async () => {
    const town = readTown(folder);
    const kernel = await loadKernel(coreBytes());
    const ground = groundOf(town, kernel, folder);
    const run = runOf(folder);
    // Homes of both shards, measured one by one from the same tiles by the exact core and settled by `settle`.
    const places = [
      ...Array.from({ length: METERS - 4096 }, (_, lane) => ({ shard: 1, lane })),
      ...Array.from({ length: 64 }, (_, i) => ({ shard: 0, lane: 61 * i })),
    ];
    const statuses = new Set<string>();
    for (const { shard, lane } of places.filter((_, i) => i % 31 === 0)) {
      const made = JSON.parse((await townStatement(town, folder, run, { shard, lane }, ground, kernel)).statement) as {
        payload: { measured: Measured; settled: Record<string, Json> };
      };
      const { measured, settled } = made.payload;
      const { columns } = readColumns(settledFile(folder, shard))!;
      expect(settled.micros).toBe(String(columns.micros![lane]));
      expect(settled.creditedWh).toBe(Number.isNaN(columns.creditedWh![lane]) ? null : columns.creditedWh![lane]);
      expect(settled.amountMicros).toBe(String(columns.consumer![lane]));
      statuses.add(`${measured.status} ${measured.role}`);
    }
    expect([...statuses]).toContain('ok HOLDOUT');
    expect([...statuses]).toContain('ok CHOSEN');
  });

  test('gives the same files with two threads, and when it is killed and goes on', { timeout: 300_000 }, async () => {
    const other = join(root, 'two');
    await state('seed', '--folder', other, '--meters', String(METERS), '--seed', '7', '--threads', '2');
    // Killed as soon as the first shard is measured; what is left is what a kill leaves.
    const child = spawn(process.execPath, [MAIN, 'state', 'run', '--folder', other, '--threads', '1'], { stdio: 'ignore' });
    const gone = new Promise((done) => child.once('exit', done));
    const first = join(other, 'run', 'measured', '0.cols');
    for (const end = Date.now() + 60_000; !existsSync(first) && child.exitCode === null && Date.now() < end; )
      await new Promise((soon) => setTimeout(soon, 2));
    child.kill('SIGKILL');
    await gone;
    expect(existsSync(first)).toBe(true);
    expect(existsSync(join(other, 'run', 'run.json'))).toBe(false);
    expect((await state('run', '--folder', other, '--threads', '2')).code).toBe(0);
    expect(outcome(other)).toEqual(outcome(folder));
  });

  test('a statement made on demand verifies; one watt-hour changed is named', async () => {
    const made = await state('statement', '--folder', folder, '--point', 'S00001-00010');
    expect(made.out).toContain('check it: lachak verify');
    const at = (name: string) => join(folder, 'statements', name);
    const verify = (readings: string): Promise<string> =>
      new Promise((done) => {
        const words = [
          'verify',
          at('S00001-00010.json'),
          '--readings',
          readings,
          '--issuer',
          at('issuer.jwks.json'),
          '--explain',
        ];
        execFile(process.execPath, [MAIN, ...words], (_, out, err) => done(out + err));
      });
    const good = await verify(at('S00001-00010.csv'));
    expect(good).toContain('✓ 1 statement verified');
    const csv = readFileSync(at('S00001-00010.csv'), 'utf8');
    const changed = csv.replace(/(2026-05-15T12:30:00Z,)(\d+)/, (_, start: string, wh: string) => `${start}${Number(wh) + 1}`);
    expect(changed).not.toBe(csv);
    writeFileSync(at('changed.csv'), changed);
    expect(await verify(at('changed.csv'))).toContain('✗ 1 of 1 statement differ');
  });

  test('a damaged file of columns is named, never read as zeros', async () => {
    const copy = join(root, 'torn');
    await state('seed', '--folder', copy, '--meters', '100', '--seed', '3');
    await state('run', '--folder', copy);
    truncateSync(join(copy, 'run', 'settled', '0.cols'), 500);
    rmSync(join(copy, 'run', 'run.json'));
    const { code, err } = await state('run', '--folder', copy);
    expect(code).not.toBe(0);
    expect(err).toMatch(/settled.0\.cols is damaged: remove it and run again/);
    truncateSync(join(copy, 'tiles', '0', '2026-05-15.1'), 5000);
    rmSync(join(copy, 'run'), { recursive: true });
    expect((await state('run', '--folder', copy)).err).toMatch(/tiles\/0\/2026-05-15\.1.*torn/);
  });

  test.each([
    [['run', '--folder', join(root, 'nowhere')], /holds no state: lachak state seed/],
    [['run'], /--folder is missing/],
    [['seed', '--folder', folder, '--meters', '7'], /holds another state/],
    [['seed', '--folder', folder, '--meters', '1e9'], /--meters is a whole number from 1 to/],
    [['statement', '--folder', folder, '--point', 'S00009-00000'], /from S00000-00000 to S00001-00903/],
    [['settle', '--folder', folder], /none of seed, run, statement/],
  ])('refuses %j', async (argv, says) => {
    const { code, out, err } = await state(...argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(says);
  });
});
