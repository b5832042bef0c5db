import { type Instant, iso } from '../domain/interval.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { type BillLine, billLines, type EnergyLine, energyLines, type IndicativeLine } from './bill.ts';
import { METHODS, type TradeKernel } from './kernel.ts';
import { type Settled, type SettledTrade, type SettlementRequest, settle } from './settle.ts';

/** Everything a settlement says, before it is written as JSON or as tables. */
export type Answer = {
  readonly request: SettlementRequest;
  readonly settled: Settled;
  readonly energy: readonly EnergyLine[];
  readonly lines: readonly BillLine[];
  readonly indicative: readonly IndicativeLine[];
};

/** Allocates, charges and bills. Throws Refusal or RangeError, never answers in part. */
export function answer(kernel: TradeKernel, request: SettlementRequest, zone: ZoneDays): Answer {
  const settled = settle(kernel, request, zone);
  return { request, settled, lines: billLines(settled, request), ...energyLines(settled, request, zone) };
}

export const AWAITING = 'AWAITING_DATA';

/** The answer as JSON text, piece by piece: energy in whole Wh, money in decimal strings, instants in UTC. */
export function* answerJson(made: Answer): Generator<string> {
  const head = JSON.stringify(answerHead(made), null, 1).replace(/\n}$/, '');
  yield `${head},\n "trades": [`;
  let mark = '\n  ';
  for (const own of made.settled.trades) {
    yield mark + JSON.stringify(tradeJson(own));
    mark = ',\n  ';
  }
  yield '\n ]\n}\n';
}

function answerHead({ request, settled, energy, lines, indicative }: Answer): Record<string, unknown> {
  const blocks = new Map<Instant, Totals>();
  for (const own of settled.trades) {
    const block = blocks.get(own.trade.blockStart) ?? totals();
    blocks.set(own.trade.blockStart, block);
    count(block, own);
  }
  return {
    method: request.method,
    status: settled.awaiting.length > 0 ? AWAITING : 'COMPLETE',
    ...totalsOf(settled.trades),
    methods: METHODS.map((method) => ({
      ...{ method, settled_wh: settled.byMethod[method], stranded_wh: settled.byMethod.water_fill - settled.byMethod[method] },
    })),
    awaiting_data: settled.awaiting.map(({ meterId, blockStart, register }) => ({
      ...{ meter_id: meterId, block_start: iso(blockStart), register },
    })),
    energy: energy.map((line) => ({
      ...{ connection_id: line.connectionId, cycle: line.cycle, slot: line.slot },
      ...{ import_wh: line.importWh, bought_wh: line.boughtWh, residual_import_wh: line.residualImportWh },
      ...{ export_wh: line.exportWh, sold_wh: line.soldWh, residual_export_wh: line.residualExportWh },
      status: line.awaiting ? AWAITING : 'BINDING',
    })),
    bill_lines: lines.map(({ party, cycle, component, wh, micros, paise }) => ({
      ...(party.kind === 'connection' ? { connection_id: party.id } : { pool: party.id }),
      ...{ cycle, component, wh, micro_rupees: String(micros), paise: String(paise) },
    })),
    indicative: indicative.map(({ connectionId, cycle, leg, wh, paise }) => ({
      ...{ connection_id: connectionId, cycle, leg: `residual_${leg}`, wh, paise: String(paise), status: 'INDICATIVE' },
    })),
    blocks: [...blocks].map(([start, block]) => ({ block_start: iso(start), ...block })),
  };
}

function tradeJson(own: SettledTrade): Record<string, unknown> {
  const { trade, place } = own;
  return {
    ...{ trade_id: trade.id, block_start: iso(trade.blockStart), slot: place.slot, cycle: place.cycle },
    ...{ seller: trade.seller, buyer: trade.buyer, qty_wh: trade.quantityWh },
    ...{ seller_alloc_wh: own.sellerAllocatedWh, buyer_alloc_wh: own.buyerAllocatedWh, settled_wh: own.settledWh },
    ...{ delivered_wh: own.deliveredWh, stranded_wh: own.waterFilledWh - own.settledWh },
    status: own.awaiting ? AWAITING : 'SETTLED',
    charges: own.amounts().map(({ component, micros, buyerMicros }) => ({
      ...{ component: component.name, micro_rupees: String(micros) },
      ...{ buyer_micro_rupees: String(buyerMicros), seller_micro_rupees: String(micros - buyerMicros) },
    })),
    waived: own.waived(),
  };
}

/** Sums over trades, Wh. */
export type Totals = Record<'contracted_wh' | 'settled_wh' | 'delivered_wh' | 'stranded_wh', number>;

export function totalsOf(trades: Iterable<SettledTrade>): Totals {
  const all = totals();
  for (const own of trades) count(all, own);
  return all;
}

const totals = (): Totals => ({ contracted_wh: 0, settled_wh: 0, delivered_wh: 0, stranded_wh: 0 });

function count(all: Totals, { trade, settledWh, deliveredWh, waterFilledWh }: SettledTrade): void {
  all.contracted_wh += trade.quantityWh;
  all.settled_wh += settledWh;
  all.delivered_wh += deliveredWh;
  all.stranded_wh += waterFilledWh - settledWh;
}
