import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { invalid, Refusal } from '../domain/outcome.ts';
import { EXIT, explain, readWords, suggestion } from '../host/cli.ts';
import { zoneDays } from '../host/zone.ts';
import { answer, answerJson } from './answer.ts';
import { readCases } from './case.ts';
import { NO_CHARGES, readCharges } from './charges.ts';
import { csvRows, type Row } from './csv.ts';
import { EXAMPLE } from './example.ts';
import { readObject } from './fields.ts';
import { type JsonObject, readJson } from './json.ts';
import { loadTradeKernel, METHODS, type Method } from './kernel.ts';
import { answerCase } from './per-block-paise.ts';
import { readTables, readTablesJson, type Tables } from './request.ts';
import { answerTables } from './table.ts';

const HELP = `lachak allocate --trades FILE --readings FILE… [--meters FILE] [--charges FILE]
lachak allocate --request FILE|-

Settles energy that neighbours traded: whose the metered energy was, and what it costs, exactly, in the WebAssembly core.

Your own tables, CSV, plain or gzip; columns in any order, further ones may be named by conditions of the charges:
  --trades FILE     trade_id,seller,buyer,block_start,block_minutes,qty_wh (or qty_kwh),price_rupees_per_kwh,trade_time
  --readings FILE   meter_id,interval_start,import_wh,export_wh[,quality]; may be given several times; an empty register is missing
  --meters FILE     meter_id,connection_id[,retail_rupees_per_kwh,feedin_rupees_per_kwh]; without it a meter is its own connection
  --charges FILE    JSON: zone, cycle_starts_on, slots, boundaries with their losses, components with their order and clause
  --reading-minutes N  when readings are shorter than the blocks of trades
Or all of it in one file:
  --request FILE|-  JSON { "trades", "readings", "meters", "charges", "method", "reading_minutes" } with the same columns as fields;
                    - reads standard input. { "cases": [ … ] } in the golden case format answers { "results": [ … ] } (see below)
  --example         prints such a request to start from: lachak allocate --example > request.json

  --method M        pro_rata (default)  each side's meter by largest remainder, then the smaller of both sides
                    fifo                the earlier trade_time first
                    three_round         India Energy Stack: seller's DISCOM, buyer's DISCOM at most that, seller's DISCOM again
                    water_fill          pro_rata over again with what is left, until nothing moves
  --json            everything, trade by trade, instead of tables for people

stranded: what water_fill would settle beyond the method. A missing register counts zero, provisionally, and is marked AWAITING_DATA.
Binding are the kWh by connection, time-of-day slot and cycle; rupees of the DISCOM's residual legs are indicative.
With "cases", money is in whole paise block by block, and each case says its own allocation. Exit code 0; 2 when the call or a file is
wrong, with file and line or case and field on standard error and nothing on standard output.
`;

/** The command `lachak allocate`; `core` brings the bytes of the WebAssembly core. Returns the exit code. */
export async function allocateCommand(argv: readonly string[], core: () => Uint8Array): Promise<number> {
  if (!process.stdout.listeners('error').includes(toldAgain)) process.stdout.on('error', toldAgain);
  try {
    const { values, positionals } = readWords(argv, {
      ...{ request: { type: 'string' }, trades: { type: 'string' }, readings: { type: 'string', multiple: true } },
      ...{ meters: { type: 'string' }, charges: { type: 'string' }, 'reading-minutes': { type: 'string' } },
      ...{ method: { type: 'string' }, json: { type: 'boolean' }, example: { type: 'boolean' } },
    });
    if (positionals.length > 0) throw invalid('usage', `${positionals[0]} is no option; lachak allocate --help tells more`);
    const flags = values as Flags;
    if (flags.help) await print(HELP);
    else if (flags.example) await print(`${JSON.stringify(EXAMPLE, null, 2)}\n`);
    else await printAll(await settleFiles(flags, core));
    return EXIT.done;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return EXIT.done; // the reader, as head does, had enough
    // A RangeError is the core's refusal to answer inexactly; what else is no Refusal is a bug and keeps its stack.
    const { message, exit } = error instanceof RangeError ? { message: error.message, exit: EXIT.usage } : explain(error);
    process.stderr.write(`lachak allocate: ${message}\n`);
    return error instanceof Refusal ? EXIT.usage : exit;
  }
}

type Flags = {
  readonly [K in 'request' | 'trades' | 'meters' | 'charges' | 'method' | 'reading-minutes']?: string;
} & { readonly readings?: readonly string[]; readonly json?: boolean; readonly example?: boolean; readonly help?: boolean };

const TABLE_FLAGS = ['trades', 'readings', 'meters', 'charges', 'reading-minutes'] as const;

/** The output, piece by piece: made whole before the first piece, so that a refusal prints nothing. */
async function settleFiles(flags: Flags, core: () => Uint8Array): Promise<Iterable<string>> {
  const method = flags.method === undefined ? null : methodOf(flags.method);
  if (flags.request !== undefined) {
    const mixed = TABLE_FLAGS.find((flag) => flags[flag] !== undefined);
    if (mixed) throw invalid('usage', `--${mixed} cannot be given beside --request: the request brings its own`);
    const request = await readJsonFile(flags.request);
    if (request.has('cases')) return answerCases(request, method, core);
    return naming(flags.request, async () =>
      settleTables({ ...readTablesJson(request), ...(method && { method }) }, flags, core),
    );
  }
  return settleTables({ ...(await readTableFiles(flags)), method: method ?? 'pro_rata' }, flags, core);
}

async function settleTables(tables: Tables, flags: Flags, core: () => Uint8Array): Promise<Iterable<string>> {
  const request = readTables(tables);
  tell(`${request.book.trades.length} trades and the readings of ${request.readings.byMeter.size} meters are read; settling`);
  const zone = zoneDays(request.charges.zone);
  const made = answer(await loadTradeKernel(core()), request, zone);
  return flags.json ? answerJson(made) : [answerTables(made, zone)];
}

/** The compatibility mode. */
async function answerCases(request: JsonObject, method: Method | null, core: () => Uint8Array): Promise<Iterable<string>> {
  if (method) throw invalid('usage', '--method is for your own trades: a case of the golden format says its allocation itself');
  const cases = readCases(request);
  const kernel = await loadTradeKernel(core());
  return [`{"results":[\n${cases.map((entry) => JSON.stringify(answerCase(kernel, entry))).join(',\n')}\n]}\n`];
}

async function readTableFiles(flags: Flags): Promise<Omit<Tables, 'method'>> {
  const { trades, readings, meters, charges } = flags;
  const missing = trades === undefined ? '--trades FILE' : readings === undefined ? '--readings FILE' : null;
  if (missing)
    throw invalid('usage', `${missing} is missing (or give everything with --request FILE); lachak allocate --help tells more`);
  const minutes = flags['reading-minutes'];
  if (minutes !== undefined && !/^[1-9]\d{0,3}$/.test(minutes))
    throw invalid('usage', `--reading-minutes must be a number of minutes, not ${minutes}`);
  const texts: [string, string][] = [];
  for (const file of readings!) texts.push([file, await readText(file)]);
  return {
    readingMinutes: minutes === undefined ? null : Number(minutes),
    trades: csvRows(trades!, await readText(trades!)),
    meters: meters === undefined ? null : csvRows(meters, await readText(meters)),
    readings: eachOf(texts),
    charges:
      charges === undefined ? NO_CHARGES : await naming(charges, async () => readCharges(await readJsonFile(charges), 'charges')),
  };
}

function* eachOf(texts: readonly [string, string][]): Generator<Row> {
  for (const [file, content] of texts) yield* csvRows(file, content);
}

function methodOf(word: string): Method {
  const found = METHODS.find((method) => method === word);
  if (!found) throw invalid('usage', `--method must be one of ${METHODS.join(', ')}, not ${word}${suggestion(word, METHODS)}`);
  return found;
}

async function readJsonFile(file: string): Promise<JsonObject> {
  const content = await readText(file);
  return naming(file, async () => readObject(readJson(content), 'the JSON'));
}

/** A refusal that says in which file. */
async function naming<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refusal) || error.message.startsWith(nameOf(file))) throw error;
    throw new Refusal(error.kind, error.code, `${nameOf(file)}: ${error.message}`, error.field);
  }
}

/** The text of a file, plain or gzip; - is standard input. Throws Refusal. */
async function readText(file: string): Promise<string> {
  try {
    const bytes = file === '-' ? await buffer(process.stdin) : await readFile(file);
    const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? await unzipped(bytes) : bytes;
    return new TextDecoder('utf-8', { fatal: true }).decode(plain);
  } catch (error) {
    throw invalid('usage', `${nameOf(file)} cannot be read: ${(error as Error).message}`);
  }
}

// Node's strings end at 512 MiB; a small file that unzips to more is no table of trades.
const unzipped = (bytes: Uint8Array): Promise<Buffer> =>
  promisify(gunzip)(bytes, { maxOutputLength: 2 ** 29 - 1024 }) as Promise<Buffer>;

const nameOf = (file: string): string => (file === '-' ? 'standard input' : file);

/** How far it is, for whoever watches a terminal. */
function tell(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`lachak allocate: ${what}\n`);
}

/** A stream's error comes to whoever wrote as well; unheard here it would end the process. */
const toldAgain = (): void => {};

const print = (output: string): Promise<void> =>
  new Promise((done, failed) => process.stdout.write(output, (error) => (error ? failed(error) : done())));

async function printAll(pieces: Iterable<string>): Promise<void> {
  let waiting = '';
  for (const piece of pieces) {
    waiting += piece;
    if (waiting.length < 2 ** 16) continue;
    await print(waiting);
    waiting = '';
  }
  await print(waiting);
}
