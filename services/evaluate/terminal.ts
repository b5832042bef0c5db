import type { Evaluation, MethodReport } from './evaluation.ts';
import { groupInWords } from './past-events.ts';
import { RULES_IN_WORDS } from './recommend.ts';
import { SIGN_IN_WORDS } from './signals.ts';
import { money, percent, ranged, signed } from './words.ts';

const RED = ['\u001b[31m', '\u001b[39m'] as const;
const BOLD = ['\u001b[1m', '\u001b[22m'] as const;

/** The evaluation for a terminal; `colour` where it is one. */
export function terminalReport(found: Evaluation, colour: boolean): string {
  const { placebos, homes, events, methods, terms } = found;
  const best = methods.find(({ verdict }) => verdict.recommended);
  const [first] = methods;
  const lines = [
    `${homes} homes, ${placebos.ordinary + placebos.eventLike} placebo days (${placebos.eventLike} event-like) from ${placebos.first} to ${placebos.last}, ${events} past events${whom(found)}; paid by ${terms[0]}; seed ${found.seed}`,
    '',
    ...aligned([HEAD, ...methods.map(row)]).map((line, i) => paint(line, methods[i - 1], colour)),
    '',
    best ? `Recommended: ${best.name}: ${best.says}.` : 'No method meets the rules.',
    `Rules: ${RULES_IN_WORDS}.`,
    ...otherTerms(methods),
    ...((best ?? first) ? portfolios((best ?? first)!) : []),
    ...((best ?? first) ? responses((best ?? first)!, found.sign) : []),
    ...secondLook(found),
    '',
    'Taken for granted:',
    ...found.assumptions.map((sentence) => `  ${sentence}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** Whom past events asked, where it was not everybody. */
const whom = ({ participants: { asked, heldOut }, homes, events }: Evaluation): string =>
  events === 0 || (asked === homes && heldOut === 0)
    ? ''
    : ` that asked ${asked} of them${heldOut > 0 ? ` and held out ${heldOut}` : ''}`;

function otherTerms(methods: readonly MethodReport[]): string[] {
  const names = methods[0]?.under.map(({ terms }) => terms) ?? [];
  if (names.length < 2) return [];
  const rows = methods.map(({ name, under }) => [
    name,
    ...under.map(({ figures }) => `${percent(figures.falseCredit?.value ?? null)} ${money(figures.falseMicros)}`),
  ]);
  return [
    '',
    'Paid for nothing under each of the terms:',
    ...aligned([['method', ...names], ...rows]).map((line) => `  ${line}`),
  ];
}

function portfolios({ name, portfolios: sizes }: MethodReport): string[] {
  const rows = sizes.map((size) => [
    ...[String(size.homes), percent(size.rrmse), percent(size.falseCredit)],
    size.micros === null ? '–' : money(size.micros),
  ]);
  const head = ['homes', 'RRMSE of a day', 'false credit', 'a home and event'];
  return ['', `Portfolios by ${name}:`, ...aligned([head, ...rows]).map((line) => `  ${line}`)];
}

function secondLook({ signals, looked }: Evaluation): string[] {
  const rows = looked.map(({ sign, homes, why }) => [
    SIGN_IN_WORDS[sign],
    why === '' ? `${signals.filter((one) => one.sign === sign).length} of ${homes} homes` : `not looked at: ${why}`,
  ]);
  const named = signals.slice(0, 10).map(({ meterId, says }) => `  ${meterId}: ${says}`);
  return [
    ...['', 'Worth a second look (no proof of anything):'],
    ...rows.map(([sign, seen]) => `  ${sign!.padEnd(Math.max(...rows.map(([word]) => word!.length)))}  ${seen}`),
    ...named,
    ...(signals.length > 10 ? [`  and ${signals.length - 10} more: --json lists them`] : []),
  ];
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

function responses({ name, responses: found }: MethodReport, sign: 1 | -1): string[] {
  if (found.length === 0) return [];
  const rows = found.map((one) => [
    ...[one.sort || 'events', one.category || 'all homes', groupInWords(one, found), `${one.events} events`],
    ...[one.response, one.quiet, one.apart].map(ranged),
  ]);
  const head = [
    'events',
    'category',
    '',
    '',
    sign === 1 ? 'below the baseline' : 'above the baseline',
    'quiet days',
    'difference',
  ];
  return [
    '',
    `Past events by ${name}, and the same hours of quiet days:`,
    ...aligned([head, ...rows]).map((line) => `  ${line}`),
  ];
}

/** Columns as wide as their widest cell. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  );
}
