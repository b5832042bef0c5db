import { DiscardPolicy, RetentionPolicy } from 'nats';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { defaults } from '../services/host/config.ts';
import { openJetStream } from '../services/host/jetstream.ts';
import { type TestHost, testHost } from '../services/host/testing.ts';
import { type NatsServers, startNats } from '../test/servers/nats.ts';
import { room } from './service.ts';
import { telemetryStream } from './stream-store.ts';
import { type Carrier, type Kept, registerValue, TelemetryFull } from './telemetry.ts';
import { telemetryTable } from './telemetry-store.ts';

const NOW = Date.parse('2026-05-01T00:00:00Z');
const said = (n: number, discom = 'BRPL'): Kept => ({
  ...{ discom, deviceId: `d-${n}`, register: '1', receivedAt: NOW },
  values: [{ at: NOW + n, wh: 1000 + n }],
});

let host: TestHost;
let nats: NatsServers;
beforeAll(async () => {
  nats = await startNats();
  host = await testHost({ rooms: [room] });
});
afterAll(async () => {
  await host?.stop();
  await nats?.stop();
});

/** A table for three values; a stream for about as many. */
const carriers: Record<string, () => Promise<{ carrier: Carrier; most: number }>> = {
  'a table': async () => ({ carrier: telemetryTable(await host.database('devices'), 3), most: 3 }),
  'a stream': async () => {
    const jetstream = openJetStream({ ...defaults, nats: { ...defaults.nats, url: nats.url } }, pino({ level: 'silent' }));
    const { manager } = await jetstream.reached();
    const bounds = { discard: DiscardPolicy.New, retention: RetentionPolicy.Workqueue, max_msgs: 3 };
    await manager.streams.add({ name: 'telemetry', subjects: ['telemetry.*'], ...bounds });
    return { carrier: telemetryStream(jetstream, 1), most: 3 };
  },
};

describe.each(Object.entries(carriers))('telemetry waits in %s', (_, make) => {
  let carrier: Carrier;
  let most: number;
  const waiting = async (discom = 'BRPL') => (await carrier.take(discom, 100)).map(({ deviceId }) => deviceId);
  beforeAll(async () => {
    ({ carrier, most } = await make());
    await carrier.start();
  });
  afterAll(() => carrier.stop());

  test('up to its bound: then what waits stays and what is new is refused, until some of it is acknowledged', async () => {
    for (let n = 0; n < most; n++) await carrier.keep(said(n));
    await expect(carrier.keep(said(most))).rejects.toBeInstanceOf(TelemetryFull);
    const handedOut = await carrier.take('BRPL', 100);
    expect(handedOut.map(({ deviceId, values }) => [deviceId, values[0]!.wh])).toEqual([
      ['d-0', 1000],
      ['d-1', 1001],
      ['d-2', 1002],
    ]);
    await carrier.acknowledge('BRPL', [handedOut[0]!.receipt]);
    await vi.waitFor(() => carrier.keep(said(most)), { timeout: 10_000, interval: 50 });
    await carrier.acknowledge(
      'BRPL',
      handedOut.slice(1).map(({ receipt }) => receipt),
    );
    expect(await waiting()).toEqual([`d-${most}`]);
  });

  test('each DISCOM is handed its own, and a receipt of nobody ends nothing', async () => {
    await carrier.keep(said(7, 'TPDDL'));
    await carrier.acknowledge('TPDDL', ['999999999']);
    const theirs = await carrier.take('TPDDL', 100);
    expect(theirs.map(({ deviceId }) => deviceId)).toEqual(['d-7']);
    await carrier.acknowledge(
      'TPDDL',
      theirs.map(({ receipt }) => receipt),
    );
    await vi.waitFor(async () => expect(await waiting('TPDDL')).toEqual([]), { timeout: 10_000 });
  });
});

test.each([
  ['a register of so many Wh', { at: NOW, registerWh: 12.4 }, [{ at: NOW, wh: 12 }]],
  ['no register', { at: NOW, registerWh: null }, []],
  ['a negative register is none', { at: NOW, registerWh: -1 }, []],
  ['one that no register can show', { at: NOW, registerWh: 1e18 }, []],
  ['a clock that runs a little ahead', { at: NOW + 60_000, registerWh: 5 }, [{ at: NOW + 60_000, wh: 5 }]],
  ['a clock that nobody believes', { at: NOW + 600_000, registerWh: 5 }, []],
  ['nothing', null, []],
])('what can be kept of a sample: %s', (_, sample, kept) => {
  expect(registerValue(sample, NOW)).toEqual(kept);
});
