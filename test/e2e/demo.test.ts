import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWithFixtures, fixture } from '../fixtures.ts';

// The command as its user runs it: built, in a process of its own.
const MAIN = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lachak-demo-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Ended = { code: number; out: string };
const lachak = (...argv: string[]): Promise<Ended> =>
  new Promise((done) => {
    execFile(process.execPath, [MAIN, ...argv], { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out: stdout + stderr }),
    );
  });

type Payload = {
  party: { kind: string };
  statementId: string;
  run: { version: number };
  measured?: { status: string; selectedDays: string[]; meterIds: string[]; slots: { startMs: number }[] };
};
const payloads = (out: string): Map<string, Payload> =>
  new Map(
    readdirSync(join(out, 'statements')).map((name) => [
      name,
      (JSON.parse(readFileSync(join(out, 'statements', name), 'utf8')) as { payload: Payload }).payload,
    ]),
  );

describe('the demo', () => {
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  let told: Ended;
  let toldAgain: Ended;
  /** Plays it in a folder in which it was killed before. */
  const afterKill = async (out: string): Promise<Ended> => {
    const killed = spawn(process.execPath, [MAIN, 'demo', '--out', out], { stdio: ['ignore', 'pipe', 'ignore'] });
    for await (const line of createInterface({ input: killed.stdout })) {
      if (line.includes('rooms are up')) killed.kill('SIGKILL'); // its PostgreSQL lives on
    }
    return lachak('demo', '--out', out, '--seed', '7');
  };
  // Side by side, as two who try it on one machine.
  beforeAll(async () => {
    [told, toldAgain] = await Promise.all([lachak('demo', '--out', one, '--seed', '7'), afterKill(two)]);
  });

  test('tells the whole evening and leaves what it promises', () => {
    expect(told.out).toContain('sums to ₹0.00');
    expect(told.code).toBe(0);
    for (const word of ['opted out', 'override', 'dead device', 'lying device', 'blackout', 'late reading', 'holdout']) {
      expect(told.out).toContain(word);
    }
    expect(readdirSync(one)).toEqual(expect.arrayContaining(['cores', 'issuer.jwks.json', 'readings.csv.gz', 'statements']));
    const versions = new Set([...payloads(one).values()].map(({ run }) => run.version));
    expect(versions, 'the late reading made a second version; the superseded one is kept').toEqual(new Set([1, 2]));
  });

  test('two evenings with one seed leave equal statement payloads, also after one that was killed in the same folder', () => {
    expect(toldAgain.code).toBe(0);
    expect(payloads(two)).toEqual(payloads(one));
  });

  test('every statement of every version verifies offline', async () => {
    const files = [...payloads(one).keys()].map((name) => join(one, 'statements', name));
    const { code, out } = await lachak('verify', ...files, '--readings', join(one, 'readings.csv.gz'));
    expect(out).toContain(`✓ ${files.length} statements verified`);
    expect(code).toBe(0);
  });

  test('one reading changed by one watt-hour breaks exactly the statements that name its day', async () => {
    const [name, payload] = [...payloads(one)].find(
      ([, { party, measured }]) => party.kind === 'PARTICIPANT' && measured?.status === 'ok',
    )!;
    const { meterIds, selectedDays } = payload.measured!;
    const lines = gunzipSync(readFileSync(join(one, 'readings.csv.gz')))
      .toString()
      .split('\n');
    // A slot at noon of a selected day, in no window of the event: it counts all the same.
    const at = lines.findIndex((line) => line.startsWith(`${meterIds[0]},${selectedDays[0]}T06:30:00`));
    const cells = lines[at]!.split(',');
    lines[at] = [cells[0], cells[1], Number(cells[2]) + 1, ...cells.slice(3)].join(',');
    const changed = join(folder, 'changed.csv.gz');
    writeFileSync(changed, gzipSync(lines.join('\n')));
    const { code, out } = await lachak('verify', join(one, 'statements', name), '--readings', changed);
    expect(code).toBe(1);
    expect(out).toContain(meterIds[0]);
    expect(out).toContain(selectedDays[0]);
    const other = [...payloads(one)].find(([, { measured }]) => measured && measured.meterIds[0] !== meterIds[0])![0];
    expect((await lachak('verify', join(one, 'statements', other), '--readings', changed)).code).toBe(0);
  });

  test('a statement with another amount, or signed by another key, does not verify', async () => {
    const name = readdirSync(join(one, 'statements'))[0]!;
    const file = join(one, 'statements', name);
    const forged = join(folder, 'forged.json');
    writeFileSync(forged, readFileSync(file, 'utf8').replace(/"amountMicros": "-?\d+"/, '"amountMicros": "9999999"'));
    const readings = ['--readings', join(one, 'readings.csv.gz')];
    expect(
      (await lachak('verify', forged, ...readings, '--issuer', join(one, 'issuer.jwks.json'), '--core', join(one, 'cores'))).code,
    ).toBe(1);
    const { code, out } = await lachak('verify', file, ...readings, '--issuer', join(two, 'issuer.jwks.json'));
    expect(code).toBe(1);
    expect(out).toMatch(/key|signature/i);
  });
});

describeWithFixtures('the demo on real homes', ['data/lcl/readings.csv.gz'], () => {
  test('plays on the hundred London homes and its statements verify', async () => {
    const out = join(folder, 'london');
    const told = await lachak('demo', '--out', out, '--readings', fixture('data/lcl/readings.csv.gz')!);
    expect(told.out).toContain('their own minus what the simulated devices');
    expect(told.code).toBe(0);
    const files = readdirSync(join(out, 'statements')).map((name) => join(out, 'statements', name));
    expect((await lachak('verify', ...files, '--readings', join(out, 'readings.csv.gz'))).code).toBe(0);
  });
});
