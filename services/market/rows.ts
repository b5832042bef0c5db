import { type Instant, iso, MINUTE } from '../domain/interval.ts';
import type { MicroRupees } from '../domain/money.ts';
import type { Row } from './csv.ts';
import { readDecimal } from './decimal.ts';
import {
  absent,
  type Fields,
  fault,
  path,
  readInstant,
  readOneOf,
  readText,
  readWhole,
  readWholeOrNull,
  shown,
  WH_MAX,
} from './fields.ts';
import { MISSING } from './kernel.ts';

/** A trade of one block. */
export type TradeRow = {
  readonly id: string;
  readonly blockStart: Instant;
  readonly seller: string;
  readonly buyer: string;
  readonly quantityWh: number;
  readonly priceMicrosPerKwh: MicroRupees;
  readonly tradeTime: Instant;
  /** All of the row, for conditions on columns of the user's own. */
  readonly fields: Fields;
};

export type TradeBook = { readonly blockMinutes: number; readonly trades: readonly TradeRow[] };

export type MeterRow = {
  readonly id: string;
  readonly connectionId: string;
  /** What the DISCOM takes and gives for the rest; null = not said. */
  readonly retailMicrosPerKwh: MicroRupees | null;
  readonly feedinMicrosPerKwh: MicroRupees | null;
  readonly fields: Fields;
};

/** Readings by meter: Wh of each interval, counted from `origin` in steps of `minutes`; MISSING where a row says so. */
export type Readings = {
  readonly minutes: number;
  readonly origin: Instant;
  readonly byMeter: ReadonlyMap<string, Registers>;
};
export type Registers = { readonly [R in Register]: ReadonlyMap<number, number> };
export type Register = 'import_wh' | 'export_wh';

const REGISTERS: readonly Register[] = ['import_wh', 'export_wh'];
const QUALITIES = ['VALID', 'ESTIMATED', 'MANUAL', 'SUSPECT', 'REJECTED'] as const;
/** ₹1,00,000 per kWh: beyond any price, and amounts stay exact. */
const PRICE_MAX = 100_000_000_000n;

/**
 * Trades in the order that settles ties: the earlier trade time, then the smaller trade_id, so that the order of the file means nothing.
 * `trade_id seller buyer block_start block_minutes qty_wh|qty_kwh price_rupees_per_kwh trade_time`, and columns of the user's own.
 */
export function readTrades(rows: Iterable<Row>): TradeBook {
  const seen = new Map<string, string>();
  const trades: TradeRow[] = [];
  let blockMinutes = 0;
  for (const { at, fields } of rows) {
    const trade = readTrade(fields, at);
    const minutes = readWhole(fields, 'block_minutes', at, 1, 1440);
    if (blockMinutes === 0) blockMinutes = minutes;
    if (minutes !== blockMinutes)
      throw fault(path(at, 'block_minutes'), `is ${minutes}, but ${blockMinutes} before: settle blocks of one length at a time`);
    if (trades[0] && (trade.blockStart - trades[0].blockStart) % (minutes * MINUTE) !== 0)
      throw fault(path(at, 'block_start'), `would make a block that overlaps the one of ${iso(trades[0].blockStart)}`);
    const key = `${trade.blockStart} ${trade.id}`;
    const before = seen.get(key);
    if (before) throw fault(path(at, 'trade_id'), `${shown(trade.id)} stands twice in this block, first at ${before}`);
    seen.set(key, at);
    trades.push(trade);
  }
  if (trades.length === 0) throw fault('trades', 'has no rows: there is nothing to settle');
  trades.sort((a, b) => a.tradeTime - b.tradeTime || (a.id < b.id ? -1 : a.id > b.id ? 1 : a.blockStart - b.blockStart));
  return { blockMinutes, trades };
}

function readTrade(fields: Fields, at: string): TradeRow {
  const seller = readText(fields, 'seller', at);
  const buyer = readText(fields, 'buyer', at);
  if (seller === buyer) throw fault(path(at, 'buyer'), `${shown(buyer)} is the seller too`);
  const [wh, kwh] = [absent(fields.get('qty_wh')), absent(fields.get('qty_kwh'))];
  if (wh === kwh) throw fault(path(at, 'qty_wh'), wh ? 'is absent, and so is qty_kwh' : 'and qty_kwh are both given: say one');
  return {
    id: readText(fields, 'trade_id', at),
    blockStart: readInstant(fields, 'block_start', at),
    ...{ seller, buyer, fields },
    quantityWh: wh
      ? Number(readDecimal(fields, 'qty_kwh', at, 3, 0n, BigInt(WH_MAX)))
      : readWhole(fields, 'qty_wh', at, 0, WH_MAX),
    priceMicrosPerKwh: readDecimal(fields, 'price_rupees_per_kwh', at, 6, 0n, PRICE_MAX),
    tradeTime: readInstant(fields, 'trade_time', at),
  };
}

/** `meter_id`, and as far as known `connection_id retail_rupees_per_kwh feedin_rupees_per_kwh` and columns of the user's own. */
export function readMeters(rows: Iterable<Row>): Map<string, MeterRow> {
  const meters = new Map<string, MeterRow>();
  for (const { at, fields } of rows) {
    const id = readText(fields, 'meter_id', at);
    if (meters.has(id)) throw fault(path(at, 'meter_id'), `${shown(id)} stands twice`);
    const price = (name: string) => (absent(fields.get(name)) ? null : readDecimal(fields, name, at, 6, 0n, PRICE_MAX));
    meters.set(id, {
      ...{ id, fields },
      connectionId: absent(fields.get('connection_id')) ? id : readText(fields, 'connection_id', at),
      retailMicrosPerKwh: price('retail_rupees_per_kwh'),
      feedinMicrosPerKwh: price('feedin_rupees_per_kwh'),
    });
  }
  return meters;
}

/** The meters that trades name when no list of meters was given: each its own connection, nothing known of its tariff. */
export function metersOf(trades: readonly TradeRow[]): Map<string, MeterRow> {
  const bare = (id: string): MeterRow => ({
    ...{ id, connectionId: id, retailMicrosPerKwh: null, feedinMicrosPerKwh: null, fields: new Map() },
  });
  const meters = new Map<string, MeterRow>();
  for (const { seller, buyer } of trades) for (const id of [seller, buyer]) if (!meters.has(id)) meters.set(id, bare(id));
  return meters;
}

/** Every trade's meters must be known. Throws Refusal. */
export function demandMeters(trades: readonly TradeRow[], meters: ReadonlyMap<string, MeterRow>): void {
  for (const { id, seller, buyer } of trades) {
    const role = !meters.has(seller) ? 'seller' : !meters.has(buyer) ? 'buyer' : null;
    if (role) throw fault(`trade ${id}: ${role}`, `${shown(role === 'seller' ? seller : buyer)} is not among the meters`);
  }
}

/**
 * `meter_id interval_start import_wh export_wh[ quality]`; an empty register is missing, and so is a SUSPECT or REJECTED row. Rows of meters
 * that nobody trades with are not looked at. An identical repeat is passed over, a different one refused.
 */
export function readReadings(
  rows: Iterable<Row>,
  minutes: number | null,
  { blockMinutes, trades }: TradeBook,
  meters: ReadonlyMap<string, MeterRow>,
): Readings {
  const step = minutes ?? blockMinutes;
  if (blockMinutes % step !== 0)
    throw fault('reading_minutes', `is ${step}: readings must be as long as a block of ${blockMinutes} minutes, or divide it`);
  const origin = trades[0]!.blockStart;
  const byMeter = new Map<string, { [R in Register]: Map<number, number> }>();
  for (const { at, fields } of rows) {
    const meter = readText(fields, 'meter_id', at);
    if (!meters.has(meter)) continue;
    const start = readInstant(fields, 'interval_start', at);
    const interval = (start - origin) / (step * MINUTE);
    if (!Number.isInteger(interval))
      throw fault(
        path(at, 'interval_start'),
        `lies beside the grid of ${step} minutes that blocks and readings share; if readings are shorter than blocks, say reading_minutes`,
      );
    const own = byMeter.get(meter) ?? { import_wh: new Map(), export_wh: new Map() };
    byMeter.set(meter, own);
    const quality = absent(fields.get('quality')) ? 'VALID' : readOneOf(fields, 'quality', at, QUALITIES);
    for (const register of REGISTERS) {
      const read = readWholeOrNull(fields, register, at, 0, WH_MAX);
      const wh = quality === 'SUSPECT' || quality === 'REJECTED' ? MISSING : (read ?? MISSING);
      const before = own[register].get(interval);
      if (before !== undefined && before !== wh)
        throw fault(path(at, 'interval_start'), `is a second, different reading of ${shown(meter)} at ${iso(start)}`);
      own[register].set(interval, wh);
    }
  }
  return { minutes: step, origin, byMeter };
}
