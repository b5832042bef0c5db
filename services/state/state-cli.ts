import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { create, toJson } from '@bufbuild/protobuf';
import { TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { presets } from '../catalogue/presets.ts';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { HOUR } from '../domain/interval.ts';
import { rupees } from '../domain/money.ts';
import { invalid } from '../domain/outcome.ts';
import { EXIT, readWords } from '../host/cli.ts';
import { coreBytes } from '../host/core-file.ts';
import { sha256Hex } from '../host/ids.ts';
import { zoneDays } from '../host/zone.ts';
import { writeDurably } from '../performance/durable-file.ts';
import { loadKernel } from '../performance/kernel.ts';
import { readPayTerms } from '../settlement/terms.ts';
import { openCrew } from './crew.ts';
import { INTERVAL_MINUTES } from './loads.ts';
import { type Progress, runState, type StateRun } from './run-state.ts';
import { groundOf, readTown } from './shard-work.ts';
import { metersIn, placeOf, pointId, shardsOf, type Town } from './town.ts';
import { runFile, townStatement } from './town-statement.ts';

const HELP = `lachak state seed --folder DIR [--meters N] [--seed N]
lachak state run --folder DIR [--threads N]
lachak state statement --folder DIR --point S00012-00345 [--out DIR]

A settlement run of a whole state on one machine: made-up meters (12 500 000 unless --meters says otherwise), some weeks of half hours
and one peak event under the default residential terms; from the tiles of readings to credits, bill credits, control totals that sum to
zero and a signed root. A run that was killed goes on where it was: run it again.

  seed        makes tiles and cohort in the folder; about 1.5 kB a meter
  run         measures and settles what is in the folder; leaves run/run.json, run/bill-credits.csv and a file of columns a shard
  statement   makes one participant's signed statement, with its readings and the issuer's key, and says how to verify it

  --folder DIR   where everything lies
  --meters N     1 to 25 000 000
  --seed N       other homes (default 1)
  --threads N    default: as many as the machine has
  --out DIR      default: the folder's statements/
`;

/** A look-back of three weeks holds ten working days. */
const LOOK_BACK_DAYS = 21;
const PER_SHARD = 4096;
const MOST = 25_000_000;

/** `lachak state`. */
export async function stateCommand(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  const word = { type: 'string' as const };
  const { values } = readWords(rest, { folder: word, meters: word, seed: word, threads: word, point: word, out: word });
  if (values.help || verb === undefined || verb === '--help' || verb === '-h') {
    process.stdout.write(HELP);
    return verb === undefined ? EXIT.usage : EXIT.done;
  }
  const flags = values as Readonly<Record<string, string | undefined>>;
  if (!['seed', 'run', 'statement'].includes(verb))
    throw invalid('usage', `${verb} is none of seed, run, statement; lachak state --help says more`);
  if (flags.folder === undefined) throw invalid('usage', '--folder is missing: where the state lies');
  const folder = resolve(flags.folder);
  const threads = whole(flags.threads ?? String(availableParallelism()), 'threads', 1, 64);
  if (verb === 'seed') {
    const town = makeTown(whole(flags.meters ?? '12500000', 'meters', 1, MOST), whole(flags.seed ?? '1', 'seed', 0, 2 ** 31));
    await seedTown(town, folder, threads, bar());
    process.stdout.write(
      `${town.meters.toLocaleString('en-IN')} meters in ${folder}; next: lachak state run --folder ${flags.folder}\n`,
    );
  } else if (verb === 'run') {
    const run = await runState(townIn(folder), folder, threads, bar());
    process.stdout.write(account(run, folder));
  } else await statement(folder, flags);
  return EXIT.done;
}

/** The state and its event: a hot Friday evening two hours long, told of two hours before. */
export function makeTown(meters: number, seed: number, preset = presets[0]!): Town {
  const zone = 'Asia/Kolkata';
  const day = '2026-05-15';
  const midnight = zoneDays(zone).startOf(day);
  const window = { start: midnight + 18 * HOUR, end: midnight + 20 * HOUR };
  const baseline = { ...preset.terms.baseline, lookbackDays: LOOK_BACK_DAYS } as never;
  const terms = toJson(TermsSchema, create(TermsSchema, { ...preset.terms, baseline })) as Json;
  const [stage] = readPayTerms(terms).stages;
  const members = sha256Hex(canonicalJson({ meters, per_shard: PER_SHARD, seed }));
  const commitment = {
    members,
    terms_digest: sha256Hex(canonicalJson(terms)),
    window: { start_ms: window.start, end_ms: window.end },
  };
  return {
    ...{ format: 1, discom: 'STATE', seed, meters, perShard: PER_SHARD, zone, intervalMinutes: INTERVAL_MINUTES },
    event: {
      ...{ eventId: `peak-${day}`, programmeId: preset.name ?? 'programme', termsVersion: 1, window },
      ...{ noticeAtMs: window.start - 2 * HOUR, committedAtMs: window.start - 3 * HOUR },
      commitmentDigest: sha256Hex(canonicalJson(commitment)),
    },
    ...{ asOfMs: window.end + stage!.cutOffAfterEndMs, terms },
    calendar: { calendarId: 'state', version: 1, days: [] },
  };
}

/** Makes tiles and cohort; what is there already is kept. Throws Refusal when the folder holds another state. */
export async function seedTown(
  town: Town,
  folder: string,
  threads: number,
  progress: (phase: 'seeding', done: number, of: number) => void,
) {
  const text = `${JSON.stringify(town, null, 1)}\n`;
  const path = join(folder, 'state.json');
  if (existsSync(path) && readFileSync(path, 'utf8') !== text)
    throw invalid('usage', `${folder} holds another state: name an empty folder, or the same --meters and --seed`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await writeDurably(path, Buffer.from(text));
  rmSync(join(folder, 'run'), { recursive: true, force: true });
  const crew = openCrew({ town, folder }, threads);
  try {
    let done = 0;
    const shards = shardsOf(town);
    const errands = Array.from({ length: shards }, (_, shard) => ({ kind: 'seed' as const, shard, lookBack: LOOK_BACK_DAYS }));
    await crew.perform(errands, () => progress('seeding', ++done, shards));
  } finally {
    await crew.stop();
  }
}

async function statement(folder: string, flags: Readonly<Record<string, string | undefined>>): Promise<void> {
  const town = townIn(folder);
  if (!existsSync(runFile(folder))) throw invalid('usage', `there is no finished run in ${folder}: lachak state run makes it`);
  const place = placeOf(town, flags.point ?? '');
  if (!place) {
    const last = shardsOf(town) - 1;
    const range = `${pointId(0, 0)} to ${pointId(last, metersIn(town, last) - 1)}`;
    throw invalid('usage', `--point is a settlement point from ${range}, ${PER_SHARD} to a shard; not ${flags.point ?? 'none'}`);
  }
  const run = JSON.parse(readFileSync(runFile(folder), 'utf8')) as StateRun;
  const kernel = await loadKernel(coreBytes());
  const made = await townStatement(town, folder, run, place, groundOf(town, kernel, folder), kernel);
  const out = resolve(flags.out ?? join(folder, 'statements'));
  mkdirSync(out, { recursive: true });
  const file = join(out, `${flags.point}.json`);
  writeFileSync(file, made.statement);
  writeFileSync(join(out, `${flags.point}.csv`), made.readings);
  writeFileSync(join(out, 'issuer.jwks.json'), made.jwks);
  const readings = join(out, `${flags.point}.csv`);
  process.stdout.write(
    `${file}\ncheck it: lachak verify ${file} --readings ${readings} --issuer ${join(out, 'issuer.jwks.json')}\n`,
  );
}

/** The folder's state. Throws Refusal. */
function townIn(folder: string): Town {
  if (!existsSync(join(folder, 'state.json')))
    throw invalid('usage', `${folder} holds no state: lachak state seed --folder ${folder} makes one`);
  return readTown(folder);
}

/** One line for all phases: how far, how fast, how long still. On a terminal it is drawn over; elsewhere every tenth is a line. */
function bar(): Progress & ((phase: 'seeding', done: number, of: number) => void) {
  let phase = '';
  let [began, first, said] = [0, 0, 0];
  return (now: string, done: number, of: number) => {
    if (now !== phase) [phase, began, first, said] = [now, performance.now(), done, 0];
    const share = of === 0 ? 1 : done / of;
    const spent = (performance.now() - began) / 1000;
    const left = done > first ? (spent * (of - done)) / (done - first) : Number.NaN;
    const text = `${phase.padEnd(9)} ${'█'.repeat(Math.floor(share * 30)).padEnd(30, '·')} ${Math.floor(share * 100)} %  ${done} of ${of}  ${spent.toFixed(1)} s`;
    const more = Number.isNaN(left) || done === of ? '' : `, about ${Math.ceil(left)} s left`;
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}${more}${done === of ? '\n' : ''}`);
    else if (done === of || share >= said + 0.1) {
      said = Math.floor(share * 10) / 10;
      process.stderr.write(`${text}${more}\n`);
    }
  };
}

function account(run: StateRun, folder: string): string {
  const { portfolio, holdout } = run;
  const indian = (value: number) => value.toLocaleString('en-IN');
  return `${[
    `${indian(run.settlementPoints)} settlement points, ${indian(run.withoutBaseline)} without a baseline; coverage ${(run.coveragePpm / 10_000).toFixed(2)} %${run.coverageReached ? '' : `, not reached: ${indian(run.open)} stay open`}`,
    `delivered ${indian(portfolio.deliveredWh)} Wh, individually ${indian(portfolio.individualsWh)} Wh; credited ${indian(run.creditedWh)} Wh and ${rupees(BigInt(run.creditedMicros))}`,
    `false credit: the ${indian(holdout.points)} homes of the holdout, asked for nothing, would have got ${rupees(BigInt(holdout.wouldBeMicros))}`,
    ...run.postings.map(({ account: name, micros }) => `  ${name.padEnd(30)} ${rupees(BigInt(micros)).padStart(22)}`),
    `  ${'together'.padEnd(30)} ${rupees(run.postings.reduce((sum, { micros }) => sum + BigInt(micros), 0n)).padStart(22)}`,
    `root ${run.root}, signed; bill credits in ${join(folder, 'run', 'bill-credits.csv')}`,
  ].join('\n')}\n`;
}

function whole(text: string, name: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d{1,10}$/.test(text) && value >= least && value <= most) return value;
  throw invalid('usage', `--${name} is a whole number from ${least} to ${most}, not ${text}`);
}
