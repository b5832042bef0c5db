import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Clock, Facts } from '../../gen/lachak/v1/host_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Settlement } from '../../gen/lachak/v1/settlement_pb.ts';
import { canonicalJson, type Json } from '../../services/domain/canonical.ts';
import { DAY } from '../../services/domain/interval.ts';
import { endServer, type House, openHouse } from '../faults/house.ts';

// Every released version left a house behind (contract/upgrade, made by make.sh there). This program goes on in each: it starts from the
// folder as it was left, brings it forward, says what was said before, and settles again.
// LACHAK_UPGRADE_FROM=DIR tries a demo's folder as an older program left it, on its own PostgreSQL files.
const MAIN = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));
const STORED = fileURLToPath(new URL('../contract/upgrade', import.meta.url));
const versions = readdirSync(STORED).flatMap((name) => /^(.+)\.tar\.gz$/.exec(name)?.[1] ?? []);
const given = process.env.LACHAK_UPGRADE_FROM;

/** Whose town it is. */
const demo = { discom: 'DEMO' };

type Ended = { readonly code: number; readonly out: string };
const lachak = (...argv: string[]): Promise<Ended> =>
  new Promise((done) => {
    execFile(process.execPath, [MAIN, ...argv], { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, out: stdout + stderr }),
    );
  });

test('a house is stored of every version there was', () => expect(versions).toContain('0.1.0'));

describe.each([...versions, ...(given ? [given] : [])])('a house that %s left', (version) => {
  const place = mkdtempSync(join(tmpdir(), 'lachak-upgrade-'));
  const folder = join(place, 'house');
  const kept = version === given ? version : place;
  const statements = () => readdirSync(join(kept, 'statements')).map((name) => join(kept, 'statements', name));
  let house: House;

  beforeAll(async () => {
    if (version === given) {
      execFileSync('cp', ['-a', join(given, 'house'), folder]);
    } else {
      execFileSync('tar', ['-C', place, '-xzf', join(STORED, `${version}.tar.gz`)]);
      const told = await lachak('restore', join(place, 'backup'), '--folder', folder);
      expect(told.code, told.out).toBe(0);
    }
    house = (await openHouse({ folder, clockStart: 0 }))!;
  });
  afterAll(async () => {
    house?.kill();
    await house?.gone(5000);
    endServer(folder);
    rmSync(place, { recursive: true, force: true });
  });

  test('starts, with every room where it was', async () => {
    const operator = await house.as('operator', demo);
    const { followers, outboxes } = await house.connect(Facts).getStanding({}, operator);
    expect(followers.filter((one) => one.putBack || one.parked > 0n)).toEqual([]);
    expect(outboxes.reduce((sum, { position }) => sum + position, 0n)).toBeGreaterThan(100n);
    expect((await house.connect(Settlement).getBalances({}, operator)).sumMicros).toBe(0n);
  });

  test('says of every statement what it said then, and they verify from its readings', async () => {
    const operator = await house.as('operator', demo);
    for (const file of statements()) {
      const { payload } = JSON.parse(readFileSync(file, 'utf8')) as { payload: Json & { statementId: string } };
      const now = await house.connect(Settlement).getStatement({ statementId: payload.statementId }, operator);
      expect(now.payload).toBe(canonicalJson(payload));
    }
    const parts: Uint8Array[] = [];
    for await (const { chunk } of house.connect(Metering).exportReadings({}, operator)) parts.push(chunk);
    writeFileSync(join(place, 'readings.csv'), Buffer.concat(parts));
    cpSync(join(folder, 'performance', 'cores'), join(place, 'cores'), { recursive: true });
    const told = await lachak(
      'verify',
      ...statements(),
      '--readings',
      join(place, 'readings.csv'),
      '--core',
      join(place, 'cores'),
    );
    expect(told.out).toContain(`✓ ${statements().length} statements verified`);
    expect(told.code).toBe(0);
  });

  test('settles again when a reading is corrected, as a new version, and its ledger sums to zero', async () => {
    const operator = { ...(await house.as('operator', demo)), deadlineMs: 120_000 };
    const settlement = house.connect(Settlement);
    const { events } = await house.connect(Dispatch).listEvents({ page: { size: 10 } }, operator);
    const event = events.find(({ window }) => window)!;
    const runs = async () => (await settlement.listRuns({ eventId: event.eventId }, operator)).runs;
    const before = await runs();
    const { statements: lines } = await settlement.listStatements({ eventId: event.eventId, page: { size: 1000 } }, operator);
    const credited = lines.find(({ settlementPointId, deliveredWh }) => settlementPointId !== '' && deliveredWh > 0n)!;
    const { payload } = await settlement.getStatement({ statementId: credited.statementId }, operator);
    const [meterId] = (JSON.parse(payload) as { measured: { meterIds: string[] } }).measured.meterIds;
    const start = new Date(Number(event.window!.startMs)).toISOString();
    const correction = async function* () {
      yield { commandId: 'correction', fileName: 'correction.csv' };
      yield { chunk: Buffer.from(`meter_id,interval_start,import_wh,export_wh\n${meterId},${start},1,\n`) };
    };
    const report = await house.connect(Metering).importReadings(correction(), await house.as('meter_source', demo));
    expect(report).toMatchObject({ rejected: 0n });
    const clock = house.connect(Clock);
    const { nowMs } = await clock.get({}, operator);
    for (let days = 1n; (await runs()).length === before.length && days < 60n; days += 7n)
      for await (const _ of clock.advance({ untilMs: nowMs + days * BigInt(DAY) }, operator));
    const after = await runs();
    expect(Math.max(...after.map((run) => run.version))).toBe(Math.max(...before.map((run) => run.version)) + 1);
    expect((await settlement.getBalances({}, operator)).sumMicros).toBe(0n);
    expect((await house.stop()).code).toBe(0);
  });
});
