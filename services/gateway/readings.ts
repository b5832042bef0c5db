import { invalid } from '../domain/outcome.ts';

const MISSING = -2_147_483_648;
const QUALITIES = ['', 'VALID', 'ESTIMATED', 'MANUAL', 'SUSPECT', 'REJECTED'];

type Block = {
  meterId: string;
  start: string;
  intervalMinutes: number;
  importWh: (number | null)[];
  exportWh?: (number | null)[];
  quality?: string[];
  knownAt?: string;
};

/**
 * JSON readings as packed columns, one block a meter:
 * `{"readings":[{"meterId":"m-1","start":"2026-05-01T00:00:00+05:30","intervalMinutes":15,"importWh":[120,null,…]}]}`.
 * null = missing. Refuses with the index and member that is wrong; what the values may be is metering's to judge.
 */
export async function* readingColumns(body: unknown, commandId: string) {
  const blocks = (body as { readings?: unknown })?.readings;
  if (!Array.isArray(blocks) || blocks.length === 0)
    throw invalid('readings_missing', 'the body must be {"readings":[…]} with at least one block', 'readings');
  for (const [i, block] of (blocks as Block[]).entries()) {
    const at = `readings[${i}]`;
    if (typeof block?.meterId !== 'string') throw invalid('meter_id_missing', `${at}.meterId must be a text`, `${at}.meterId`);
    const slots = values(block.importWh, `${at}.importWh`);
    const exported = block.exportWh === undefined ? undefined : values(block.exportWh, `${at}.exportWh`);
    if (exported && exported.length !== slots.length)
      throw invalid('lengths_differ', `${at}.exportWh must be as long as importWh`, `${at}.exportWh`);
    if (block.quality !== undefined && (!Array.isArray(block.quality) || block.quality.length !== slots.length))
      throw invalid('lengths_differ', `${at}.quality must be a list as long as importWh`, `${at}.quality`);
    const minutes = block.intervalMinutes ?? 0;
    if (!Number.isInteger(minutes) || minutes < 0 || minutes > 1440)
      throw invalid('interval_malformed', `${at}.intervalMinutes must be whole minutes, like 15`, `${at}.intervalMinutes`);
    yield {
      commandId: commandId && `${commandId}/${i}`,
      startMs: BigInt(instant(block.start, `${at}.start`)),
      intervalMinutes: minutes,
      slots: slots.length,
      meterIds: [block.meterId],
      importWh: littleEndian(slots),
      exportWh: exported ? littleEndian(exported) : new Uint8Array(),
      quality: block.quality
        ? Uint8Array.from(block.quality, (name, j) => quality(name, `${at}.quality[${j}]`))
        : new Uint8Array(),
      knownAtMs: block.knownAt === undefined ? 0n : BigInt(instant(block.knownAt, `${at}.knownAt`)),
    };
  }
}

function values(list: unknown, at: string): number[] {
  if (!Array.isArray(list) || list.length === 0)
    throw invalid('values_missing', `${at} must be a list of whole Wh (null = missing)`, at);
  return list.map((wh, j) => {
    if (wh === null) return MISSING;
    if (!Number.isInteger(wh) || Math.abs(wh) > 2_147_483_647)
      throw invalid('not_whole_wh', `${at}[${j}] must be whole Wh or null`, `${at}[${j}]`);
    return wh as number;
  });
}

function instant(text: unknown, at: string): number {
  const ms = typeof text === 'string' && /(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw invalid('instant_malformed', `${at} must be ISO-8601 with an offset, like 2026-05-01T00:00:00+05:30`, at);
  return ms;
}

function quality(name: string, at: string): number {
  const code = QUALITIES.indexOf(name);
  if (code < 1) throw invalid('quality_unknown', `${at} must be one of ${QUALITIES.slice(1).join(', ')}`, at);
  return code;
}

function littleEndian(numbers: readonly number[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(numbers.length * 4));
  for (const [i, n] of numbers.entries()) bytes.setInt32(i * 4, n, true);
  return new Uint8Array(bytes.buffer);
}
