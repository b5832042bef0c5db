import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from '../domain/outcome.ts';
import { EXIT, EXIT_CODES, readWords, settingFlags, suggestion } from '../host/cli.ts';
import { type Config, isApart, loadConfig } from '../host/config.ts';
import type { RoomMaker } from '../host/room.ts';
import { lookAtDatabases } from './database.ts';
import { drawn, type Finding, note, ok, wrong } from './finding.ts';
import { lookAtCertificate, lookAtFolder, lookAtPorts, lookAtTokens } from './folder.ts';
import { lookAtBroker, lookAtInflux, lookAtNats, lookAtRooms, reached } from './servers.ts';

const HELP = `lachak doctor [ROOM…] [options as for lachak start]

Looks at everything that the rooms named, or all that are not elsewhere, stand on: folder, disk, secrets, certificate, PostgreSQL and its
schemas, whether the followers of facts get on, NATS, InfluxDB, the MQTT broker, the clocks of all, and the rooms of other processes. One
line each: ok; note, when nothing is wrong but something is worth knowing; wrong, with what was expected and what to do. Changes nothing;
may be asked while the rooms run and while they do not. Exit 1 when anything is wrong.

`;

type Rooms = readonly Pick<RoomMaker, 'name' | 'migrations'>[];

/** `lachak doctor`. */
export async function doctorCommand(argv: readonly string[], loadRoster: () => Promise<Rooms>): Promise<number> {
  const { values, positionals } = readWords(argv, settingFlags);
  if (values.help) {
    process.stdout.write(`${HELP}${EXIT_CODES}\n`);
    return EXIT.done;
  }
  const { config } = loadConfig(values, process.env);
  const findings = await examined(config, chosen(config, await loadRoster(), positionals));
  const faulty = findings.filter(({ verdict }) => verdict === 'wrong').length;
  process.stdout.write(`${drawn(findings)}\n${faulty === 0 ? 'nothing is wrong' : `${faulty} wrong`}\n`);
  return faulty === 0 ? EXIT.done : EXIT.no;
}

/** All findings, in the order in which a start would stumble over them. Within about ten seconds, whatever hangs. */
export async function examined(config: Config, rooms: Rooms): Promise<Finding[]> {
  const { holder, findings } = lookAtFolder(config);
  const names = rooms.map(({ name }) => name);
  const rest = await Promise.all([
    lookAtCertificate(config, names),
    lookAtTokens(config),
    lookAtDatabases(config, rooms, holder),
    names.includes('metering') ? lookAtInflux(config) : [],
    lookAtNats(config),
    names.includes('devices') ? lookAtBroker(config) : [],
    isApart(config) ? lookAtRooms(config) : holder === null ? lookAtPorts(config) : [await answering(config, holder)],
  ]);
  return [...findings, ...rest.flat()];
}

async function answering({ folder, grpc }: Config, holder: number): Promise<Finding> {
  const socket = join(folder, 'lachak.sock');
  if (grpc.address === '' && !existsSync(socket))
    return note('rooms', `of the process ${holder} have no socket yet: they start, or stop, or their folder is too deep for one`);
  const address = grpc.address || `unix:${socket}`;
  const code = await reached(address);
  if (code === null) return ok('rooms', `of the process ${holder} listen at ${address}`);
  return wrong(
    'rooms',
    `of the process ${holder} do not answer at ${address} (${code}): if that lasts, look at its log and start it again`,
  );
}

function chosen(config: Config, roster: Rooms, named: readonly string[]): Rooms {
  const known: readonly string[] = roster.map(({ name }) => name);
  for (const name of named)
    if (!known.includes(name))
      throw invalid('usage', `there is no room ${name}${suggestion(name, known)}; rooms: ${known.join(', ')}`);
  return roster.filter(({ name }) => (named.length === 0 ? config.rooms[name] === '' : named.includes(name)));
}
