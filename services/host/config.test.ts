import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { databaseOf, isApart, loadConfig, printConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'lachak-config-'));
const file = (content: unknown): string => {
  const path = join(folder, 'lachak.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};
afterAll(() => rmSync(folder, { recursive: true }));

describe('configuration', () => {
  test('file, then environment, then flags: each later one wins, and it is said which', () => {
    const config = file({ gateway: { port: 1, host: '0.0.0.0' }, mqtt: { port: 2 }, ocpp: { port: 3 } });
    const effective = loadConfig({ config, 'gateway-port': '30' }, { LACHAK_GATEWAY_PORT: '20', LACHAK_MQTT_PORT: '21' });
    expect(effective.config.gateway).toMatchObject({ host: '0.0.0.0', port: 30 });
    expect(effective.config.mqtt.port).toBe(21);
    expect(effective.config.ocpp.port).toBe(3);
    expect(effective.sources.get('gateway.port')).toBe('the flag --gateway-port');
    expect(effective.sources.get('mqtt.port')).toBe('the environment variable LACHAK_MQTT_PORT');
    expect(effective.sources.get('log.level')).toBe('default');
  });

  test.each([
    [
      'a port that is none',
      { 'gateway-port': '70000' },
      {},
      'gateway.port is "70000" (the flag --gateway-port); allowed: a port',
    ],
    [
      'a word where a choice is',
      {},
      { LACHAK_CLOCK: 'sundial' },
      'clock is "sundial" (the environment variable LACHAK_CLOCK); allowed: system or stepped',
    ],
    ['an instant without a zone', { 'clock-start': '2026-05-01T00:00:00' }, {}, 'clockStart is'],
    ['another database', { 'database-url': 'mysql://x' }, {}, 'databaseUrl is'],
    ['a record without its database', { 'influx-url': 'http://record:8086' }, {}, 'influxUrl is'],
    ['rooms at no address', { 'rooms-dispatch': '10.0.0.5:7006,nowhere' }, {}, 'rooms.dispatch is'],
    ['a room that is left out between commas', { 'rooms-dispatch': '10.0.0.5:7006,' }, {}, 'rooms.dispatch is'],
    ['an empty folder name', { folder: ' ' }, {}, 'folder is'],
  ])('%s is refused with key, source and what is allowed', (_, flags, environment, message) => {
    expect(() => loadConfig(flags, environment)).toThrow(message);
  });

  test('unknown keys and broken files are refused', () => {
    expect(() => loadConfig({ config: file({ gateway: { prot: 1 } }) }, {})).toThrow('gateway.prot, which is unknown');
    expect(() => loadConfig({ config: file('{') }, {})).toThrow('cannot be read as JSON');
    expect(() => loadConfig({ config: join(folder, 'none.json') }, {})).toThrow('cannot be read');
  });

  test('a login a room by name, or by {room} in one URL, or one for all', () => {
    const { config } = loadConfig(
      {
        config: file({
          databaseUrl: 'postgres://lachak_{room}@db/lachak',
          databaseUrls: { dispatch: 'postgres://d:s3cret@db/d' },
        }),
      },
      {},
    );
    expect(databaseOf(config, 'dispatch')).toEqual({ url: 'postgres://d:s3cret@db/d', own: true });
    expect(databaseOf(config, 'metering')).toEqual({ url: 'postgres://lachak_metering@db/lachak', own: true });
    expect(databaseOf({ ...config, databaseUrl: 'postgres://all@db/x' }, 'metering')).toMatchObject({ own: false });
    expect(printConfig({ config, sources: new Map() })).not.toContain('s3cret');
  });

  test('rooms are apart when one is said to be elsewhere', () => {
    expect(isApart(loadConfig({}, {}).config)).toBe(false);
    expect(isApart(loadConfig({}, { LACHAK_ROOMS_METERING: 'unix:/run/m,10.0.0.5:7005' }).config)).toBe(true);
  });

  test('the printed form hides the password', () => {
    const printed = printConfig(loadConfig({ 'database-url': 'postgres://lachak:s3cret@db/lachak' }, {}));
    expect(printed).toContain('postgres://lachak:***@db/lachak');
    expect(printed).not.toContain('s3cret');
    const record = printConfig(loadConfig({ 'influx-url': 'http://lachak:s3:cr@t@record:8086/readings' }, {}));
    expect(record).toContain('http://lachak:***@record:8086/readings');
  });
});
