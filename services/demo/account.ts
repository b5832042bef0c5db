import type { Run, StatementLine } from '../../gen/lachak/v1/settlement_pb.ts';
import { rupees } from '../domain/money.ts';
import { type Home, pointOf } from './homes.ts';
import type { Parts } from './stage.ts';

/** What the account is written from. */
export type Told = {
  readonly parts: Parts;
  readonly runs: readonly Run[]; // oldest first
  readonly statements: readonly StatementLine[];
  /** What the simulation knows and no meter can tell: Wh really left off in the window, outages apart. */
  readonly leftOffWh: (home: Home) => number;
  readonly unstatedBalance: bigint;
};

const KINDS: readonly { kind: Home['kind']; name: string }[] = [
  { kind: 'AC', name: 'air conditioners' },
  { kind: 'CHARGER', name: 'chargers' },
  { kind: 'BEHAVIOURAL', name: 'homes by notice' },
];

/** The evening in one table and a few sentences. */
export function account({ parts, leftOffWh, runs, statements, unstatedBalance }: Told): string {
  const last = runs.at(-1)!;
  const first = runs[0]!;
  const current = new Map(
    statements
      .filter((line) => line.runId === last.runId && line.settlementPointId)
      .map((line) => [line.settlementPointId, line]),
  );
  const earlier = new Map(
    statements
      .filter((line) => line.runId === first.runId && line.settlementPointId)
      .map((line) => [line.settlementPointId, line]),
  );
  const lineOf = (home: Home) => current.get(pointOf(home));
  const rows = KINDS.map(({ kind, name }) => {
    const of = parts.chosen.filter((home) => home.kind === kind);
    const lines = of.map(lineOf).filter((line) => line !== undefined);
    return row(
      name,
      of.length,
      lines.filter((line) => line.amountMicros > 0n).length,
      BigInt(of.reduce((sum, home) => sum + leftOffWh(home), 0)),
      lines.reduce((sum, line) => sum + line.deliveredWh, 0n),
      lines.reduce((sum, line) => sum + line.amountMicros, 0n),
    );
  });
  const paid = [...current.values()].reduce((sum, line) => sum + line.amountMicros, 0n);
  const blackout = parts.blackedOut.filter((home) => parts.chosen.includes(home));
  const told = (home: Home) => {
    const line = lineOf(home);
    return line ? `${kwh(line.deliveredWh)} → ${rupees(line.amountMicros)}` : 'no statement';
  };
  const late = { before: earlier.get(pointOf(parts.late)), now: lineOf(parts.late) };
  return [
    '',
    cells('', 'chosen', 'paid', 'in truth', 'delivered', 'credits'),
    ...rows,
    cells('', '', '', '', '', ''),
    row(
      'all',
      parts.chosen.length,
      [...current.values()].filter((line) => line.amountMicros > 0n).length,
      BigInt(parts.chosen.reduce((sum, home) => sum + leftOffWh(home), 0)),
      last.deliveredWh,
      paid,
    ),
    '',
    `opted out         ${parts.optOut.id}  ${told(parts.optOut)} (left at half past six; measured to the end like everybody)`,
    `override          ${parts.override.id}  ${told(parts.override)} (the user's own thermostat wins, at once)`,
    `dead device       ${parts.dead.id}  ${told(parts.dead)} (never answered: only the meter counts)`,
    `lying device      ${parts.liar.id}  ${told(parts.liar)} (said "applied", drew as before; never counted as measured)`,
    `blackout          ${blackout.length} chosen behind ${parts.blackedOut[0]!.areaId}: the hour without supply moves no rupee for or against them`,
    `late reading      ${parts.late.id}  ${late.before ? rupees(late.before.amountMicros) : '-'} in version ${first.version}, ${late.now ? rupees(late.now.amountMicros) : '-'} in version ${last.version}; ${last.changedPoints} statements changed, ${rupees(last.deltaMicros)} as their own lines`,
    `holdout           ${parts.holdout.length} homes were not asked; the same terms would have paid them ${rupees(last.holdoutWouldBeMicros)} for nothing`,
    `in truth          what the simulation knows was left off, which no meter can tell; delivered is what baselines make of it`,
    `ledger            sums to ${rupees(unstatedBalance)}`,
    '',
  ].join('\n');
}

const kwh = (wh: bigint): string => `${(Number(wh) / 1000).toFixed(2)} kWh`;

function row(name: string, chosen: number, paid: number, truth: bigint, wh: bigint, micros: bigint): string {
  return cells(name, String(chosen), String(paid), kwh(truth), kwh(wh), rupees(micros));
}

const WIDTHS = [18, 8, 8, 14, 14, 14];
const cells = (...texts: readonly string[]): string =>
  `  ${texts.map((text, i) => (i === 0 ? text.padEnd(WIDTHS[i]!) : text.padStart(WIDTHS[i]!))).join('')}`.trimEnd();
