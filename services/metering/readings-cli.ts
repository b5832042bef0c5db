import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { invalid, Refusal } from '../domain/outcome.ts';
import { openTokens } from '../host/auth.ts';
import { EXIT, readWords, settingFlags, suggestion } from '../host/cli.ts';
import { loadConfig } from '../host/config.ts';
import { openWire } from '../host/connect.ts';
import { newId } from '../host/ids.ts';
import type { Client } from '../host/room.ts';
import { importFiles } from './readings-import-cli.ts';

const HELP = `lachak readings import FILE… --discom DISCOM [--known-at INSTANT] [--folder DIR]
lachak readings check --discom DISCOM [--record] [--repair] [--day DAY[,DAY…]] [--folder DIR]
lachak readings compact --discom DISCOM [--day DAY[,DAY…]] [--at-least N] [--dry-run] [--folder DIR]
lachak readings retain --discom DISCOM --keep-days N [--before DAY] [--dry-run] [--folder DIR]
lachak readings project --discom DISCOM [--day DAY[,DAY…] | --all] [--areas-only] [--meter ID[,ID…]] [--folder DIR]

import    delivers files to the running installation: CSV, Parquet, or IES MeterData (JSON); CSV and JSON also as gzip or zstd. Each
          file is stored whole or not at all, and once: after a break or a kill, give the same command again. Lines that were refused
          are named with file and line. Exit 1 when a line or a file was refused.
check     holds every tile of the running installation against its checksum and its row, and names what is torn or missing;
          with --record also makes each version again from InfluxDB, with --repair puts back from there what is torn or missing.
          Exit 1 when anything is wrong.
compact   makes one base of a tile's versions where there are --at-least many (8). Every question is answered as before; the versions
          stay until retain lets them go.
retain    lets go, of what was stored, and last named to a run, more than --keep-days ago: versions that a compacted base stands for, and
          with --before whole days before that day. A question that needs what was let go is refused, never answered with a gap.
          Both say with --dry-run what they would do.
project   writes plain series for charts into InfluxDB, beside the record, and replaces those of the same days: load_area (import_wh,
          export_wh, meters, missing) for every area, load_resource (import_wh, export_wh at the register it is measured on) for every
          resource unless --areas-only, load_meter for the meters named.

  --discom   whose readings
  --known-at for rows that do not say it themselves: when what they say became known (default: now)
  --day      like 2026-05-09; left out, check looks at all days, project draws the last seven that have readings (--all: every one)
`;
/** Looking at everything may take long; a stream that stops moving is ended by whoever watches it. */
const WITHIN_MS = 24 * 3_600_000;

/** `lachak readings`: speaks to the running installation with the authority of whoever can read its secrets. */
export async function readingsCommand(argv: readonly string[]): Promise<number> {
  const word = { type: 'string' as const };
  const { values, positionals } = readWords(argv, {
    ...settingFlags,
    ...{ discom: word, day: word, meter: word, 'known-at': word },
    ...{
      record: { type: 'boolean' as const },
      repair: { type: 'boolean' as const },
      all: { type: 'boolean' as const },
      'areas-only': { type: 'boolean' as const },
    },
    ...{ 'at-least': word, 'keep-days': word, before: word, 'dry-run': { type: 'boolean' as const } },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const [verb = '', ...files] = positionals;
  if (!VERBS.includes(verb))
    throw invalid('usage', `lachak readings ${VERBS.join(', ')}: not "${verb}"${suggestion(verb, VERBS)}`);
  const said = (name: string): string => (values[name] as string | undefined) ?? '';
  const list = (name: string): string[] => said(name).split(',').filter(Boolean);
  if (said('discom') === '') throw invalid('usage', '--discom is missing; see lachak readings --help');
  const wrong = list('day').find((day) => !/^\d{4}-\d{2}-\d{2}$/.test(day));
  if (wrong !== undefined) throw invalid('usage', `--day is "${wrong}"; allowed: days like 2026-05-09, with commas`);
  if (values.all === true && list('day').length > 0) throw invalid('usage', 'say either --day or --all');
  if (verb === 'import' && files.length === 0) throw invalid('usage', 'which files? lachak readings import FILE…');
  if (verb === 'retain' && said('keep-days') === '')
    throw invalid('usage', '--keep-days is missing: how long to keep what was stored?');
  const dryRun = values['dry-run'] === true;
  const { config } = loadConfig(values, process.env);
  const socket = join(config.folder, 'lachak.sock');
  if (!config.grpc.address && !existsSync(socket)) {
    const say = `nothing runs in ${config.folder}: start it first (lachak start --folder ${config.folder})`;
    throw new Refusal('unavailable', 'not_running', say);
  }
  const tokens = await openTokens(config.folder);
  const whose = { discom: said('discom'), organisation: '', participant: '' };
  const token = await tokens.issue({ subject: 'lachak readings', roles: ['operator'], ...whose }, 24);
  const options = { as: { token, requestId: newId() }, deadlineMs: WITHIN_MS };
  const wire = openWire(config.grpc.address || `unix:${socket}`);
  try {
    const metering = wire.client(Metering, async () => token);
    if (verb === 'import') return await importFiles(metering, files, knownAt(said('known-at')), options);
    if (verb === 'compact') {
      const asked = { days: list('day'), atLeast: count('at-least', said('at-least'), 0), dryRun };
      let last = { tiles: 0n, folded: 0n, versions: 0n };
      for await (const sums of metering.compactReadings(asked, options)) last = sums;
      const done = dryRun ? 'would be made' : 'made';
      process.stdout.write(`${last.tiles} tiles: ${last.folded} bases ${done} of ${last.versions} versions\n`);
      return EXIT.done;
    }
    if (verb === 'retain') {
      const asked = { keepDays: count('keep-days', said('keep-days'), 0), beforeDay: said('before'), dryRun };
      let last = { tiles: 0n, letGo: 0n, keptForRuns: 0n };
      for await (const sums of metering.retainReadings(asked, options)) last = sums;
      const done = dryRun ? 'would be let go' : 'let go';
      process.stdout.write(`${last.tiles} tiles: ${last.letGo} versions ${done}, ${last.keptForRuns} kept for runs\n`);
      return EXIT.done;
    }
    if (verb === 'check') return await check(metering, { days: list('day'), record: values.record === true }, options);
    const drawn = {
      days: list('day'),
      meterIds: list('meter'),
      allDays: values.all === true,
      areasOnly: values['areas-only'] === true,
    };
    let days = 0;
    for await (const { day, points } of metering.projectReadings(drawn, options)) {
      process.stdout.write(`${day}  ${points} points\n`);
      days++;
    }
    if (days === 0) process.stdout.write('there are no readings to draw\n');
    return EXIT.done;
  } finally {
    wire.close();
  }
}

const VERBS = ['import', 'check', 'compact', 'retain', 'project'];

function count(name: string, text: string, otherwise: number): number {
  if (text === '') return otherwise;
  if (!/^\d{1,6}$/.test(text) || Number(text) === 0)
    throw invalid('usage', `--${name} is "${text}"; allowed: a whole number from 1`);
  return Number(text);
}

function knownAt(text: string): bigint {
  const ms = text === '' ? 0 : /(Z|[+-]\d\d:?\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw invalid('usage', `--known-at is "${text}"; allowed: an instant like 2026-05-10T06:00:00+05:30`);
  return BigInt(ms);
}

const WHAT_TO_DO = `Until these files are whole, whoever needs them is refused with their names; nobody is given a gap for them.
With InfluxDB as the record: lachak readings check --repair makes them again. Without: put them back from a backup (below metering/ in it).
`;

type Asked = Parameters<Client<typeof Metering>['checkReadings']>;

async function check(metering: Client<typeof Metering>, ...[request, options]: Asked): Promise<number> {
  let faulty = 0;
  let last = { checked: 0n, statements: 0n };
  for await (const answer of metering.checkReadings(request, options)) {
    last = answer;
    for (const { path, where, problem, madeAgain } of answer.faults) {
      if (!madeAgain) faulty++;
      process.stdout.write(`${path}  ${where}: ${problem}${madeAgain ? '; made again from the record' : ''}\n`);
    }
  }
  process.stdout.write(`${last.checked} versions, ${last.statements} readings checked; ${faulty} wrong\n`);
  if (faulty > 0) process.stdout.write(WHAT_TO_DO);
  return faulty === 0 ? EXIT.done : EXIT.no;
}
