import type { DuckDBConnection } from '@duckdb/node-api';
import { invalid } from '../domain/outcome.ts';
import { MISSING } from '../domain/tile.ts';
import type { FindingCode, Findings } from './findings.ts';
import { instantParser, NO_OFFSET } from './instant.ts';
import type { ReadRows } from './reader.ts';
import { addRow, noRows, ROWS_MOST } from './rows.ts';

const COLUMNS = ['meter_id', 'interval_start', 'import_wh', 'export_wh', 'quality', 'known_at', 'day_import_wh'] as const;
type Name = (typeof COLUMNS)[number];
const REQUIRED: readonly Name[] = ['meter_id', 'interval_start', 'import_wh'];
const SHAPE = `${REQUIRED.join(', ')}[, export_wh][, quality][, known_at][, day_import_wh]`;
/** What a query answers for a number that is none: below every value, and not MISSING. */
const NEGATIVE = -2;
const TOO_LARGE = -3;
const NO_NUMBER = -4;
const WORDS: Readonly<Record<number, readonly [FindingCode, string]>> = {
  [NEGATIVE]: ['negative', 'zero or more: import and export are separate registers'],
  [TOO_LARGE]: ['out_of_range', 'at most 2147483647 Wh'],
  [NO_NUMBER]: ['not_a_number', 'whole Wh'],
};
/** No instant: −1 quietly missing, −2 not one. */
const NO_INSTANT = -2;

/**
 * A Parquet file of the columns that a CSV of readings has, in its order; the line of a finding is the row of the file, from 1. Throws
 * Refusal for what spoils the whole file. DuckDB reads it (`@duckdb/node-api`: Parquet with every compression, columns instead of rows);
 * it is loaded when the first such file comes.
 */
export async function readParquet(path: string, findings: Findings): Promise<ReadRows> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:', {
    ...{ threads: '2', memory_limit: '1GB', preserve_insertion_order: 'true' },
    // A file says where it is; nothing else is fetched or loaded for it.
    ...{ autoinstall_known_extensions: 'false', autoload_known_extensions: 'false' },
  });
  const duck = await instance.connect();
  try {
    return await rowsOf(duck, `read_parquet(${quoted(path)}, file_row_number = true)`, findings);
  } catch (error) {
    const { name, message } = error as Error;
    if (name === 'Refusal') throw error;
    const why = message.split('\n')[0]!.replaceAll(path, 'the file');
    throw invalid('parquet_damaged', `the Parquet file cannot be read (${why}); nothing was stored`, 'chunk');
  } finally {
    duck.closeSync();
    instance.closeSync();
  }
}

async function rowsOf(duck: DuckDBConnection, file: string, findings: Findings): Promise<ReadRows> {
  const types = await typesOf(duck, file);
  const [[count]] = (await (await duck.runAndReadAll(`select count(*)::double from ${file}`)).getRows()) as [[number]];
  if (count > ROWS_MOST) throw invalid('too_many_rows', `a file may have ${ROWS_MOST} readings; split it`);
  const starts = await instants(duck, file, types, 'interval_start');
  const known = await instants(duck, file, types, 'known_at');
  const rows = noRows(Math.max(1, count));
  await duck.run(`create type meters as enum (select distinct meter_id::varchar m from ${file} where m is not null order by m)`);
  const ids = (await (await duck.runAndReadAll('select unnest(enum_range(null::meters))::varchar')).getRows()) as [string][];
  rows.meterIds.push(...ids.map(([id]) => id));
  const stream = await duck.stream(
    `select coalesce(enum_code(meter_id::varchar::meters)::integer, -1), ${starts.sql}, ${known.sql}, ${wh(types, 'import_wh')},
       ${wh(types, 'export_wh')}, ${wh(types, 'day_import_wh')}, ${qualitySql(types)}, file_row_number::double from ${file}`,
  );
  let empty = 0;
  const refuse = (line: number, column: Name, code: FindingCode, must: string): void =>
    findings.add(line, column, code, () => `${column} must be ${must}`);
  for (let chunk = await stream.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await stream.fetchChunk()) {
    const [meters, from, at, imports, exports, sums, qualities, numbers] = Array.from(
      { length: 8 },
      (_, i) => (chunk!.getColumnVector(i) as unknown as { items: ArrayLike<number> }).items,
    ) as ArrayLike<number>[];
    for (let i = 0; i < chunk.rowCount; i++) {
      const line = numbers![i]! + 1;
      const wrong = [
        ['import_wh', imports![i]!],
        ['export_wh', exports![i]!],
        ['day_import_wh', sums![i]!],
      ].find(([, value]) => (value as number) < 0 && value !== MISSING) as [Name, number] | undefined;
      if (meters![i]! < 0 || rows.meterIds[meters![i]!] === '') refuse(line, 'meter_id', 'unknown_meter', 'there');
      else if (starts.of(from![i]!) < 0) refuse(line, 'interval_start', 'not_an_instant', AN_INSTANT);
      else if (qualities![i] === 0) refuse(line, 'quality', 'quality_unknown', QUALITY_WORDS);
      else if (wrong) refuse(line, wrong[0], ...WORDS[wrong[1]]!);
      else if (known.of(at![i]!) === NO_INSTANT) refuse(line, 'known_at', 'not_an_instant', AN_INSTANT);
      else {
        const start = starts.of(from![i]!);
        if (sums![i] !== MISSING) rows.daySums.push({ meter: meters![i]!, start, wh: sums![i]! });
        if (imports![i] === MISSING && exports![i] === MISSING && qualities![i] !== 5) {
          empty++;
          continue;
        }
        const knownAt = known.of(at![i]!);
        const [importWh, exportWh] = [imports![i]!, exports![i]!];
        addRow(rows, meters![i]!, start, importWh, exportWh, qualities![i]!, knownAt < 0 ? Number.NaN : knownAt, line);
      }
    }
  }
  return { rows, lines: count, empty };
}

type Types = ReadonlyMap<string, string>;

async function typesOf(duck: DuckDBConnection, file: string): Promise<Types> {
  const described = (await (await duck.runAndReadAll(`describe select * from ${file}`)).getRows()) as string[][];
  const types = new Map(described.map(([name, type]) => [name!, type!]));
  types.delete('file_row_number');
  // What pandas keeps of its index.
  for (const name of types.keys()) if (name.startsWith('__index_level_')) types.delete(name);
  const strange = [...types.keys()].find((name) => !(COLUMNS as readonly string[]).includes(name));
  const absent = REQUIRED.filter((name) => !types.has(name));
  if (strange !== undefined || absent.length > 0)
    throw invalid(
      'wrong_header',
      `the columns must be ${SHAPE}; ${absent.length > 0 ? `${absent.join(', ')} is not there` : `${strange} is none of them`}`,
      'header',
    );
  for (const name of ['import_wh', 'export_wh', 'day_import_wh'])
    if (types.has(name) && !/^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL.*)$/.test(types.get(name)!))
      throw invalid('wrong_header', `${name} is ${types.get(name)}; it must be a column of numbers, whole Wh`, name);
  return types;
}

/** A column of instants as one number a row, and what the number means: ms UTC, −1 missing, NO_INSTANT. */
async function instants(
  duck: DuckDBConnection,
  file: string,
  types: Types,
  name: 'interval_start' | 'known_at',
): Promise<{ sql: string; of: (value: number) => number }> {
  const type = types.get(name);
  if (type === undefined) return { sql: '-1::double', of: () => -1 };
  if (type === 'TIMESTAMP WITH TIME ZONE')
    return {
      sql: `coalesce(${name === 'known_at' ? 'floor' : ''}(epoch_us(${name}) / 1000.0), -1)::double`,
      of: (ms) => (ms === -1 ? -1 : ms < 0 ? NO_INSTANT : ms),
    };
  if (type !== 'VARCHAR')
    throw invalid(
      'offset_missing',
      `${name} is ${type}, so its time zone is anyone's guess; it must be a timestamp adjusted to UTC, or text with Z or an offset like +05:30`,
      name,
    );
  await duck.run(`create type of_${name} as enum (select distinct ${name} t from ${file} where t is not null order by t)`);
  const texts = (await (await duck.runAndReadAll(`select unnest(enum_range(null::of_${name}))::varchar`)).getRows()) as [
    string,
  ][];
  const parse = instantParser();
  const found = texts.map(([text]) => {
    if (name === 'known_at' && text === '') return -1;
    const bytes = new TextEncoder().encode(text);
    const at = parse(bytes, 0, bytes.length);
    if (at === NO_OFFSET)
      throw invalid('offset_missing', `${name} ${text} has no offset; every stamp needs Z or one like +05:30`, name);
    return Number.isNaN(at) || at < 0 ? NO_INSTANT : at;
  });
  return { sql: `coalesce(enum_code(${name}::of_${name})::double, -1)`, of: (code) => (code < 0 ? -1 : found[code]!) };
}

function wh(types: Types, name: Name): string {
  if (!types.has(name)) return `(${MISSING})::integer`;
  return `(case when ${name} is null then ${MISSING} when not isfinite(${name}::double) or ${name} <> floor(${name}) then ${NO_NUMBER}
    when ${name} < 0 then ${NEGATIVE} when ${name} > 2147483647 then ${TOO_LARGE} else ${name} end)::integer`;
}

function qualitySql(types: Types): string {
  if (!types.has('quality')) return '1::integer';
  const text = `upper(trim(quality::varchar))`;
  const words = ['VALID', 'ESTIMATED', 'MANUAL', 'SUSPECT', 'REJECTED'];
  const cases = words.map((word, i) => `when ${text} in ('${word}', '${i + 1}') then ${i + 1}`);
  return `(case when quality is null or ${text} = '' then 1 ${cases.join(' ')} else 0 end)::integer`;
}

const AN_INSTANT = 'an instant like 2026-05-01T18:30:00+05:30';
const QUALITY_WORDS = 'VALID, ESTIMATED, MANUAL, SUSPECT, REJECTED or 1 to 5';
const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
