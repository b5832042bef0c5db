import type { Run, StatementLine } from '../../gen/lachak/v1/settlement_pb.ts';
import { rupees } from '../domain/money.ts';
import { type Home, pointOf } from './homes.ts';
import type { Parts } from './stage.ts';

/** What the account is written from. */
export type Told = {
  readonly parts: Parts;
  readonly runs: readonly Run[]; // oldest first
  readonly statements: readonly StatementLine[];
  readonly unstatedBalance: bigint;
};

const KINDS: readonly { kind: Home['kind']; name: string }[] = [
  { kind: 'AC', name: 'air conditioners' },
  { kind: 'CHARGER', name: 'chargers' },
  { kind: 'BEHAVIOURAL', name: 'homes by notice' },
];

/** The evening in one table and a few sentences. */
export function account({ parts, runs, statements, unstatedBalance }: Told): string {
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
    row2('', 'chosen', 'paid', 'delivered', 'credits'),
    ...rows,
    row2('', '', '', '', ''),
    row(
      'all',
      parts.chosen.length,
      [...current.values()].filter((line) => line.amountMicros > 0n).length,
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
    `ledger            sums to ${rupees(unstatedBalance)}`,
    '',
  ].join('\n');
}

const kwh = (wh: bigint): string => `${(Number(wh) / 1000).toFixed(2)} kWh`;

function row(name: string, chosen: number, paid: number, wh: bigint, micros: bigint): string {
  return row2(name, String(chosen), String(paid), kwh(wh), rupees(micros));
}

const row2 = (name: string, ...cells: [string, string, string, string]): string =>
  `  ${name.padEnd(18)}${cells[0].padStart(8)}${cells[1].padStart(8)}${cells[2].padStart(14)}${cells[3].padStart(14)}`.trimEnd();
