import { Refusal } from '../domain/outcome.ts';
import {
  absent,
  fault,
  isObject,
  path,
  readBoolean,
  readInstant,
  readList,
  readObject,
  readOneOf,
  readText,
  readWhole,
  readWholeOrNull,
  shown,
  WH_MAX,
} from './fields.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { METHODS, type Method } from './kernel.ts';

/** One case of the golden format: blocks of metered energy and trades, prices in paise. */
export type AllocationCase = { readonly id: string; readonly charges: PaiseCharges; readonly blocks: readonly Block[] };

export type PaiseCharges = {
  readonly transactionPaisePerKwh: number;
  readonly wheelingPaisePerKwh: number;
  readonly wheelingPayer: 'buyer' | 'seller';
};

export type Block = { readonly method: Method; readonly meters: readonly Meter[]; readonly trades: readonly Trade[] };

export type Meter = {
  readonly id: string;
  /** Null = no reading. */
  readonly importWh: number | null;
  readonly exportWh: number | null;
  readonly retailPaisePerKwh: number;
  readonly feedinPaisePerKwh: number;
};

export type Trade = {
  readonly id: string;
  /** Places in `meters`. */
  readonly seller: number;
  readonly buyer: number;
  readonly quantityWh: number;
  readonly pricePaisePerKwh: number;
  readonly interstate: boolean;
  /** Compared as plain text, as the format says. */
  readonly tradeTime: string;
};

/** ₹10,000 per kWh: beyond any tariff, and the totals of a block stay exact. */
const PAISE_MAX = 1_000_000;
const BLOCKS_MAX = 100_000;

/** `{ "cases": [ … ] }`. Throws `Refusal` naming case and field. */
export function readCases(request: JsonObject): AllocationCase[] {
  const seen = new Set<string>();
  return readList(request.get('cases'), 'cases').map((entry, index) => {
    const fields = readObject(entry, `cases[${index}]`);
    const id = readText(fields, 'id', `cases[${index}]`);
    if (seen.has(id)) throw fault(`cases[${index}].id`, `${shown(id)} stands twice`);
    seen.add(id);
    try {
      return readCase(id, fields);
    } catch (error) {
      if (error instanceof Refusal) throw new Refusal(error.kind, error.code, `case ${id}: ${error.message}`, error.field);
      throw error;
    }
  });
}

function readCase(id: string, fields: JsonObject): AllocationCase {
  const charges = readObject(fields.get('charges'), 'charges');
  const blocks = readList(fields.get('blocks'), 'blocks');
  if (blocks.length > BLOCKS_MAX) throw fault('blocks', `has ${blocks.length} blocks, more than ${BLOCKS_MAX}`);
  const rate = (name: string) => readWhole(charges, name, 'charges', 0, PAISE_MAX);
  return {
    id,
    charges: {
      transactionPaisePerKwh: rate('transaction_paise_per_kwh'),
      wheelingPaisePerKwh: rate('wheeling_interstate_paise_per_kwh'),
      wheelingPayer: absent(charges.get('wheeling_payer'))
        ? 'buyer'
        : readOneOf(charges, 'wheeling_payer', 'charges', ['buyer', 'seller']),
    },
    blocks: blocks.map((block, index) => readBlock(block, `blocks[${index}]`)),
  };
}

function readBlock(value: JsonValue, at: string): Block {
  const fields = readObject(value, at);
  readInstant(fields, 'block_start', at);
  readWhole(fields, 'block_minutes', at, 1, 1440);
  const meters = [...readObject(fields.get('meters'), `${at}.meters`)].map(([id, meter]) =>
    readMeter(id, meter, `${at}.meters.${id}`),
  );
  const places = new Map(meters.map(({ id }, place) => [id, place]));
  const seen = new Set<string>();
  const trades = readList(fields.get('trades'), `${at}.trades`).map((trade, index) => {
    const read = readTrade(trade, places, `${at}.trades[${index}]`);
    if (seen.has(read.id)) throw fault(`${at}.trades[${index}].trade_id`, `${shown(read.id)} stands twice in this block`);
    seen.add(read.id);
    return read;
  });
  return { method: readOneOf(fields, 'allocation', at, METHODS), meters, trades };
}

function readMeter(id: string, value: JsonValue, at: string): Meter {
  if (id === '' || id.length > 200) throw fault('meters', `has a name of ${id.length} characters; a meter's has 1 to 200`);
  if (!isObject(value)) throw fault(at, `must be an object, not ${shown(value)}`);
  const register = (name: string) => {
    if (!value.has(name)) throw fault(path(at, name), 'is absent: a register without reading is null');
    return readWholeOrNull(value, name, at, 0, WH_MAX);
  };
  return {
    id,
    importWh: register('import_wh'),
    exportWh: register('export_wh'),
    retailPaisePerKwh: readWhole(value, 'retail_paise_per_kwh', at, 0, PAISE_MAX),
    feedinPaisePerKwh: readWhole(value, 'feedin_paise_per_kwh', at, 0, PAISE_MAX),
  };
}

function readTrade(value: JsonValue, places: ReadonlyMap<string, number>, at: string): Trade {
  const fields = readObject(value, at);
  const party = (name: string) => {
    const id = readText(fields, name, at);
    const place = places.get(id);
    if (place === undefined) throw fault(path(at, name), `${shown(id)} is not among the block's meters`);
    return place;
  };
  return {
    id: readText(fields, 'trade_id', at),
    seller: party('seller'),
    buyer: party('buyer'),
    quantityWh: readWhole(fields, 'qty_wh', at, 0, WH_MAX),
    pricePaisePerKwh: readWhole(fields, 'price_paise_per_kwh', at, 0, PAISE_MAX),
    interstate: readBoolean(fields, 'interstate', at),
    tradeTime: readText(fields, 'trade_time', at),
  };
}
