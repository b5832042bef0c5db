import { MINUTE } from '../domain/interval.ts';
import { type MicroRupees, paise, roundHalfAway } from '../domain/money.ts';
import type { CivilDay, ZoneDays } from '../domain/zone.ts';
import { calendar } from './calendar.ts';
import { type Component, ROUNDING } from './charges.ts';
import { MISSING } from './kernel.ts';
import type { Settled, SettlementRequest } from './settle.ts';

/** Binding: kWh of a connection by billing cycle and time-of-day slot. Null = its register was never read. */
export type EnergyLine = {
  readonly connectionId: string;
  readonly cycle: CivilDay;
  readonly slot: string;
  readonly importWh: number | null;
  readonly exportWh: number | null;
  /** Delivered to it, and sold by it, in trades. */
  readonly boughtWh: number;
  readonly soldWh: number;
  /** What the DISCOM supplies, and takes, beside the trades. */
  readonly residualImportWh: number | null;
  readonly residualExportWh: number | null;
  /** A trade of it waits for a reading: the line is provisional. */
  readonly awaiting: boolean;
};

/** Money of one party, cycle and component: positive = receives, negative = pays. */
export type BillLine = {
  readonly party: { readonly kind: 'connection' | 'pool'; readonly id: string };
  readonly cycle: CivilDay;
  readonly component: string;
  /** Null when the component is a share of others. */
  readonly wh: number | null;
  readonly micros: MicroRupees;
  /** Rounded once, here. */
  readonly paise: bigint;
};

/** Indicative: what the DISCOM may bill for the residual energy at the tariff that the list of meters names. */
export type IndicativeLine = {
  readonly connectionId: string;
  readonly cycle: CivilDay;
  readonly leg: 'import' | 'export';
  readonly wh: number;
  readonly paise: bigint;
};

type Posted = { -readonly [K in keyof BillLine]: BillLine[K] };
type Book = { readonly [K in BillLine['party']['kind']]: Map<string, Posted> };

/** Bill lines of connections and pools; µ₹ sum to zero, and paise do with the pool `rounding`. */
export function billLines({ trades }: Settled, { meters, charges }: SettlementRequest): BillLine[] {
  const cycles = new Map<CivilDay, ReadonlyMap<Component, Book>>();
  const booksOf = (cycle: CivilDay): ReadonlyMap<Component, Book> => {
    const known = cycles.get(cycle);
    const books =
      known ?? new Map(charges.components.map((component) => [component, { connection: new Map(), pool: new Map() }]));
    if (!known) cycles.set(cycle, books);
    return books;
  };
  for (const { trade, place, amounts } of trades) {
    const books = booksOf(place.cycle);
    const seller = meters.get(trade.seller)!.connectionId;
    const buyer = meters.get(trade.buyer)!.connectionId;
    for (const { component, wh, micros, buyerMicros } of amounts()) {
      const { buyerShare, payee } = component;
      const book = books.get(component)!;
      const post = (kind: 'connection' | 'pool', id: string, own: MicroRupees) => {
        let line = book[kind].get(id);
        if (!line) {
          line = { party: { kind, id }, cycle: place.cycle, component: component.name, wh: null, micros: 0n, paise: 0n };
          book[kind].set(id, line);
        }
        line.micros += own;
        if (wh !== null) line.wh = (line.wh ?? 0) + wh;
      };
      if (buyerShare.num > 0n) post('connection', buyer, -buyerMicros);
      if (buyerShare.num < buyerShare.den) post('connection', seller, buyerMicros - micros);
      if (payee === 'seller' || payee === 'buyer') post('connection', payee === 'seller' ? seller : buyer, micros);
      else post('pool', payee, micros);
    }
  }
  const posted = [...cycles.values()].flatMap((books) => [...books.values()].flatMap((book) => [book.connection, book.pool]));
  const rounded = posted.flatMap((lines) => [...lines.values()].map((line) => ({ ...line, paise: paise(line.micros) })));
  const over = new Map<string, bigint>();
  for (const { cycle, paise: own } of rounded) over.set(cycle, (over.get(cycle) ?? 0n) - own);
  const rest = [...over]
    .filter(([, left]) => left !== 0n)
    .map(
      ([cycle, left]): BillLine => ({
        party: { kind: 'pool', id: ROUNDING },
        cycle,
        component: ROUNDING,
        wh: null,
        micros: 0n,
        paise: left,
      }),
    );
  return [...rounded, ...rest].sort(byText(({ cycle, party, component }) => [cycle, party.kind, party.id, component]));
}

type Sums = { importWh: number | null; exportWh: number | null; boughtWh: number; soldWh: number; awaiting: boolean };
type MeterSums = Sums & { readonly meterId: string; readonly cycle: CivilDay; readonly slot: string };

/** Energy lines, and from them the indicative rupees of the DISCOM's residual legs. */
export function energyLines(
  settled: Settled,
  request: SettlementRequest,
  zone: ZoneDays,
): { energy: EnergyLine[]; indicative: IndicativeLine[] } {
  const sums = meterSums(settled, request, zone);
  const connectionOf = ({ meterId }: MeterSums) => request.meters.get(meterId)!.connectionId;
  const energy = fold(sums, (own) => [connectionOf(own), own.cycle, own.slot]).map(({ parts }): EnergyLine => {
    const [{ cycle, slot }] = parts as [MeterSums, ...MeterSums[]];
    const all = {
      importWh: total(parts.map(({ importWh }) => importWh)),
      exportWh: total(parts.map(({ exportWh }) => exportWh)),
      boughtWh: total(parts.map(({ boughtWh }) => boughtWh))!,
      soldWh: total(parts.map(({ soldWh }) => soldWh))!,
    };
    return {
      ...{ connectionId: connectionOf(parts[0]!), cycle, slot, ...all },
      residualImportWh: all.importWh === null ? null : all.importWh - all.boughtWh,
      residualExportWh: all.exportWh === null ? null : all.exportWh - all.soldWh,
      awaiting: parts.some(({ awaiting }) => awaiting),
    };
  });
  const indicative = fold(sums, (own) => [connectionOf(own), own.cycle]).flatMap(({ parts }) =>
    (['import', 'export'] as const).flatMap((leg) => indicativeLine(leg, parts, connectionOf(parts[0]!), request)),
  );
  return { energy, indicative };
}

/** Exact Wh × µ₹ per kWh of all meters and slots, rounded once to paise; nothing where no tariff is named. */
function indicativeLine(
  leg: 'import' | 'export',
  parts: readonly MeterSums[],
  connectionId: string,
  request: SettlementRequest,
): IndicativeLine[] {
  const legs = parts.flatMap(({ meterId, importWh, boughtWh, exportWh, soldWh }) => {
    const { retailMicrosPerKwh, feedinMicrosPerKwh } = request.meters.get(meterId)!;
    const [metered, traded, rate] =
      leg === 'import' ? [importWh, boughtWh, retailMicrosPerKwh] : [exportWh, soldWh, feedinMicrosPerKwh];
    return metered === null || rate === null ? [] : [{ wh: metered - traded, rate: leg === 'import' ? -rate : rate }];
  });
  if (legs.length === 0) return [];
  const thousandths = legs.reduce((all, { wh, rate }) => all + BigInt(wh) * rate, 0n);
  const wh = legs.reduce((all, own) => all + own.wh, 0);
  return [{ connectionId, cycle: parts[0]!.cycle, leg, wh, paise: roundHalfAway(thousandths, 10_000_000n) }];
}

/** Metered and traded Wh by meter, cycle and slot, over all readings that were given. */
function meterSums({ trades }: Settled, { charges, readings }: SettlementRequest, zone: ZoneDays): MeterSums[] {
  const placeOf = calendar(charges, zone);
  const slots = charges.slots.map(({ name }) => name); // −1: the time that no slot names
  const sums = new Map<string, MeterSums>();
  const at = (meterId: string, cycle: CivilDay, slot: string): MeterSums => {
    const key = `${cycle} ${slots.indexOf(slot)} ${meterId}`;
    const known = sums.get(key) ?? {
      ...{ meterId, cycle, slot, importWh: null, exportWh: null, boughtWh: 0, soldWh: 0, awaiting: false },
    };
    sums.set(key, known);
    return known;
  };
  for (const [meterId, registers] of readings.byMeter) {
    for (const [register, name] of [
      ['import_wh', 'importWh'],
      ['export_wh', 'exportWh'],
    ] as const) {
      for (const [interval, wh] of registers[register]) {
        const { cycle, slot } = placeOf(readings.origin + interval * readings.minutes * MINUTE, readings.minutes);
        const sum = at(meterId, cycle, slot);
        if (wh !== MISSING) sum[name] = (sum[name] ?? 0) + wh;
      }
    }
  }
  for (const { trade, place, settledWh, deliveredWh, awaiting } of trades) {
    const seller = at(trade.seller, place.cycle, place.slot);
    const buyer = at(trade.buyer, place.cycle, place.slot);
    seller.soldWh += settledWh;
    buyer.boughtWh += deliveredWh;
    seller.awaiting ||= awaiting;
    buyer.awaiting ||= awaiting;
  }
  return [...sums.values()];
}

/** Sum of what is there; null when nothing is. */
const total = (values: readonly (number | null)[]): number | null =>
  values.reduce((all, wh) => (wh === null ? all : (all ?? 0) + wh), null);

function fold(sums: readonly MeterSums[], keyOf: (own: MeterSums) => readonly string[]): { parts: MeterSums[] }[] {
  const groups = new Map<string, { key: readonly string[]; parts: MeterSums[] }>();
  for (const own of sums) {
    const key = keyOf(own);
    const group = groups.get(JSON.stringify(key)) ?? { key, parts: [] };
    groups.set(JSON.stringify(key), group);
    group.parts.push(own);
  }
  return [...groups.values()].sort(byText(({ key }) => key));
}

/** By the texts, in order, code unit by code unit. */
function byText<T>(keyOf: (item: T) => readonly string[]): (a: T, b: T) => number {
  return (a, b) => {
    const [left, right] = [keyOf(a), keyOf(b)];
    const i = left.findIndex((text, place) => text !== right[place]);
    return i < 0 ? 0 : left[i]! < right[i]! ? -1 : 1;
  };
}
