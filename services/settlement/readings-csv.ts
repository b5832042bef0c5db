import { invalid } from '../domain/outcome.ts';
import type { ReadingVersion } from './readings.ts';

const QUALITIES = ['', 'VALID', 'ESTIMATED', 'MANUAL', 'SUSPECT', 'REJECTED'];
const NAMES = ['meter_id', 'interval_start', 'import_wh', 'export_wh', 'quality', 'known_at'] as const;
const REQUIRED = 3;

/**
 * Takes the lines of a readings file one by one and keeps those of the meters and days asked for. Throws Refusal with file and line for
 * a wrong header, a stamp without offset, a value that is no whole Wh.
 */
export function readingsParser(
  path: string,
  spans: ReadonlyMap<string, { readonly from: number; readonly to: number }>,
  into: Map<string, Map<number, ReadingVersion[]>>,
): (line: string) => void {
  let place: number[] | null = null;
  let line = 0;
  const fault = (message: string) => invalid('readings_unusable', `${path} line ${line}: ${message}`);
  const number = (text: string | undefined): number | null => {
    if (text === undefined || text === '') return null;
    const wh = Number(text);
    if (!Number.isSafeInteger(wh)) throw fault(`${text} is no whole number of Wh`);
    return wh;
  };
  const instant = (text: string): number => {
    const at = /[Zz]$|[+-]\d\d:?\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
    if (Number.isNaN(at)) throw fault(`"${text}" is no instant with its offset`);
    return at;
  };
  return (text) => {
    line++;
    if (place === null) {
      const header = text
        .replace(/^\uFEFF/, '')
        .split(',')
        .map((name) => name.trim().toLowerCase());
      place = NAMES.map((name) => header.indexOf(name));
      const absent = NAMES.slice(0, REQUIRED).filter((_, i) => place![i] === -1);
      if (absent.length > 0) throw fault(`the header lacks ${absent.join(', ')}`);
      return;
    }
    if (text === '') return;
    const fields = text.split(',');
    const at = (i: number): string | undefined => (place![i]! < 0 ? undefined : fields[place![i]!]);
    const span = spans.get(at(0) ?? '');
    if (!span) return;
    const startMs = instant(at(1) ?? '');
    if (startMs < span.from || startMs >= span.to) return;
    const [importWh, exportWh] = [number(at(2)), number(at(3))];
    const quality = at(4) ? QUALITIES.indexOf(at(4)!) : 1;
    if (quality < 1) throw fault(`"${at(4)}" is no quality`);
    // An empty row says nothing, unless it withdraws what was said before.
    if (importWh === null && exportWh === null && quality !== REJECTED) return;
    const known = at(5);
    const version = { knownAtMs: known ? instant(known) : Number.NEGATIVE_INFINITY, importWh, exportWh, quality };
    const meter = into.get(at(0)!) ?? new Map<number, ReadingVersion[]>();
    into.set(at(0)!, meter);
    const versions = meter.get(startMs);
    if (versions) versions.push(version);
    else meter.set(startMs, [version]);
  };
}

const REJECTED = 5;
