import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { simulatedAc } from '../../devices/simulated/ac.ts';
import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { defaults } from '../../services/host/config.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { loadRooms } from '../../services/roster.ts';
import { consent, enrol, publish, register } from '../faults/cast.ts';
import { at, homes, PROGRAMME, world } from '../faults/town.ts';
import { stageOf } from './stage.ts';

type Told = { traceId: string; spanId: string; parentSpanId?: string; name: string; kind: number };

/** What a collector gets by OTLP over HTTP, as JSON. */
function collector(): { server: Server; spans: Told[]; bodies: number } {
  const found = { server: createServer(), spans: [] as Told[], bodies: 0 };
  found.server.on('request', async (request: IncomingMessage, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = JSON.parse(Buffer.concat(parts).toString()) as {
      resourceSpans: { scopeSpans: { spans: Told[] }[] }[];
    };
    found.bodies++;
    found.spans.push(...body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  return found;
}

const collected = collector();
let host: TestHost;
beforeAll(async () => {
  await new Promise<void>((done) => collected.server.listen(0, '127.0.0.1', done));
  const { port } = collected.server.address() as AddressInfo;
  host = await testHost({
    rooms: await loadRooms(),
    clock: { start: at(6) },
    config: { traces: { ...defaults.traces, endpoint: `http://127.0.0.1:${port}/v1/traces` } },
  });
});
afterAll(async () => {
  await host?.stop();
  collected.server.close();
});

test('one event is one trace: from the request at the gateway over facts and due work to a device, and its answer back', async () => {
  const stage = stageOf(host);
  const nothing = { consents: new Map(), enrolments: new Map(), answers: new Map(), readings: new Map(), devices: new Map() };
  await publish(stage);
  await register(stage);
  const home = homes.find(({ kind }) => kind === 'AC')!;
  const operator = { as: await host.token('operator') };
  const { secret } = await host.connect(Devices).provisionDevice(
    {
      commandId: 'device',
      deviceId: `d-${home.id}`,
      protocol: 'flex/1',
      organisationId: home.organisation,
      resourceId: `r-${home.id}`,
    },
    operator,
  );
  await consent(stage, nothing);
  await enrol(stage, nothing);
  const { mqttUrl } = await host.connect(Devices).getEndpoints({}, operator);
  const device = simulatedAc({ url: mqttUrl, discom: 'BRPL', deviceId: `d-${home.id}`, secret }, world);
  await device.start();
  try {
    await host.advanceTo(at(9));
    const TRACE = '0af7651916cd43dd8448eb211c80319c';
    const asked = await fetch(`${host.host.announced.get('console')}/api/events`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${(await host.token('operator')).token}`,
        'content-type': 'application/json',
        traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
      },
      body: JSON.stringify({
        commandId: 'event',
        eventId: 'thursday-peak',
        programmeId: PROGRAMME,
        window: { startMs: String(at(18)), endMs: String(at(19)) },
        reason: 'peak',
      }),
    });
    expect(asked.status, await asked.clone().text()).toBe(200);
    await host.advanceTo(at(18, 15), 15 * 60_000);
    await host.settled();

    const wanted = [
      'POST /api/events',
      'lachak.v1.Dispatch/ScheduleEvent',
      'settlement hears dispatch: eventCommitted',
      'dispatch conducts',
      'dispatch instructs',
      'lachak.v1.Devices/Apply',
      'device is told: send',
      'devices answered',
      'dispatch hears devices: instructionAnswered',
    ];
    const mine = () => collected.spans.filter(({ traceId }) => traceId === TRACE);
    await expect.poll(() => wanted.filter((name) => !mine().some((span) => span.name === name)), { timeout: 20_000 }).toEqual([]);
    // Each hangs on another of the trace; only the gateway's on the caller's own.
    const ids = new Set(mine().map(({ spanId }) => spanId));
    const outside = mine().filter(({ parentSpanId = '' }) => !ids.has(parentSpanId));
    expect(outside.map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual([['POST /api/events', 'b7ad6b7169203331']]);
    const parents = new Map(mine().map((span) => [span.spanId, span]));
    const way = (span: Told | undefined): string[] => (span ? [...way(parents.get(span.parentSpanId ?? '')), span.name] : []);
    expect(way(mine().find(({ name }) => name === 'device is told: send'))).toEqual([
      'POST /api/events',
      'lachak.v1.Dispatch/ScheduleEvent',
      'dispatch instructs',
      'device is told: send',
    ]);
  } finally {
    await device.stop();
  }
});
