import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const lachak = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));

type Started = {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly ended: Promise<{ code: number | null; errors: string }>;
};

function spawnLachak(...args: string[]): Started {
  const child = spawn(process.execPath, [lachak, ...args]);
  const lines: string[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => void lines.push(line));
  child.stderr.on('data', (text) => {
    errors += text;
  });
  return { child, lines, ended: new Promise((done) => child.once('close', (code) => done({ code, errors }))) };
}

describe('lachak start, as a shell sees it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-start-'));
  const start = () =>
    spawnLachak(
      'start',
      '--folder',
      folder,
      '--gateway-port',
      '0',
      '--mqtt-port',
      '0',
      '--ocpp-port',
      '0',
      '--log-level',
      'warn',
    );
  const ready = (started: Started) =>
    expect
      .poll(() => started.child.exitCode ?? started.lines.some((line) => line.startsWith('ready')), { timeout: 60_000 })
      .toBe(true);
  const running: Started[] = [];
  beforeAll(() => {
    if (!existsSync(lachak)) throw new Error(`${lachak} is missing: npm run build makes it`);
  });
  afterAll(() => {
    for (const { child } of running) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  test('says where everything is, and keeps its secrets to itself', async () => {
    const first = start();
    running.push(first);
    await ready(first);
    expect(first.lines.join('\n')).toMatch(/^console\s+http:\/\/127\.0\.0\.1:\d+$/m);
    expect(statSync(join(folder, 'secrets')).mode & 0o077).toBe(0);
    expect(statSync(join(folder, 'secrets', 'issuer-key.jwk.json')).mode & 0o077).toBe(0);
    expect(statSync(join(folder, 'lachak.sock')).mode & 0o077).toBe(0);
  });

  test('a second start on the folder is told who holds it, and the first one goes on', async () => {
    const second = start();
    const { code, errors } = await second.ended;
    expect(code).toBe(3);
    expect(errors).toContain(`in use by the process ${running[0]!.child.pid}`);
    expect(running[0]!.child.exitCode).toBeNull();
  });

  test('after kill -9 the next start goes on in the same folder, and SIGTERM stops all of it within ten seconds', async () => {
    running[0]!.child.kill('SIGKILL');
    await running[0]!.ended;
    expect(existsSync(join(folder, 'postgres', 'postmaster.pid'))).toBe(true); // the server outlives its starter
    const again = start();
    running.push(again);
    await ready(again);
    const asked = performance.now();
    again.child.kill('SIGTERM');
    expect((await again.ended).code).toBe(0);
    expect(performance.now() - asked).toBeLessThan(10_000);
    expect(existsSync(join(folder, 'postgres', 'postmaster.pid'))).toBe(false);
    expect(existsSync(join(folder, 'lock'))).toBe(false);
  });

  test.each([
    [['strat'], 2, 'did you mean start?'],
    [['start', '--gateway-prot', '1'], 2, 'did you mean --gateway-port?'],
    [['start', 'registrie'], 2, 'did you mean registry?'],
    [['start', '--gateway-port', 'x'], 2, 'allowed: a port'],
    [['token', '--role', 'king', '--discom', 'X'], 2, 'there is no role king'],
    [['token', '--role', 'consumer', '--discom', 'X'], 2, '--participant is missing'],
    [['token', '--role', 'operator', '--discom', 'X', '--folder', '/nonexistent'], 2, 'holds no installation'],
  ])('%j ends with %s: %s', async (args, exit, words) => {
    const place = args[0] === 'start' ? ['--folder', join(folder, 'unused')] : [];
    const { code, errors } = await spawnLachak(...args, ...place).ended;
    expect(errors).toContain(words);
    expect(code).toBe(exit);
  });
});
