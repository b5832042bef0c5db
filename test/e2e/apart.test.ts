import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Postgres15, startPostgres15 } from '../servers/postgres15.ts';

const MAIN = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lachak-apart-'));
let server: Postgres15;
beforeAll(async () => {
  server = await startPostgres15();
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const demo = (...argv: string[]): Promise<string> =>
  new Promise((done, fail) => {
    execFile(
      process.execPath,
      [MAIN, 'demo', '--homes', '30', '--seed', '7', ...argv],
      { maxBuffer: 1 << 26 },
      (error, stdout, stderr) => (error ? fail(new Error(`${stdout}${stderr}`)) : done(stdout)),
    );
  });
/** The payload of every statement, byte for byte as it was signed. */
const payloads = (out: string): Map<string, string> =>
  new Map(
    readdirSync(join(out, 'statements')).map((name) => [
      name,
      JSON.stringify((JSON.parse(readFileSync(join(out, 'statements', name), 'utf8')) as { payload: unknown }).payload),
    ]),
  );

describe('the demo in one process, and with each room a process of its own on PostgreSQL 15', () => {
  test('leaves the same statements, byte for byte', { timeout: 600_000 }, async () => {
    const [one, apart] = [join(folder, 'one'), join(folder, 'apart')];
    expect(await demo('--out', one)).toContain('sums to ₹0.00');
    expect(await demo('--out', apart, '--apart', '--admin-url', server.url)).toContain('each a process of its own');
    const expected = payloads(one);
    expect(expected.size).toBeGreaterThan(40);
    expect(payloads(apart)).toEqual(expected);
  });
});
