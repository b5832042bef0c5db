import { type Charges, readCharges } from './charges.ts';
import type { Row } from './csv.ts';
import { absent, readList, readObject, readOneOf, readWhole, refuseOthers } from './fields.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { METHODS, type Method } from './kernel.ts';
import { demandMeters, metersOf, readMeters, readReadings, readTrades } from './rows.ts';
import type { SettlementRequest } from './settle.ts';

/** A user's tables, from CSV files or from one JSON request. */
export type Tables = {
  readonly method: Method;
  readonly readingMinutes: number | null;
  readonly trades: Iterable<Row>;
  /** Null = no list was given: the meters are those that trades name. */
  readonly meters: Iterable<Row> | null;
  readonly readings: Iterable<Row>;
  readonly charges: Charges;
};

/** Checks the tables against each other. Throws Refusal naming file and line, or field. */
export function readTables({ method, readingMinutes, trades, meters, readings, charges }: Tables): SettlementRequest {
  const book = readTrades(trades);
  const known = meters === null ? metersOf(book.trades) : readMeters(meters);
  demandMeters(book.trades, known);
  return { method, book, meters: known, readings: readReadings(readings, readingMinutes, book, known), charges };
}

/** `{ "method", "reading_minutes", "trades": [ … ], "meters": [ … ], "readings": [ … ], "charges": { … } }`. Throws Refusal. */
export function readTablesJson(request: JsonObject): Tables {
  refuseOthers(request, '', ['method', 'reading_minutes', 'trades', 'meters', 'readings', 'charges']);
  return {
    method: absent(request.get('method')) ? 'pro_rata' : readOneOf(request, 'method', '', METHODS),
    readingMinutes: absent(request.get('reading_minutes')) ? null : readWhole(request, 'reading_minutes', '', 1, 1440),
    trades: jsonRows(request.get('trades'), 'trades'),
    meters: absent(request.get('meters')) ? null : jsonRows(request.get('meters'), 'meters'),
    readings: jsonRows(request.get('readings'), 'readings'),
    charges: readCharges(request.get('charges'), 'charges'),
  };
}

function jsonRows(value: JsonValue | undefined, name: string): Row[] {
  return readList(value, name).map((entry, i) => ({ at: `${name}[${i}]`, fields: readObject(entry, `${name}[${i}]`) }));
}
