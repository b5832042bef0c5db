import { readFileSync } from 'node:fs';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { simulatedAc } from '../../devices/simulated/ac.ts';
import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { defaults } from '../../services/host/config.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { loadRooms } from '../../services/roster.ts';
import { publish, register } from '../faults/cast.ts';
import { at, csv, DAY_OF_EVENT, homes, loads, ORIGIN, world } from '../faults/town.ts';
import { type InfluxServer, startInflux } from '../servers/influx.ts';
import { type NatsServers, startNats } from '../servers/nats.ts';
import { stageOf } from './stage.ts';

// A running house of all rooms with NATS and InfluxDB, devices and readings: every query of the dashboard names what it really shows.
type Target = { readonly expr?: string; readonly query?: string; readonly legendFormat?: string };
type Dashboard = {
  readonly panels: { readonly title: string; readonly targets?: Target[] }[];
  readonly templating: { readonly list: { readonly name: string; readonly query: string }[] };
};
const dashboard = JSON.parse(
  readFileSync(new URL('../../services/host/grafana/lachak.json', import.meta.url), 'utf8'),
) as Dashboard;
const targets = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })));
/** What Prometheus itself adds to each series. */
const OWN_LABELS = new Set(['instance', 'job']);

describe('the Grafana dashboard', () => {
  let nats: NatsServers;
  let influx: InfluxServer;
  let host: TestHost;
  let scraped: string;

  beforeAll(async () => {
    [nats, influx] = await Promise.all([startNats(), startInflux()]);
    await influx.query('CREATE DATABASE "readings" WITH DURATION INF SHARD DURATION 1d');
    host = await testHost({
      rooms: await loadRooms(),
      clock: { start: at(6) },
      config: { influxUrl: influx.url('readings'), nats: { ...defaults.nats, url: nats.url } },
    });
    const stage = stageOf(host);
    await publish(stage);
    await register(stage);
    const operator = { as: await host.token('operator'), deadlineMs: 60_000 };
    const slots = (at(6) - ORIGIN) / 1_800_000;
    const file = async function* () {
      yield { commandId: 'history', fileName: 'history.csv' };
      for (const text of csv(loads(slots), slots)) yield { chunk: Buffer.from(text) };
    };
    await host.connect(Metering).importReadings(file(), { as: await host.token('meter_source'), deadlineMs: 60_000 });
    const drawn = host.connect(Metering).projectReadings({ days: [DAY_OF_EVENT], meterIds: ['m-1'] }, operator);
    for await (const { points } of drawn) expect(points).toBeGreaterThan(0n);

    const home = homes.find(({ kind }) => kind === 'AC')!;
    const deviceId = `d-${home.id}`;
    const provision = {
      commandId: 'd',
      deviceId,
      protocol: 'flex/1',
      organisationId: home.organisation,
      resourceId: `r-${home.id}`,
    };
    const { secret } = await host.connect(Devices).provisionDevice(provision, operator);
    const { mqttUrl } = await host.connect(Devices).getEndpoints({}, operator);
    const device = simulatedAc({ url: mqttUrl, discom: 'BRPL', deviceId, secret }, world);
    const login = { username: `BRPL/${deviceId}`, clientId: deviceId, reconnectPeriod: 0 };
    await device.start();
    await expect(mqtt.connectAsync(mqttUrl, { ...login, password: 'guessed' }, false)).rejects.toThrow();
    const scrape = async () => {
      const door = `${host.host.announced.get('console')}/metrics`;
      return (await fetch(door, { headers: { authorization: `Bearer ${(await host.token('operator')).token}` } })).text();
    };
    try {
      await vi.waitFor(
        async () => {
          scraped = await scrape();
          expect(scraped).toMatch(/^lachak_devices_refused_total\{what="login"\} [1-9]/m);
          expect(scraped).toMatch(/^lachak_devices_online 1$/m);
        },
        { timeout: 20_000, interval: 100 },
      );
    } finally {
      await device.stop();
    }
  });
  afterAll(async () => {
    await host?.stop();
    await Promise.all([nats?.stop(), influx?.stop()]);
  });

  test('the house shows its devices and its readings', () => {
    expect(scraped).toMatch(/^lachak_devices_online 1$/m);
    expect(scraped).toMatch(/^lachak_metering_readings_total\{outcome="stored"\} [1-9]\d+$/m);
    expect(scraped).toMatch(/^lachak_metering_readings_total\{outcome="rejected"\} 0$/m);
    expect(scraped).toMatch(/^lachak_facts_put_back\{room="dispatch",upstream="registry"\} 0$/m);
    expect(scraped).toMatch(/^lachak_nats_reached 1$/m);
  });

  test.each(targets.filter(({ expr }) => expr))('$title: $expr', ({ expr, legendFormat }) => {
    const names = [...expr!.matchAll(/\blachak_\w+/g)].map(([name]) => name);
    expect(names.length).toBeGreaterThan(0);
    const labels = [
      ...[...expr!.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(',').map((label) => label.trim())),
      ...[...expr!.matchAll(/[{,]\s*(\w+)=~?"/g)].map(([, label]) => label!),
      ...[...legendFormat!.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!),
    ].filter((label) => !OWN_LABELS.has(label));
    for (const name of names) {
      // A counter whose label has had no value yet shows its name and type, and no series.
      expect(scraped, name).toMatch(new RegExp(`^# TYPE ${name.replace(/_bucket$/, '')} `, 'm'));
      const series = scraped.split('\n').find((line) => line.startsWith(`${name}{`));
      if (series) for (const label of labels) expect(series).toContain(`${label}="`);
      else expect(['lachak_devices_lost_total', 'lachak_tasks_total', ...(labels.length === 0 ? names : [])]).toContain(name);
    }
  });

  const asked = async (text: string): Promise<unknown[]> => {
    const { origin, username, password } = new URL(influx.url('readings'));
    const answer = await fetch(`${origin}/query?db=readings`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${username}:${decodeURIComponent(password)}`).toString('base64')}` },
      body: new URLSearchParams({ q: text }),
    });
    const { results } = (await answer.json()) as { results: { error?: string; series?: { values: unknown[][] }[] }[] };
    expect(results[0]!.error, text).toBeUndefined();
    return results[0]!.series?.[0]?.values ?? [];
  };

  test.each(targets.filter(({ query }) => query))('$title: $query', async ({ query }) => {
    const chosen = new Map<string, string>();
    for (const { name, query: list } of dashboard.templating.list) {
      const values = await asked(list);
      expect(values.length, list).toBeGreaterThan(0);
      chosen.set(name, (values[0] as string[])[1]!);
    }
    const text = query!
      .replaceAll('$timeFilter', `time >= ${at(0)}ms and time < ${at(6)}ms`)
      .replaceAll(/\$\{?(\w+)\}?/g, (_, name) => chosen.get(name) ?? '');
    expect(await asked(text)).not.toEqual([]);
  });
});
