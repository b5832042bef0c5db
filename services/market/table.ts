import { MINUTE } from '../domain/interval.ts';
import { MICROS_PER_PAISA, rupees } from '../domain/money.ts';
import type { ZoneDays } from '../domain/zone.ts';
import { type Answer, AWAITING, totalsOf } from './answer.ts';
import { METHODS } from './kernel.ts';

const ROWS_SHOWN = 40;

/** The answer for people: kWh and rupees, in civil time. */
export function answerTables({ request, settled, energy, lines, indicative }: Answer, zone: ZoneDays): string {
  const { awaiting, byMethod } = settled;
  const totals = totalsOf(settled.trades);
  const { trades } = request.book;
  const blocks = new Set(trades.map(({ blockStart }) => blockStart)).size;
  const moment = (at: number) => {
    const day = zone.dayOf(at);
    const minute = Math.floor((at - zone.startOf(day)) / MINUTE);
    return `${day} ${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
  };
  const parts = [
    `${counted(trades.length, 'trade')} in ${counted(blocks, 'block')} of ${request.book.blockMinutes} minutes, ${request.method}, ${zone.zone}: ` +
      `${kWh(totals.settled_wh)} kWh settled of ${kWh(totals.contracted_wh)} contracted, ` +
      `${kWh(totals.stranded_wh)} kWh stranded against water_fill.`,
  ];
  if (awaiting.length > 0) {
    const [first] = awaiting;
    parts.push(
      `PROVISIONAL, ${AWAITING}: ${counted(awaiting.length, 'register')} without reading, zero until it comes; first ` +
        `${first!.register} of ${first!.meterId} at ${moment(first!.blockStart)}.`,
    );
  }
  parts.push(
    table(
      'Energy, kWh (binding)',
      ['connection', 'cycle', 'slot', '>import', '>bought', '>from DISCOM', '>export', '>sold', '>to DISCOM', ''],
      energy,
      (line) => [
        ...[line.connectionId, line.cycle, line.slot, kWh(line.importWh), kWh(line.boughtWh), kWh(line.residualImportWh)],
        ...[kWh(line.exportWh), kWh(line.soldWh), kWh(line.residualExportWh), line.awaiting ? AWAITING : ''],
      ],
    ),
    table(
      'Bill lines (each rounded once; + receives, − pays; together zero)',
      ['party', 'cycle', 'component', '>kWh', '>amount'],
      lines,
      ({ party, cycle, component, wh, paise }) => [
        ...[party.kind === 'pool' ? `(${party.id})` : party.id, cycle, component, wh === null ? '' : kWh(wh), amount(paise)],
      ],
    ),
  );
  if (indicative.length > 0)
    parts.push(
      table(
        "Residual energy at the DISCOM's tariff (INDICATIVE: the DISCOM's own bill holds)",
        ['connection', 'cycle', 'leg', '>kWh', '>amount'],
        indicative,
        ({ connectionId, cycle, leg, wh, paise }) => [connectionId, cycle, leg, kWh(wh), amount(paise)],
      ),
    );
  parts.push(
    table('The methods compared, kWh', ['method', '>settled', '>stranded'], METHODS, (method) => [
      method,
      kWh(byMethod[method]),
      kWh(byMethod.water_fill - byMethod[method]),
    ]),
    table(
      'Trades, kWh',
      ['trade', 'block', 'seller', 'buyer', '>contracted', '>of seller', '>of buyer', '>settled', '>delivered', ''],
      firstOf(settled.trades, ROWS_SHOWN + 1),
      (own) => [
        ...[own.trade.id, moment(own.trade.blockStart), own.trade.seller, own.trade.buyer, kWh(own.trade.quantityWh)],
        ...[kWh(own.sellerAllocatedWh), kWh(own.buyerAllocatedWh), kWh(own.settledWh), kWh(own.deliveredWh)],
        [own.awaiting ? AWAITING : '', ...own.waived().map((name) => `${name} waived`)].filter(Boolean).join(', '),
      ],
    ),
  );
  return `${parts.join('\n\n')}\n`;
}

/** Columns as wide as their widest cell; a head that begins with > is set right. A long table is cut and says so. */
function table<T>(title: string, heads: readonly string[], all: readonly T[], rowOf: (item: T) => readonly string[]): string {
  const rows = all.slice(0, ROWS_SHOWN).map(rowOf);
  const right = heads.map((head) => head.startsWith('>'));
  const cells = [
    heads.map((head) => head.replace('>', '')),
    ...rows.map((row) => row.map((cell) => cell.replace(/\p{Cc}/gu, '?'))),
  ];
  const widths = heads.map((_, c) => Math.max(...cells.map((row) => [...row[c]!].length)));
  const padding = (cell: string, c: number) => ' '.repeat(widths[c]! - [...cell].length);
  const lines = cells.map((row) => {
    const padded = row.map((cell, c) => (right[c] ? padding(cell, c) + cell : cell + padding(cell, c)));
    return `  ${padded.join('  ')}`.trimEnd();
  });
  return [title, ...lines, ...(all.length > ROWS_SHOWN ? [`  … the first ${ROWS_SHOWN}; --json has all`] : [])].join('\n');
}

function kWh(wh: number | null): string {
  if (wh === null) return '–';
  return (wh / 1000).toLocaleString('en-IN', { minimumFractionDigits: 3, maximumFractionDigits: 3 });
}

const amount = (paise: bigint): string => (paise > 0n ? '+' : '') + rupees(paise * MICROS_PER_PAISA).replace('-', '−');

const counted = (count: number, noun: string): string => `${count.toLocaleString('en-IN')} ${noun}${count === 1 ? '' : 's'}`;

function firstOf<T>(items: Iterable<T>, most: number): T[] {
  const first: T[] = [];
  for (const item of items) if (first.push(item) >= most) break;
  return first;
}
