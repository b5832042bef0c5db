import { grouped } from '../domain/grouped.ts';
import { iso } from '../domain/interval.ts';
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

/** The answer as plain JSON: energy in whole Wh, money in decimal strings, instants in UTC. */
export function answerJson({ request, settled, energy, lines, indicative }: Answer): Record<string, unknown> {
  const totals = totalsOf(settled.trades);
  return {
    method: request.method,
    status: settled.awaiting.length > 0 ? AWAITING : 'COMPLETE',
    ...totals,
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
      ...{ [`${party.kind}${party.kind === 'connection' ? '_id' : ''}`]: party.id, cycle, component, wh },
      ...{ micro_rupees: String(micros), paise: String(paise) },
    })),
    indicative: indicative.map(({ connectionId, cycle, leg, wh, paise }) => ({
      ...{ connection_id: connectionId, cycle, leg: `residual_${leg}`, wh, paise: String(paise), status: 'INDICATIVE' },
    })),
    blocks: [...grouped(settled.trades, ({ trade }) => trade.blockStart)].map(([start, trades]) => ({
      ...{ block_start: iso(start), ...totalsOf(trades) },
    })),
    trades: settled.trades.map(tradeJson),
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
    charges: own.amounts.map(({ component, micros, buyerMicros }) => ({
      ...{ component: component.name, micro_rupees: String(micros) },
      ...{ buyer_micro_rupees: String(buyerMicros), seller_micro_rupees: String(micros - buyerMicros) },
    })),
    waived: own.waived,
  };
}

/** Sums over trades, Wh. */
export function totalsOf(
  trades: readonly SettledTrade[],
): Record<'contracted_wh' | 'settled_wh' | 'delivered_wh' | 'stranded_wh', number> {
  const sum = (wh: (own: SettledTrade) => number) => trades.reduce((all, own) => all + wh(own), 0);
  return {
    contracted_wh: sum(({ trade }) => trade.quantityWh),
    settled_wh: sum(({ settledWh }) => settledWh),
    delivered_wh: sum(({ deliveredWh }) => deliveredWh),
    stranded_wh: sum(({ waterFilledWh, settledWh }) => waterFilledWh - settledWh),
  };
}
