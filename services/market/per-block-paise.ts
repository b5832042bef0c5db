import { roundHalfAway } from '../domain/money.ts';
import { apportion, rational } from '../domain/rational.ts';
import type { AllocationCase, Block, PaiseCharges } from './case.ts';
import { type Allocation, MISSING, type TradeKernel } from './kernel.ts';

/*
 * The compatibility mode: money in whole paise, block by block (source: golden RULES §9.3–6). Per component the exact amounts of a block
 * are summed, the sum is rounded to paise, and floors and largest remainders make the parts add up to it.
 */

/** The answer to one case in the fields and words of the golden format, and what the format does not have beside it. */
export type CaseAnswer = { readonly id: string } & Readonly<Record<string, unknown>>;

/** Throws RangeError when a sum of paise is no safe integer. */
export function answerCase(kernel: TradeKernel, { id, charges, blocks }: AllocationCase): CaseAnswer {
  const answers = blocks.map((block) => answerBlock(kernel, block, charges));
  const nets = new Map<string, bigint>();
  for (const { meters } of answers)
    for (const [meter, { net_paise }] of Object.entries(meters)) nets.set(meter, (nets.get(meter) ?? 0n) + BigInt(net_paise));
  const pool = (name: keyof Pools) => number(answers.reduce((all, { pools }) => all + BigInt(pools[name]), 0n));
  const strandedByBlock = answers.map(({ strandedWh }) => strandedWh);
  const awaiting = answers.flatMap((answer, block) => answer.awaiting.map((register) => ({ block, ...register })));
  return {
    id,
    blocks: answers.map(({ trades, meters, pools, settled_total_wh }) => ({ trades, meters, pools, settled_total_wh })),
    net_paise_by_meter: Object.fromEntries([...nets].map(([meter, net]) => [meter, number(net)])),
    pools_total: {
      transaction_pool_paise: pool('transaction_pool_paise'),
      wheeling_pool_paise: pool('wheeling_pool_paise'),
      discom_net_paise: pool('discom_net_paise'),
    },
    stranded_wh: strandedByBlock.reduce((all, wh) => all + wh, 0),
    stranded_wh_by_block: strandedByBlock,
    status: awaiting.length > 0 ? 'AWAITING_DATA' : 'COMPLETE',
    awaiting_data: awaiting,
    // What the DISCOM bills for residual energy follows its own tariff; these figures only show the order of it.
    indicative: ['discom_charge_paise', 'discom_credit_paise', 'discom_net_paise'],
  };
}

type Pools = {
  readonly transaction_pool_paise: number;
  readonly wheeling_pool_paise: number;
  readonly discom_net_paise: number;
};

function answerBlock(kernel: TradeKernel, block: Block, charges: PaiseCharges) {
  const { meters, trades } = block;
  const allocation = kernel.allocate(block.method, columnsOf(block));
  const settled = [...allocation.settled];
  const amounts = (rate: (t: number) => number) => wholePaise(settled.map((wh, t) => BigInt(wh) * BigInt(rate(t))));
  const energy = amounts((t) => trades[t]!.pricePaisePerKwh);
  const transaction = amounts(() => charges.transactionPaisePerKwh);
  const wheeling = amounts((t) => (trades[t]!.interstate ? charges.wheelingPaisePerKwh : 0));

  const sold = meters.map(() => 0);
  const bought = meters.map(() => 0);
  const book = meters.map(() => ({ received: 0n, paid: 0n, transaction: 0n, wheeling: 0n }));
  trades.forEach(({ seller, buyer }, t) => {
    sold[seller]! += settled[t]!;
    bought[buyer]! += settled[t]!;
    book[seller]!.received += energy[t]!;
    book[buyer]!.paid += energy[t]!;
    book[buyer]!.transaction += (transaction[t]! + 1n) / 2n; // the odd paisa is the buyer's
    book[seller]!.transaction += transaction[t]! / 2n;
    book[charges.wheelingPayer === 'buyer' ? buyer : seller]!.wheeling += wheeling[t]!;
  });
  const residualImport = meters.map(({ importWh }, m) => importWh && importWh - bought[m]!);
  const residualExport = meters.map(({ exportWh }, m) => exportWh && exportWh - sold[m]!);
  const charged = wholePaise(meters.map((meter, m) => BigInt(residualImport[m] ?? 0) * BigInt(meter.retailPaisePerKwh)));
  const credited = wholePaise(meters.map((meter, m) => BigInt(residualExport[m] ?? 0) * BigInt(meter.feedinPaisePerKwh)));

  const meterAnswers = meters.map(({ id }, m) => {
    const { received, paid, transaction: fee, wheeling: wheel } = book[m]!;
    return [
      id,
      {
        residual_import_wh: residualImport[m]!,
        residual_export_wh: residualExport[m]!,
        p2p_receipt_paise: number(received),
        p2p_payment_paise: number(paid),
        txn_paise: number(fee),
        wheeling_paise: number(wheel),
        discom_charge_paise: number(charged[m]!),
        discom_credit_paise: number(credited[m]!),
        net_paise: number(received + credited[m]! - paid - fee - wheel - charged[m]!),
      },
    ] as const;
  });
  return {
    trades: trades.map((trade, t) => ({
      trade_id: trade.id,
      seller_alloc_wh: allocation.sellerAllocated[t]!,
      buyer_alloc_wh: allocation.buyerAllocated[t]!,
      settled_wh: settled[t]!,
      seller_short_wh: trade.quantityWh - allocation.sellerAllocated[t]!,
      buyer_short_wh: trade.quantityWh - allocation.buyerAllocated[t]!,
      energy_paise: number(energy[t]!),
      txn_paise: number(transaction[t]!),
      txn_buyer_paise: number((transaction[t]! + 1n) / 2n),
      txn_seller_paise: number(transaction[t]! / 2n),
      wheeling_paise: number(wheeling[t]!),
    })),
    meters: Object.fromEntries(meterAnswers),
    pools: {
      transaction_pool_paise: number(sum(transaction)),
      wheeling_pool_paise: number(sum(wheeling)),
      discom_net_paise: number(sum(charged) - sum(credited)),
    },
    settled_total_wh: settled.reduce((all, wh) => all + wh, 0),
    strandedWh: strandedWh(allocation),
    awaiting: awaitingOf(block),
  };
}

/** Wh that water_fill settles beyond this allocation. */
function strandedWh({ waterFilled, settled }: Allocation): number {
  return waterFilled.reduce((all, wh, t) => all + wh - settled[t]!, 0);
}

/** The registers without reading that some trade draws on. */
function awaitingOf({ meters, trades }: Block): { meter_id: string; register: string }[] {
  const sellers = new Set(trades.map(({ seller }) => seller));
  const buyers = new Set(trades.map(({ buyer }) => buyer));
  return meters.flatMap(({ id, importWh, exportWh }, m) => [
    ...(sellers.has(m) && exportWh === null ? [{ meter_id: id, register: 'export_wh' }] : []),
    ...(buyers.has(m) && importWh === null ? [{ meter_id: id, register: 'import_wh' }] : []),
  ]);
}

/** Meter m: register 2m is its export, 2m + 1 its import. Ties go by the order of the list. */
function columnsOf({ meters, trades }: Block) {
  const inQueue = trades.map((_, t) => t);
  inQueue.sort((a, b) =>
    trades[a]!.tradeTime < trades[b]!.tradeTime ? -1 : trades[a]!.tradeTime > trades[b]!.tradeTime ? 1 : a - b,
  );
  return {
    quantity: Int32Array.from(trades, ({ quantityWh }) => quantityWh),
    sells: Int32Array.from(trades, ({ seller }) => 2 * seller),
    buys: Int32Array.from(trades, ({ buyer }) => 2 * buyer + 1),
    queue: Int32Array.from(inQueue),
    register: Int32Array.from(meters.flatMap(({ importWh, exportWh }) => [exportWh ?? MISSING, importWh ?? MISSING])),
  };
}

/** Thousandths of a paisa → whole paise that add up to the rounded sum. Nothing here is negative, so halves away from zero are halves up. */
function wholePaise(thousandths: readonly bigint[]): bigint[] {
  return apportion(
    roundHalfAway(sum(thousandths), 1000n),
    thousandths.map((part) => rational(part, 1000n)),
  );
}

const sum = (parts: readonly bigint[]): bigint => parts.reduce((all, part) => all + part, 0n);

function number(paise: bigint): number {
  const value = Number(paise);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${paise} paise are more than JSON numbers hold exactly`);
  return value;
}
