import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fromJson, toJson } from '@bufbuild/protobuf';
import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TermsSchema } from '../gen/lachak/v1/catalogue_pb.ts';
import { EventState } from '../gen/lachak/v1/dispatch_pb.ts';
import { Settlement } from '../gen/lachak/v1/settlement_pb.ts';
import { Register } from '../gen/lachak/v1/types_pb.ts';
import { canonicalJson, type Json } from './domain/canonical.ts';
import { DAY, HOUR, iso, MINUTE } from './domain/interval.ts';
import { meterDayBytes } from './domain/meter-day.ts';
import { coreBytes } from './host/core-file.ts';
import { sha256Hex } from './host/ids.ts';
import { type TestHost, testHost } from './host/testing.ts';
import { zoneDays } from './host/zone.ts';
import { loadKernel } from './performance/kernel.ts';
import { aPoint, WINDOW_START } from './settlement/a-point.ts';
import { type StatementFile, signedBytes } from './settlement/credential.ts';
import { fakeRooms, type World } from './settlement/fake-rooms.ts';
import type { Measured } from './settlement/payload.ts';
import { room } from './settlement/service.ts';
import { remeasure, verifyCommand } from './verify.ts';

const ZONE = 'Asia/Kolkata';
const zone = zoneDays(ZONE);
const EVENT_DAY = '2026-05-01'; // a Friday
const WINDOW = { start: WINDOW_START, end: WINDOW_START + HOUR };
const NOTICE = WINDOW_START - 2 * HOUR;
const TERMS = {
  direction: 'SHED',
  zone: ZONE,
  settlementIntervalMinutes: 30,
  calendarId: 'delhi',
  baseline: {
    ...{ method: 'DAY_MATCHING', quantity: 'import', select: 'HIGH', x: 3, y: 5, dayType: 'weekday_vs_nonworking' },
    ...{ minGapDays: 1, lookbackDays: 14, minDays: 3, floorZero: true },
    adjustment: {
      kind: 'MULTIPLICATIVE',
      fromMinutes: -120,
      direction: 'BOTH',
      ratioMin: { num: '4', den: '5' },
      ratioMax: { num: '6', den: '5' },
      anchor: 'NOTICE',
    },
  },
  netting: 'NET_EVENT',
  reconciliation: 'RECONCILE_PORTFOLIO',
  floorZero: true,
  pay: [{ energy: { microsPerKwh: { values: ['4000000'] } } }],
  waterfall: [
    { party: 'CONSUMER', sharePpm: 850_000 },
    { party: 'AGGREGATOR', sharePpm: 150_000 },
  ],
  runStages: [{ stage: 'PRELIMINARY', cutOffAfterEndMs: String(DAY) }],
  billingCycle: 'MONTHLY',
  chargeCode: 'DF-RES',
};
const COMMITMENT = canonicalJson({
  terms_digest: sha256Hex(canonicalJson(toJson(TermsSchema, fromJson(TermsSchema, TERMS)) as Json)),
  members: [...'ABC'].map((id) => ({ settlement_point_id: id, role: 'CHOSEN' })),
});
const DAYS = Array.from({ length: 16 }, (_, back) => zone.plus(EVENT_DAY, -back)).reverse();

/** Load of meter `m`, Wh per half hour: three homes that differ by day and by hour; two of them save in the window, the third does not. */
function load(m: number, day: string, slot: number): number {
  const base = 200 + 37 * m + ((DAYS.indexOf(day) * 53 + m * 29) % 90) + 7 * (slot % 11) + (slot >= 36 ? 300 : 0);
  const inWindow = day === EVENT_DAY && (slot === 36 || slot === 37);
  return inWindow ? (m === 2 ? base + 120 : Math.round(base / 2)) : base;
}
const lines = [0, 1, 2].flatMap((m) =>
  DAYS.flatMap((day) =>
    Array.from(
      { length: 48 },
      (_, slot) =>
        `M-${'ABC'[m]},${iso(zone.startOf(day) + slot * 30 * MINUTE)},${load(m, day, slot)},,VALID,2026-05-01T20:00:00Z`,
    ),
  ),
);
const HEADER = 'meter_id,interval_start,import_wh,export_wh,quality,known_at';

describe('lachak verify, on statements of a real run', () => {
  let host: TestHost;
  let folder: string;
  let kernel: Awaited<ReturnType<typeof loadKernel>>;
  const said: string[] = [];
  const verify = async (...argv: string[]) => {
    said.length = 0;
    return verifyCommand(argv, (line) => said.push(line));
  };
  const at = (...names: string[]) => join(folder, ...names);
  const readings = () => at('readings.csv.gz');
  const statement = (name: string) => at('statements', `${name}.json`);
  const write = (name: string, change: (file: StatementFile) => void): string => {
    const file = JSON.parse(readFileSync(statement('P-A'), 'utf8')) as StatementFile;
    change(file);
    writeFileSync(statement(name), JSON.stringify(file));
    return statement(name);
  };
  type Draft = { settled: { pay: { micros: string }[] }; measured: { selectedDays: string[] }; terms: { pay: Json[] } };
  const payload = (file: StatementFile) => file.payload as unknown as Draft;

  beforeAll(async () => {
    kernel = await loadKernel(coreBytes());
    const points = [0, 1, 2].map(measured);
    const world: World = {
      terms: TERMS,
      noticeAtMs: NOTICE,
      shards: 1,
      coreSha256: kernel.sha256,
      commitment: COMMITMENT,
      measured: [],
      points: () => points,
    };
    host = await testHost({ rooms: [...fakeRooms(world), room], clock: { start: WINDOW_START - DAY } });
    folder = mkdtempSync(join(tmpdir(), 'lachak-verify-'));
    for (const name of ['statements', 'cores']) mkdirSync(at(name));
    await settle();
    writeFileSync(readings(), gzipSync(`${[HEADER, ...lines].join('\n')}\n`));
    writeFileSync(at('cut.csv.gz'), readFileSync(readings()).subarray(0, 3000));
    writeFileSync(at('naive.csv'), `${HEADER}\nM-A,2026-05-01T12:30:00,1,,VALID,2026-05-01T20:00:00Z\n`);
    writeFileSync(at('cores', `${kernel.sha256}.wasm`), kernel.bytes);
  });
  afterAll(async () => {
    await host?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  /** What performance would find: the rules and the core on the readings above. */
  function measured(m: number): Measured {
    const meterId = `M-${'ABC'[m]}`;
    const register = { meterId, fromMs: 0, toMs: null, hasExport: false, intervalMinutes: 30, zone: ZONE, taken: false };
    const point = {
      ...aPoint('ABC'[m]!, [
        ['0', 0],
        ['0', 0],
      ]),
      registers: [register],
      excludedDays: [{ day: '2026-04-28', reason: 'event:earlier' }],
    };
    const reading = (_: string, startMs: number) => {
      const day = zone.dayOf(startMs);
      return DAYS.includes(day)
        ? { importWh: load(m, day, (startMs - zone.startOf(day)) / (30 * MINUTE)), exportWh: null, quality: 1 }
        : null;
    };
    const found = remeasure(kernel, {
      coreSha256: kernel.sha256,
      terms: TERMS,
      window: WINDOW,
      noticeAtMs: NOTICE,
      calendar: [],
      point,
      reading,
    });
    const meterDays = DAYS.slice(1).map((day) => {
      const importWh = Array.from({ length: 48 }, (_, slot) => load(m, day, slot));
      const bytes = meterDayBytes({
        meterId,
        day,
        zone: ZONE,
        intervalMinutes: 30,
        importWh,
        exportWh: null,
        quality: importWh.map(() => 1),
      });
      return { meterId, day, digest: sha256Hex(bytes), handOff: 'day.csv', signer: 'head-end', receivedAtMs: WINDOW.end };
    });
    return { ...point, ...found, meterDays };
  }

  async function settle(): Promise<void> {
    const interval = { $typeName: 'lachak.v1.Interval' as const, startMs: BigInt(WINDOW.start), endMs: BigInt(WINDOW.end) };
    const say = (from: 'dispatch' | 'registry', body: Parameters<TestHost['facts']['publish']>[1]['body']) =>
      host.facts.publish(from, { discom: 'BRPL', key: 'e1', body });
    const meters = [...'ABC'].map((id) => ({
      $typeName: 'lachak.v1.Record' as const,
      record: {
        case: 'meter' as const,
        value: {
          ...{
            $typeName: 'lachak.v1.Meter' as const,
            meterId: `M-${id}`,
            connectionId: `C-${id}`,
            registers: [Register.IMPORT],
            factor: 1,
          },
          ...{ intervalMinutes: 30, parentMeterId: '', zone: ZONE, shard: 0, ordinal: 0, source: '' },
        },
      },
    }));
    await say('registry', { case: 'registryChanged', value: { $typeName: 'lachak.v1.RegistryChanged', records: meters } });
    const committed = {
      eventId: 'e1',
      programmeId: 'peak',
      termsVersion: 1,
      window: interval,
      digest: sha256Hex(COMMITMENT),
      committedAtMs: BigInt(host.clock.now()),
    };
    await say('dispatch', {
      case: 'eventCommitted',
      value: { $typeName: 'lachak.v1.EventCommitted', ...committed, settlementPoints: 3, holdout: 0, shards: [0] },
    });
    await host.advanceTo(WINDOW.end);
    await say('dispatch', {
      case: 'eventEnded',
      value: { $typeName: 'lachak.v1.EventEnded', eventId: 'e1', state: EventState.ENDED, window: interval },
    });
    await host.advanceTo(WINDOW.end + DAY);
    const [client, as] = [host.connect(Settlement), { as: await host.token('operator') }];
    for (const { statementId, partyId } of (await client.listStatements({}, as)).statements) {
      writeFileSync(statement(partyId), (await client.getStatement({ statementId }, as)).signed);
    }
    writeFileSync(at('issuer.jwks.json'), (await client.getIssuer({}, as)).jwks);
  }

  test('every statement of the run holds, and the key is named with where it came from', async () => {
    const code = await verify(...['P-A', 'P-B', 'P-C', 'AGG', 'BRPL'].map(statement), '--readings', readings());
    expect(said.join('\n')).not.toContain('✗');
    expect(code).toBe(0);
    expect(said.at(-2)).toMatch(/^issuer keys from .*issuer\.jwks\.json: [\w-]{43}$/);
    expect(said.at(-1)).toBe('✓ 5 statements verified');
  });

  test('one statement is accounted for line by line', async () => {
    expect(await verify(statement('P-A'), '--readings', readings())).toBe(0);
    expect(said.filter((line) => line.startsWith('  ✓')).length).toBe(8);
    expect(said.join('\n')).toMatch(/15 meter-days as known at 2026-05-02T13:30:00Z have the digests named/);
    expect(said.join('\n')).toMatch(/delivered \d+ Wh, recomputed with core [0-9a-f]{12}…/);
    expect(said.at(-3)).toMatch(/^ {2}· on the issuer’s word rest: why days were excluded \(event\), the supply status/);
  });

  test('quiet: nothing but the statements that differ, and the sum', async () => {
    const wrong = write('wrong', (file) => {
      payload(file).settled.pay[0]!.micros = '1';
    });
    expect(await verify(statement('P-B'), wrong, '--readings', readings(), '--quiet')).toBe(1);
    expect(said.filter((line) => /^[✓✗]/.test(line))).toEqual([
      `✗ ${wrong}: PARTICIPANT P-A, event e1, version 1 (PRELIMINARY)`,
      '✗ 1 of 2 statements differ',
    ]);
  });

  test.each(['measured', 'settled', 'terms', 'portfolio', 'calendar', 'run', 'event'])(
    'a statement whose %s is a number is answered in a sentence',
    async (name) => {
      const broken = write('broken', (file) => {
        (file.payload as Record<string, Json>)[name] = 7;
      });
      expect(await verify(broken, '--readings', readings())).toBeGreaterThan(0);
    },
  );

  test('a changed reading of the event’s day: meter, day, interval and both digests are named', async () => {
    const changed = lines.map((line) =>
      line.replace(/^(M-A,2026-05-01T12:30:00Z),(\d+)/, (_, head, wh) => `${head},${Number(wh) + 1}`),
    );
    writeFileSync(at('changed.csv'), `${[HEADER, ...changed].join('\n')}\n`);
    expect(await verify(statement('P-A'), '--readings', at('changed.csv'))).toBe(1);
    expect(said.find((line) => line.includes('✗ meter'))).toMatch(
      /meter M-A, 2026-05-01: the statement names digest [0-9a-f]{12}…, the file gives [0-9a-f]{12}…; 2026-05-01T12:30:00Z: (\d+) Wh in the statement, \d+ Wh in the file/,
    );
    expect(await verify(statement('P-B'), '--readings', at('changed.csv'))).toBe(0);
  });

  test('a changed reading of a day in the look-back: meter, day and what it does to that day’s score', async () => {
    const changed = lines.map((line) =>
      line.replace(/^(M-A,2026-04-30T12:30:00Z),(\d+)/, (_, head, wh) => `${head},${Number(wh) + 1}`),
    );
    writeFileSync(at('changed.csv'), `${[HEADER, ...changed].join('\n')}\n`);
    expect(await verify(statement('P-A'), '--readings', at('changed.csv'))).toBe(1);
    expect(said.join('\n')).toMatch(
      /✗ meter M-A, 2026-04-30: the statement names digest .* of this day the statement holds only the digest, so which interval/,
    );
    expect(said.join('\n')).toMatch(/✗ scoresWh\[0\]: the statement has \d+, the readings give \d+/);
  });

  test('a reading that became known after the cut-off changes nothing', async () => {
    const late = `M-A,2026-05-01T12:30:00Z,1,,VALID,2026-05-03T00:00:00Z`;
    writeFileSync(at('late.csv'), `${[HEADER, ...lines, late].join('\n')}\n`);
    expect(await verify(statement('P-A'), '--readings', at('late.csv'))).toBe(0);
  });

  test('a rejected day moved into the selection is named, with why it does not belong there', async () => {
    const moved = write('moved', (file) => {
      payload(file).measured.selectedDays[0] = '2026-04-28';
    });
    expect(await verify(moved, '--readings', readings())).toBe(1);
    expect(said.join('\n')).toMatch(/✗ selected days: the statement has 2026-04-28 .*, the rules select 2026-04-/);
    expect(said.join('\n')).toContain('✗ 2026-04-28 is in the selection although it is excluded (event:earlier)');
    expect(said.join('\n')).toMatch(/✗ the signature of key .* does not hold/);
  });

  test('a changed rate shows in the terms’ digest and in the pay', async () => {
    const dearer = write('dearer', (file) => {
      payload(file).terms.pay = [{ energy: { microsPerKwh: { values: ['5000000'] } } }];
    });
    expect(await verify(dearer, '--readings', readings())).toBe(1);
    expect(said.join('\n')).toMatch(
      /✗ the digest of the terms printed in the statement: the statement has [0-9a-f]{12}…, those terms hash to/,
    );
    expect(said.join('\n')).toMatch(/✗ settled\.pay\[0\]\.micros: the statement has \d+, figures and terms give \d+/);
  });

  test('a statement signed again by another key is refused with both thumbprints', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const kid = await calculateJwkThumbprint(await exportJWK(publicKey));
    const forged = write('forged', () => {});
    const file = JSON.parse(readFileSync(forged, 'utf8')) as StatementFile;
    const [header, , signature] = (
      await new CompactSign(signedBytes(file)).setProtectedHeader({ alg: 'ES256', typ: 'vc+jwt', kid }).sign(privateKey)
    ).split('.');
    writeFileSync(forged, JSON.stringify({ ...file, jws: `${header}..${signature}` }));
    expect(await verify(forged, '--readings', readings())).toBe(1);
    const issuer = JSON.parse(readFileSync(at('issuer.jwks.json'), 'utf8')).keys[0].kid;
    expect(said.join('\n')).toContain(
      `✗ signed by key ${kid}, which is not the issuer's: ${at('issuer.jwks.json')} has ${issuer}`,
    );
  });

  test('changed lines of the counterparty’s statement show in its sums', async () => {
    const file = JSON.parse(readFileSync(statement('BRPL'), 'utf8'));
    file.payload.lines[0].delivered = '1/1';
    writeFileSync(statement('sums'), JSON.stringify(file));
    expect(await verify(statement('sums'))).toBe(1);
    expect(said.join('\n')).toMatch(/✗ portfolio\.delivered: the statement has .*, the lines sum to/);
  });

  test('a home settled that was not committed, and one committed that was not settled, are named', async () => {
    const file = JSON.parse(readFileSync(statement('BRPL'), 'utf8'));
    file.payload.lines[0].settlementPointId = 'Z';
    writeFileSync(statement('cohort'), JSON.stringify(file));
    expect(await verify(statement('cohort'))).toBe(1);
    expect(said.join('\n')).toContain('✗ the role of Z: the statement has CHOSEN, the commitment says nothing');
    expect(said.join('\n')).toContain('✗ A was committed and has no line');
  });

  test('the file is a W3C credential: header, credential and signature make a vc+jwt', async () => {
    const file = JSON.parse(readFileSync(statement('P-A'), 'utf8')) as StatementFile;
    const [header] = file.jws.split('.');
    expect(JSON.parse(Buffer.from(header!, 'base64url').toString('utf8'))).toMatchObject({ alg: 'ES256', typ: 'vc+jwt' });
    expect(JSON.parse(Buffer.from(signedBytes(file)).toString('utf8'))).toMatchObject({
      '@context': ['https://www.w3.org/ns/credentials/v2'],
      credentialSubject: { statement: { statementId: (file.payload as { statementId: string }).statementId } },
    });
  });

  test.each([
    ['no statement', () => ['--readings', readings()]],
    ['no readings', () => [statement('P-A')]],
    ['a file that is none', () => [readings(), '--readings', readings()]],
    ['readings that are not there', () => [statement('P-A'), '--readings', at('nowhere.csv')]],
    ['readings cut off', () => [statement('P-A'), '--readings', at('cut.csv.gz')]],
    ['readings without an offset', () => [statement('P-A'), '--readings', at('naive.csv')]],
    ['an issuer that is not there', () => [statement('P-A'), '--readings', readings(), '--issuer', at('nowhere.json')]],
    ['an unknown option', () => [statement('P-A'), '--reedings', readings()]],
  ])('%s cannot be used: exit code 2', async (_, argv) => expect(await verify(...argv())).toBe(2));

  test('a core that is not at hand is named', async () => {
    const other = write('core', (file) => {
      (file.payload as unknown as { run: { coreSha256: string } }).run.coreSha256 = 'ff'.repeat(32);
    });
    expect(await verify(other, '--readings', readings())).toBe(1);
    expect(said.join('\n')).toContain(`✗ the core ${'ff'.repeat(32)} is not at hand`);
  });
});
