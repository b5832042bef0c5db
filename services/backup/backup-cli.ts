import { resolve } from 'node:path';
import { invalid } from '../domain/outcome.ts';
import { EXIT, EXIT_CODES, readWords, settingFlags, suggestion } from '../host/cli.ts';
import { loadConfig } from '../host/config.ts';
import { openLog } from '../host/log.ts';
import type { RoomMaker } from '../host/room.ts';
import { expectWhole, readManifest } from './manifest.ts';
import { takeBackup } from './take.ts';

const HELP = `lachak backup TARGET [ROOM…] [options as for lachak start]
lachak backup TARGET --check

Writes the state of the rooms named, or of all, into the new folder TARGET: their tables as of one instant, tiles, results, cores and
keys. May be taken while the rooms run, and they notice nothing; an unfinished one is never taken for one (TARGET.unfinished). Any
PostgreSQL from 15 on can take back what another gave: this is also the way from the embedded one to a server, and to a newer major
version. It holds the keys of persons and of statements: keep it as you keep those, and no longer than a person
who was erased since may come back with it.

With InfluxDB as the record of readings, back that up too, after this, with the command it ends with: nothing in it is ever overwritten,
and what is in it beyond this backup does no harm. lachak restore then needs no tiles: they are pulled from the record again.

  --like EARLIER   files that are the same as in this earlier backup take no room again (second names; same disk)
  --folder DIR     whose state; with servers of its own also --database-url or --config, as for the start
  --check          read the backup in TARGET against its checksums

lachak restore --help says the way back.

`;

/** InfluxDB's own command, at the port its backups have unless its bind-address says otherwise. */
function recordBackup(url: string, target: string): string {
  const { hostname, pathname } = new URL(url);
  return `influxd backup -portable -host ${hostname}:8088 -db ${pathname.slice(1)} ${target}.influx`;
}

/** `lachak backup`. */
export async function backupCommand(
  argv: readonly string[],
  loadRoster: () => Promise<readonly RoomMaker[]>,
  version: string,
): Promise<number> {
  const { values, positionals } = readWords(argv, {
    ...settingFlags,
    like: { type: 'string' },
    check: { type: 'boolean' },
  });
  if (values.help) {
    process.stdout.write(`${HELP}${EXIT_CODES}\n`);
    return EXIT.done;
  }
  const [place, ...named] = positionals;
  if (place === undefined) throw invalid('usage', 'where to? lachak backup TARGET; --help says more');
  const target = resolve(place);
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  if (values.check) {
    const manifest = readManifest(target);
    await expectWhole(target, manifest);
    say(`whole: Lachak ${manifest.version}, PostgreSQL ${manifest.postgres}, ${manifest.madeAt}`);
    return EXIT.done;
  }
  const { config } = loadConfig(values, process.env);
  const known = (await loadRoster()).map(({ name }) => name);
  const strange = named.find((name) => !known.includes(name as never));
  if (strange !== undefined) throw invalid('usage', `there is no room ${strange}${suggestion(strange, known)}`);
  const rooms = known.filter((name) => (named.length === 0 ? config.rooms[name] === '' : named.includes(name)));
  const like = values.like === undefined ? null : resolve(String(values.like));
  const { manifest, missing } = await takeBackup({
    config,
    rooms,
    target,
    like,
    version,
    log: openLog({ log: { level: 'warn' } }),
    say,
  });
  say(`backup      ${target}, as of ${manifest.oneInstant ? 'one instant' : 'one instant a room, followers first'}`);
  const recorded = config.influxUrl !== '' && rooms.includes('metering');
  const lost = `${missing.length} files that rows name are not in ${config.folder}, the first ${missing[0]}`;
  if (recorded && missing.length > 0) say(`note        ${lost}: the record has them`);
  if (recorded) say(`next        back up InfluxDB, the record of readings: ${recordBackup(config.influxUrl, target)}`);
  if (recorded || missing.length === 0) return EXIT.done;
  process.stderr.write(`lachak backup: ${lost}: they are not in the backup either (lachak readings check)\n`);
  return EXIT.no;
}
