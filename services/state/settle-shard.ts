import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readExact } from '../domain/rational.ts';
import { zoneDays } from '../host/zone.ts';
import { CHOSEN, creditColumns, type MeasuredColumns } from '../settlement/credit-columns.ts';
import { HEAD, layLine } from '../settlement/line-record.ts';
import { readPayTerms } from '../settlement/terms.ts';
import { type Column, readColumns, writeColumns } from './column-store.ts';
import {
  billsFile,
  cohortColumns,
  cohortFile,
  type Ground,
  type MeasuredHead,
  measuredFile,
  measuredOf,
  type SettledHead,
  type Settling,
  settledFile,
} from './shard-work.ts';
import { connectionId, organisationId, pointId, type ShardFacts, type Town } from './town.ts';

/** Credits, leaves, the shard's root and its part of the bill-credit file. Idempotent. */
export function settleShard(town: Town, folder: string, shard: number, settling: Settling, { pay, kernel }: Ground): SettledHead {
  const cohort = readColumns<ShardFacts>(cohortFile(folder, shard))!.columns;
  const { head, columns } = readColumns<MeasuredHead>(measuredFile(folder, shard))!;
  const measured = measuredOf(columns, head.exact);
  const [scale, holdoutScale] = [readExact(settling.scale), readExact(settling.holdoutScale)];
  const credits = creditColumns(measured, cohortColumns(cohort), pay, { scale, holdoutScale, covered: settling.covered });
  const { wouldBe, ...paid } = credits;
  const millionths = columns.millionths!;
  const salts = cohort.salts as Uint8Array;
  const idBytes = pointId(shard, 0).length;
  const length = HEAD + idBytes;
  const rows = new Uint8Array(measured.points * length);
  const view = new DataView(rows.buffer);
  const totals = { micros: 0, consumer: 0, aggregator: 0, counterparty: 0, billed: 0, paise: 0, creditedWh: 0 };
  const bills: string[] = [];
  const { eventId } = town.event;
  const cycle = zoneDays(town.zone).dayOf(town.event.window.start).slice(0, 7);
  const code = readPayTerms(town.terms).chargeCode;
  let open = 0;
  for (let m = 0; m < measured.points; m++) {
    const line = lineAt(shard, m, measured, cohort, paid, millionths, settling);
    if (line.open) open++;
    layLine(view, m * length, line, idBytes);
    for (let i = 0; i < idBytes; i++) rows[m * length + HEAD + i] = line.settlementPointId.charCodeAt(i);
    totals.micros += line.micros;
    totals.consumer += line.consumer;
    totals.aggregator += line.aggregator;
    totals.counterparty += line.counterparty;
    totals.creditedWh += line.creditedWh ?? 0;
    const onBill = paid.paise[m]!;
    if (cohort.billed![m] !== 1 || line.consumer === 0) continue;
    totals.billed += line.consumer;
    totals.paise += onBill;
    if (onBill > 0) {
      const cents = onBill % 100;
      bills.push(
        `${connectionId(shard, m)},${cycle},${code},${eventId}/${line.settlementPointId}/v1,${(onBill - cents) / 100}.${cents < 10 ? '0' : ''}${cents}\n`,
      );
    }
  }
  const leaves = kernel.hashes.leaves(rows, length, salts);
  const made: SettledHead = {
    ...{ shard, settling, totals, open, points: measured.points, wouldBe: String(wouldBe) },
    root: Buffer.from(kernel.hashes.root(leaves)).toString('hex'),
    organisation: organisationId(shard),
  };
  mkdirSync(join(folder, 'run', 'bills'), { recursive: true, mode: 0o700 });
  writeFileSync(billsFile(folder, shard), bills.join(''), { mode: 0o600 });
  // The columns come last: where they are, the shard is done.
  writeColumns(settledFile(folder, shard), made, { ...paid, leaves });
  return made;
}

/** One point's line of a settled shard. */
export function lineAt(
  shard: number,
  m: number,
  measured: MeasuredColumns,
  cohort: Readonly<Record<string, Column>>,
  paid: Readonly<Record<'creditedWh' | 'micros' | 'consumer' | 'aggregator' | 'counterparty', Column>>,
  millionths: Column,
  { covered }: Settling,
) {
  const chosen = cohort.role![m] === CHOSEN;
  const number = (value: number): number | null => (Number.isNaN(value) ? null : value);
  return {
    settlementPointId: pointId(shard, m),
    ...{ status: measured.status[m]!, chosen, open: chosen && !covered && measured.missing[m]! > 0 },
    ...{ delivered: number(millionths[m]!), creditedWh: number(paid.creditedWh[m]!), micros: paid.micros[m]! },
    ...{ consumer: paid.consumer[m]!, aggregator: paid.aggregator[m]!, counterparty: paid.counterparty[m]! },
  };
}
