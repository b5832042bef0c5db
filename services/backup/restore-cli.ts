import { resolve } from 'node:path';
import { invalid } from '../domain/outcome.ts';
import { EXIT, EXIT_CODES, readWords, settingFlags, suggestion } from '../host/cli.ts';
import { loadConfig } from '../host/config.ts';
import { openLog } from '../host/log.ts';
import type { RoomMaker, RoomName } from '../host/room.ts';
import { restore } from './restore.ts';

const HELP = `lachak restore BACKUP [ROOM…] [options as for lachak start]

Puts the rooms named, or the whole house, back to what BACKUP holds: into an empty folder and database, or with --replace over what is
there. The rooms must not run. The backup is read against its checksums first; then all tables change in one transaction, so that a
restore that was cut off has changed nothing, and may be repeated. An older backup is brought forward to this program.

What happens to the others when one room is put back to an older backup:
  its upstreams     nothing. It handles again, once, what they have said since: their outboxes keep everything
  its followers     those that have not come further than the backup go on. Those that have are named, and nothing is restored until you say
    --with-followers   put them back to the same backup, too: the way to one consistent state
    --leave-followers  leave them. They stand still, and say so (lachak facts, lachak_facts_put_back), until lachak facts rejoin
                       lets them go on: what they handled stays, and what the room says from now on is handled
  what it had said  facts since the backup are written to ROOM/lost-facts-….jsonl in the folder: consents, withdrawals and erasures in it
                       must be entered again by hand; readings must be delivered again by their senders
  statements        settlement makes the same ones again from the same facts. What it had signed stays true for who holds it

  --replace        throw away the state that is there
  --folder DIR     where to; with servers of its own also --database-url or --config, as for the start

`;

/** `lachak restore`. */
export async function restoreCommand(argv: readonly string[], loadRoster: () => Promise<readonly RoomMaker[]>): Promise<number> {
  const flag = { type: 'boolean' as const };
  const { values, positionals } = readWords(argv, {
    ...settingFlags,
    replace: flag,
    'with-followers': flag,
    'leave-followers': flag,
  });
  if (values.help) {
    process.stdout.write(`${HELP}${EXIT_CODES}\n`);
    return EXIT.done;
  }
  const [backup, ...named] = positionals;
  if (backup === undefined) throw invalid('usage', 'which backup? lachak restore BACKUP; --help says more');
  if (values['with-followers'] && values['leave-followers'])
    throw invalid('usage', 'followers are either put back too or left: --with-followers or --leave-followers');
  const roster = await loadRoster();
  const known: readonly string[] = roster.map(({ name }) => name);
  const strange = named.find((name) => !known.includes(name));
  if (strange !== undefined) throw invalid('usage', `there is no room ${strange}${suggestion(strange, known)}`);
  const { config } = loadConfig(values, process.env);
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  await restore({
    config,
    backup: resolve(backup),
    roster,
    named: named as RoomName[],
    replace: values.replace === true,
    followers: values['with-followers'] ? 'too' : values['leave-followers'] ? 'leave' : 'refuse',
    log: openLog({ log: { level: 'warn' } }),
    say,
  });
  if (config.influxUrl !== '')
    say('record      put InfluxDB back from its own backup (influxd restore -portable) before the start, unless it lost nothing');
  say('restored    start it again; lachak facts shows the rooms catch up, and which of them stand still');
  return EXIT.done;
}
