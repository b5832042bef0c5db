import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Access } from '../../gen/lachak/v1/access_pb.ts';
import { invalid } from '../domain/outcome.ts';
import { EXIT, readWords } from '../host/cli.ts';
import { loadConfig } from '../host/config.ts';
import { endLeftServer } from '../host/embedded.ts';
import { type Host, startHost } from '../host/host.ts';
import { lockFolder } from '../host/lock.ts';
import { openLog } from '../host/log.ts';
import type { RoomMaker } from '../host/room.ts';
import { startApart } from './apart.ts';
import { openDesk } from './desk.ts';
import { AGGREGATOR, homes, participantOf } from './homes.ts';
import { ownReadings } from './london.ts';
import { setScene, tell } from './story.ts';

const HELP = `lachak demo [options]

One peak event in a made-up town: a programme, 100 homes and 20 chargers that consent and enrol, a hot evening on which devices obey,
refuse, lie and fall silent, meters, baselines, credits, and signed statements. All rooms, PostgreSQL, an MQTT broker and an OCPP
server run in this process; the devices are clients on real sockets.

  --out DIR         where statements, keys, cores and readings are left (default demo-out; emptied first)
  --readings FILE   your own half-hourly readings (meter_id,interval_start,import_wh,export_wh; CSV or gzip) as the homes
  --apart           each room a process of its own, with certificates between them and a PostgreSQL login each; the same statements
  --admin-url URL   with --apart: a PostgreSQL of yours instead of the embedded one; logins lachak_… are made in it
  --config FILE     with --apart: more servers of yours, said as for lachak start: nats, influxUrl, mqtt
  --homes N         how many, at least 20 (default 100), and a charger for every fifth
  --seed N          other homes, weather and tempers (default 1); the same seed gives the same statements
  --port N          of the console (default: a free one)
  --serve           stay up afterwards, to look around in the console
  --pace SECONDS    let every five minutes of the event take this long, to watch it live in the console (implies --serve)
`;

/** Only the demo has secrets that everybody knows. */
const PASSWORD = 'demo-password';

export async function demoCommand(argv: readonly string[], roster: readonly RoomMaker[]): Promise<number> {
  const { values } = readWords(argv, {
    out: { type: 'string' },
    readings: { type: 'string' },
    homes: { type: 'string' },
    seed: { type: 'string' },
    port: { type: 'string' },
    serve: { type: 'boolean' },
    apart: { type: 'boolean' },
    'admin-url': { type: 'string' },
    config: { type: 'string' },
    pace: { type: 'string' },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const seed = whole(values.seed ?? '1', 'seed');
  const count = whole(values.homes ?? '100', 'homes');
  if (count < 20) throw invalid('usage', '--homes is at least 20: fewer cannot play every part of the story');
  const port = whole(values.port ?? '0', 'port');
  const paceMs = 1000 * whole(values.pace ?? '0', 'pace');
  if (values.config && !values.apart) throw invalid('usage', '--config names servers for rooms apart: add --apart');
  const servers = loadConfig({ config: values.config }, {}).config;
  const out = resolve(String(values.out ?? 'demo-out'));
  const began = performance.now();
  const say = (line: string): void => void process.stdout.write(`${seconds(began).padStart(6)}  ${line}\n`);

  const own = values.readings ? await ownReadings(String(values.readings), count) : null;
  if (own) say(`${own.meterIds.length} homes of ${values.readings}; the event is on ${own.eventDay}: ${own.why}`);
  const scene = setScene(seed, count, own);
  if (own)
    say(
      'their event-day readings are their own minus what the simulated devices and households left off; the chargers are generated',
    );
  const folder = join(out, 'house');
  await clear(folder);
  mkdirSync(out, { recursive: true });
  const config = {
    ...servers,
    folder,
    clock: 'stepped' as const,
    clockStart: scene.times.morning,
    gateway: { ...servers.gateway, port },
    mqtt: { ...servers.mqtt, port: 0 },
    ocpp: { ...servers.ocpp, port: 0 },
  };
  const log = openLog({ ...config, log: { level: 'warn' } });
  const house = values.apart
    ? await startApart(config, roster, log, String(values['admin-url'] ?? ''))
    : alone(await startHost({ config, rooms: roster, log }));
  const { host } = house;
  const told = untilTold();
  const server = values['admin-url'] ? 'your PostgreSQL' : 'embedded PostgreSQL';
  const beside = [
    servers.nats.url && 'your NATS',
    servers.influxUrl && 'your InfluxDB',
    servers.mqtt.url ? 'your MQTT broker' : 'MQTT',
    'OCPP',
  ].filter(Boolean);
  try {
    const how = values.apart ? ', each a process of its own,' : '';
    say(`${roster.length} rooms${how} are up on ${[server, ...beside].join(', ')}; it is the morning of ${scene.eventDay}`);
    await openAccounts(host);
    const console = `Console:     ${host.announced.get('console')}  (user operator, aggregator or consumer; password ${PASSWORD})`;
    if (paceMs > 0) process.stdout.write(`${console}\n`);
    const story = tell(host, scene, { out, paceMs, say });
    story.catch(() => {}); // told to stop, nobody waits for it any more
    const account = await Promise.race([story, told]);
    if (account === null) return EXIT.no;
    process.stdout.write(account);
    process.stdout.write(
      `\nStatements, keys, cores and readings: ${out}\nCheck them:  npx lachak verify ${out}/statements/*.json --readings ${out}/readings.csv.gz\n`,
    );
    if (!values.serve && paceMs === 0) {
      process.stdout.write(`Look around: npm run demo -- --serve\nThe story took ${seconds(began)}.\n`);
      return EXIT.done;
    }
    process.stdout.write(`${console}; Ctrl-C ends\n`);
    await told;
    return EXIT.done;
  } finally {
    await house.stop();
  }
}

/** Throws the last evening's house away, once nothing lives in it: neither another demo nor a server that a killed one left. */
async function clear(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  const lock = await lockFolder(folder);
  await endLeftServer(folder);
  lock.release();
  rmSync(folder, { recursive: true, force: true });
}

/** Ctrl-C or SIGTERM, also in the middle of the story: the house is closed, no server is left behind. */
const untilTold = (): Promise<null> =>
  new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done(null));
  });

const alone = (host: Host) => ({ host, stop: () => host.stop() });

async function openAccounts(host: Host): Promise<void> {
  const access = host.connectAs('demo')(Access);
  const operator = await openDesk(host).as('operator');
  const household = participantOf(homes(0, 1)[0]!);
  const people = [
    { userId: 'operator', roles: ['operator'] },
    { userId: 'aggregator', roles: ['aggregator'], organisationId: AGGREGATOR },
    { userId: 'consumer', roles: ['consumer'], participantId: household },
  ];
  for (const person of people) await access.putUser({ password: PASSWORD, ...person }, operator);
}

function whole(text: string | boolean, name: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw invalid('usage', `--${name} must be a whole number, not "${text}"`);
  return value;
}

const seconds = (began: number): string => `${((performance.now() - began) / 1000).toFixed(1)} s`;
