import { closeSync, createReadStream, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { parseArgs } from 'node:util';
import { createGunzip } from 'node:zlib';
import { calculateJwkThumbprint, compactVerify, importJWK, type JWK } from 'jose';
import { canonicalJson } from '../domain/canonical.ts';
import { DAY } from '../domain/interval.ts';
import { invalid, Refusal } from '../domain/outcome.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { sha256, sha256Hex } from '../host/ids.ts';
import { checkStatement } from './check.ts';
import { issuersWord } from './check-days.ts';
import { rootClaim, type StatementFile, signedBytes } from './credential.ts';
import type { Check } from './difference.ts';
import { type ParticipantPayload, type Payload, readPayload } from './payload.ts';
import type { Readings, ReadingVersion } from './readings.ts';
import { readingsParser } from './readings-csv.ts';
import type { MeasureRequest, Recompute, Remeasured } from './recompute.ts';

const HELP = `lachak verify STATEMENT… --readings FILE [--issuer FILE|URL] [--core FILE|DIR]

Recomputes signed statements offline: the signature, the digest of every meter-day, eligible and selected days, adjustment, baseline,
delivered energy, credit, waterfall, and the way to the run's root.

  --readings FILE    CSV, plain or gzip: meter_id,interval_start,import_wh,export_wh[,quality,known_at]; may be given several times
  --issuer FILE|URL  the issuer's public keys (JWKS); left out: issuer.jwks.json in the folder above the statement's
  --core FILE|DIR    the WebAssembly core, or a folder of <sha256>.wasm; left out: cores/ in the folder above the statement's,
                     or the core of this installation when its hash is the one named
  --explain          every check of every statement, also where all holds
  --quiet            only the statements that differ, and the sum

Exit code 0: all holds; 1: something differs, and it says what; 2: the call, a statement or a readings file cannot be used.
`;

/** The core and the calendar of zones, given by whoever may import the room that measures. */
export type Tools = {
  zone(name: string): ZoneDays;
  builtInCore(): Uint8Array<ArrayBuffer>;
  loadCore(bytes: Uint8Array<ArrayBuffer>): Promise<{ readonly sha256: string; measure(request: MeasureRequest): Remeasured }>;
};
export type Print = (line: string) => void;
const say: Print = (line) => void process.stdout.write(`${line}\n`);
type Loaded = { readonly path: string; readonly file: StatementFile; readonly payload: Payload };

/** The command `lachak verify`. Returns the exit code. */
export async function verifyStatements(argv: string[], tools: Tools, print: Print = say): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        readings: { type: 'string', multiple: true, default: [] },
        issuer: { type: 'string' },
        core: { type: 'string' },
        explain: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      print(HELP.trimEnd());
      return 0;
    }
    if (positionals.length === 0)
      throw invalid('statement_missing', 'name at least one statement file; lachak verify --help says more');
    const loaded = positionals.map(readStatement);
    const participants = loaded.flatMap(({ payload }) =>
      payload.party.kind === 'PARTICIPANT' ? [payload as ParticipantPayload] : [],
    );
    if (values.readings.length === 0 && participants.length > 0) {
      throw invalid('readings_missing', 'a participant’s statement is recomputed from readings: give --readings FILE');
    }
    const readings = await readReadings(values.readings, participants);
    const recompute = await recomputeOf(loaded, values.core, tools);
    const issuers = new Map<string, Promise<Issuer>>();
    let wrong = 0;
    for (const one of loaded) {
      const source = values.issuer ?? join(dirname(one.path), '..', 'issuer.jwks.json');
      const issuer = issuers.get(source) ?? readIssuer(source);
      issuers.set(source, issuer);
      const checks = [await checkSignature(one.file, await issuer), ...recomputed(one.file, readings, recompute)];
      const holds = checks.every(({ differences }) => differences.length === 0);
      if (!holds) wrong++;
      if (!holds || !values.quiet) account(one, checks, values.explain || (loaded.length === 1 && !values.quiet), print);
    }
    for (const [source, issuer] of issuers)
      print(`issuer keys from ${source}: ${(await issuer).keys.map(({ thumbprint }) => thumbprint).join(', ')}`);
    print(wrong === 0 ? `✓ ${count(loaded.length)} verified` : `✗ ${wrong} of ${count(loaded.length)} differ`);
    return wrong === 0 ? 0 : 1;
  } catch (error) {
    const known = error instanceof Refusal || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    if (!known && !(error instanceof RangeError)) throw error;
    process.stderr.write(`lachak verify: ${(error as Error).message}\n`);
    return 2;
  }
}

/** A payload that says it is a statement and is none is one difference, not the end of all the others. */
function recomputed(file: StatementFile, readings: Readings, recompute: Recompute): Check[] {
  try {
    return checkStatement(file, readings, recompute);
  } catch (error) {
    return [{ says: '', differences: [`the payload cannot be recomputed: ${(error as Error).message}`] }];
  }
}

function account({ path, payload }: Loaded, checks: readonly Check[], explain: boolean, print: (line: string) => void): void {
  const { party, event, run } = payload;
  const holds = checks.every(({ differences }) => differences.length === 0);
  print(`${holds ? '✓' : '✗'} ${path}: ${party.kind} ${party.id}, event ${event.eventId}, version ${run.version} (${run.stage})`);
  for (const { says, differences } of checks) {
    if (differences.length === 0 && explain) print(`  ✓ ${says}`);
    for (const difference of differences.slice(0, MOST)) print(`  ✗ ${difference}`);
    if (differences.length > MOST) print(`  ✗ … and ${differences.length - MOST} more that follow from it`);
  }
  if (explain && party.kind === 'PARTICIPANT') print(`  · ${issuersWord(payload as ParticipantPayload)}`);
}

// One changed reading changes much after it: the first lines say where it began.
const MOST = 12;
const count = (statements: number): string => (statements === 1 ? '1 statement' : `${statements} statements`);

function readStatement(path: string): Loaded {
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as StatementFile;
    if (typeof file.jws !== 'string' || !file.evidence?.rootEntry) throw new RangeError('is no signed statement file');
    return { path, file, payload: readPayload(file.payload) };
  } catch (error) {
    throw invalid('statement_unusable', `${path}: ${(error as Error).message}`);
  }
}

type Issuer = { readonly source: string; readonly keys: readonly { readonly jwk: JWK; readonly thumbprint: string }[] };

async function readIssuer(source: string): Promise<Issuer> {
  try {
    const url = /^https?:\/\//.test(source);
    const text = url ? await (await fetch(source, { signal: AbortSignal.timeout(10_000) })).text() : readFileSync(source, 'utf8');
    const { keys } = JSON.parse(text) as { keys: JWK[] };
    return { source, keys: await Promise.all(keys.map(async (jwk) => ({ jwk, thumbprint: await calculateJwkThumbprint(jwk) }))) };
  } catch (error) {
    throw invalid(
      'issuer_unusable',
      `the issuer's keys cannot be read from ${source}: ${(error as Error).message}; give --issuer FILE|URL`,
    );
  }
}

async function checkSignature(file: StatementFile, { source, keys }: Issuer): Promise<Check> {
  const [header = '', , signature = ''] = file.jws.split('.');
  const kid = keyOf(header);
  const found = keys.find(({ thumbprint }) => thumbprint === kid);
  if (!found) {
    const theirs = keys.map(({ thumbprint }) => thumbprint).join(', ');
    return { says: '', differences: [`signed by key ${kid}, which is not the issuer's: ${source} has ${theirs}`] };
  }
  const differences: string[] = [];
  const key = await importJWK(found.jwk, 'ES256');
  const holds = async (jws: string) =>
    compactVerify(jws, key, { algorithms: ['ES256'] }).then(
      (result) => result.payload,
      () => null,
    );
  if (!(await holds(`${header}.${Buffer.from(signedBytes(file)).toString('base64url')}.${signature}`))) {
    differences.push(`the signature of key ${kid} does not hold: the file was changed after it was signed`);
  }
  const { discom, run } = readPayload(file.payload);
  const claimed = await holds(file.evidence.rootJws);
  const { leaf, leaves } = file.evidence;
  // The root's own tree: of shards, or of lines.
  const size = (leaf?.shard ?? leaf)?.size ?? leaves?.length;
  const claim = claimed ? (JSON.parse(Buffer.from(claimed).toString('utf8')) as { size: number }) : null;
  if (!claim) differences.push('the signature of the run’s root does not hold');
  else if (canonicalJson(claim) !== canonicalJson(rootClaim(discom, run.runId, file.evidence.root, size ?? claim.size))) {
    differences.push(`the signed root is another: ${canonicalJson(claim)}`);
  }
  return { says: `signed by key ${kid} (from ${source})`, differences };
}

function keyOf(header: string): string {
  try {
    return String((JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as { kid?: string }).kid);
  } catch {
    return 'unknown';
  }
}

/** The cores that the statements name, as far as they can be found; a file that is not what its name says is refused. */
async function recomputeOf(loaded: readonly Loaded[], given: string | undefined, tools: Tools): Promise<Recompute> {
  const cores = new Map<string, Awaited<ReturnType<Tools['loadCore']>>>();
  const wanted = new Set(loaded.map(({ payload }) => payload.run.coreSha256));
  const candidates: Uint8Array<ArrayBuffer>[] = [];
  const folders = given ? [given] : [...new Set(loaded.map(({ path }) => join(dirname(path), '..', 'cores')))];
  for (const place of folders) {
    if (!existsSync(place)) {
      if (given) throw invalid('core_unusable', `there is no ${place}`);
      continue;
    }
    const files = statSync(place).isDirectory()
      ? readdirSync(place)
          .filter((name) => name.endsWith('.wasm'))
          .map((name) => join(place, name))
      : [place];
    candidates.push(...files.map((path) => new Uint8Array(readFileSync(path))));
  }
  candidates.push(tools.builtInCore());
  for (const bytes of candidates) {
    const digest = sha256Hex(bytes);
    if (wanted.has(digest) && !cores.has(digest)) cores.set(digest, await tools.loadCore(bytes));
  }
  return {
    hash: sha256,
    zone: tools.zone,
    hasCore: (digest) => cores.has(digest),
    measure: (request) => cores.get(request.coreSha256)!.measure(request),
  };
}

/** Only the meters and days that the statements look at are kept, in one pass over each file. */
async function readReadings(
  paths: readonly string[],
  participants: readonly ParticipantPayload[],
): Promise<Map<string, Map<number, ReadingVersion[]>>> {
  const spans = new Map<string, { from: number; to: number }>();
  for (const { measured } of participants) {
    for (const { meterId, day } of measured.meterDays) {
      const at = Date.parse(`${day}T00:00:00Z`);
      const span = spans.get(meterId) ?? { from: at, to: at };
      spans.set(meterId, { from: Math.min(span.from, at - DAY), to: Math.max(span.to, at + 2 * DAY) });
    }
  }
  const found = new Map<string, Map<number, ReadingVersion[]>>();
  for (const path of paths) {
    const row = readingsParser(path, spans, found);
    try {
      const gzipped = isGzip(path);
      const bytes = createReadStream(path);
      const plain = gzipped ? bytes.pipe(createGunzip()) : bytes;
      bytes.on('error', (error) => plain.destroy(error));
      await eachLine(plain, row);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      throw invalid('readings_unusable', `${path}: ${(error as Error).message}`);
    }
  }
  return found;
}

const LINE_MOST = 65_536;

async function eachLine(chunks: AsyncIterable<Buffer>, row: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop()!;
    if (rest.length > LINE_MOST) throw new RangeError(`a line has more than ${LINE_MOST} characters`);
    for (const line of lines) row(line.endsWith('\r') ? line.slice(0, -1) : line);
  }
  if (rest !== '') row(rest);
}

function isGzip(path: string): boolean {
  if (!existsSync(path)) throw invalid('readings_unusable', `there is no file ${path}`);
  const start = new Uint8Array(2);
  const file = openSync(path, 'r');
  readSync(file, start, 0, 2, 0);
  closeSync(file);
  return start[0] === 0x1f && start[1] === 0x8b;
}
