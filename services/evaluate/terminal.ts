import type { Evaluation, MethodReport } from './evaluation.ts';
import { RULES_IN_WORDS } from './recommend.ts';
import { money, percent, ranged, signed } from './words.ts';

const RED = ['\u001b[31m', '\u001b[39m'] as const;
const BOLD = ['\u001b[1m', '\u001b[22m'] as const;

/** The evaluation for a terminal; `colour` where it is one. */
export function terminalReport(found: Evaluation, colour: boolean): string {
  const { placebos, homes, events, methods, signals } = found;
  const best = methods.find(({ verdict }) => verdict.recommended);
  const [first] = methods;
  const lines = [
    `${homes} homes, ${placebos.ordinary + placebos.eventLike} placebo days (${placebos.eventLike} event-like) from ${placebos.first} to ${placebos.last}, ${events} past events; seed ${found.seed}`,
    '',
    ...aligned([HEAD, ...methods.map(row)]).map((line, i) => paint(line, methods[i - 1], colour)),
    '',
    best ? `Recommended: ${best.name}: ${best.says}.` : 'No method meets the rules.',
    `Rules: ${RULES_IN_WORDS}.`,
    ...((best ?? first) ? responses((best ?? first)!) : []),
    ...(signals.length > 0
      ? [
          '',
          `Worth a second look (no proof of anything): ${signals.length}`,
          ...signals.slice(0, 10).map(({ meterId, says }) => `  ${meterId}: ${says}`),
        ]
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

const HEAD = [
  'method',
  'bias',
  'event-like',
  'RRMSE home',
  'portfolio',
  'covered',
  'capped',
  'false credit',
  'alone',
  'clamped',
  'paid for nothing',
];

function row({ name, all, parts }: MethodReport): string[] {
  const like = parts.days.find((part) => part.name === '2 event-like');
  return [
    ...[name, ranged(all.bias), signed(like?.figures.bias?.value ?? null), percent(all.rrmseHome), percent(all.rrmsePortfolio)],
    ...[
      percent(all.coverage),
      percent(all.capped),
      percent(all.falseCredit?.value ?? null),
      percent(all.alone),
      percent(all.clamped),
    ],
    money(all.falseMicros),
  ];
}

function paint(line: string, method: MethodReport | undefined, colour: boolean): string {
  const mark = method?.verdict.recommended ? '→ ' : method?.verdict.red ? '! ' : '  ';
  const [on, off] = !colour || !method ? ['', ''] : method.verdict.red ? RED : method.verdict.recommended ? BOLD : ['', ''];
  return `${on}${mark}${line}${off}`;
}

function responses({ name, responses: found }: MethodReport): string[] {
  if (found.length === 0) return [];
  const rows = found.map((one) => [
    ...[one.sort || 'events', one.category || 'all homes', `${one.homes} homes`, `${one.events} events`],
    `below the baseline by ${ranged(one.response)}`,
  ]);
  return ['', `Past events by ${name}:`, ...aligned(rows).map((line) => `  ${line}`)];
}

/** Columns as wide as their widest cell. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  );
}
