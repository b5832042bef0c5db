import type { Evaluation, MethodReport } from './evaluation.ts';
import type { Figures } from './figures.ts';
import { eventsSection } from './html-events.ts';
import { signalsSection } from './html-signals.ts';
import { table } from './html-table.ts';
import { EVENT_LIKE } from './parts.ts';
import { escaped, keyOf, type PlotRow, rowPlot } from './plots.ts';
import { RULES, RULES_IN_WORDS } from './recommend.ts';
import { STYLE } from './style.ts';
import { kwh, money, percent, ranged, rangedShare, shown, signed } from './words.ts';

/** How the question was asked. */
export type About = {
  readonly files: readonly string[];
  readonly window: string;
  readonly zone: string;
};

/** The evaluation as one page: no script, no network, light and dark, wide and narrow, on paper too. */
export function htmlReport(found: Evaluation, about: About): string {
  const { methods } = found;
  const best = methods.find(({ verdict }) => verdict.recommended);
  const shownBest = best ?? methods[0];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Which baseline pays for what happened</title><style>${STYLE}</style></head><body><main>
<h1>Which baseline pays for what happened</h1>
${opening(found, about)}
${headline(best, methods)}
<h2>Paid for nothing</h2>
<p>Energy that ${escaped(found.terms[0]!)} would have credited on days on which nobody was asked for anything, as a share of what was taken.
The wide bar is the full terms, with their netting, floor, caps and reconciliation, all homes as one portfolio. The thin bars are the same
baseline with each home for itself, and clamped at zero in every interval. The dashed line is 10 %; beyond it a method is red.</p>
${rowPlot('False credit by method', methods.map(falseRow), { limits: [RULES.falseCredit], unit: 'Wh credited for nothing, of 100 Wh metered' })}
${keyOf({ full: 'full terms', alone: 'each home alone', clamped: 'clamped each interval' })}
<h2>Bias</h2>
<p>Σ(baseline − metered) ÷ Σ metered, with the middle 95 % of resampled days. To the right a method promises more than homes would have taken.
Dots: all placebo days, and below them the event-like tenth. The dashed lines are ±5 %.</p>
${rowPlot('Bias by method', methods.map(biasRow), { limits: [-RULES.bias, RULES.bias], unit: '← too low · share of metered load · too high →' })}
${keyOf({ full: 'all placebo days', alone: 'event-like days' })}
<h2>All figures</h2>
${methodTable(methods)}
<p>Rules of the recommendation: ${escaped(RULES_IN_WORDS)}.</p>
${termsSection(methods)}
${eventsSection(found, toneOf)}
${shownBest ? detail(shownBest) : ''}
${signalsSection(found)}
<h2>Methods</h2>
<dl>${methods.map(({ name, says, rests, verdict }) => `<dt>${escaped(name)}</dt><dd>${escaped(says)}. ${escaped(rests)}${verdict.against.length > 0 ? ` <em>Not recommended: ${escaped(verdict.against.join('; '))}.</em>` : ''}</dd>`).join('')}</dl>
<h2>What was taken for granted</h2>
<ul>${found.assumptions.map((sentence) => `<li>${escaped(sentence)}</li>`).join('')}</ul>
<h2>What this does not show</h2>
<p>These are your homes on these days; another season may differ, and homes that will join a programme may differ from those measured here.
Bias on quiet days says nothing of days hotter than any here. Figures of single homes are much less certain than those of portfolios.
Taking more than usual before an event has innocent reasons, and so has leaving one. Made from ${escaped(about.files.map((file) => file.slice(file.lastIndexOf('/') + 1)).join(', '))}, seed ${found.seed}; the same call gives the same page.</p>
</main></body></html>
`;
}

/** Whom past events asked, and whose days are therefore not quiet. */
const askedOf = ({ asked, heldOut }: Evaluation['participants'], homes: number): string =>
  asked === homes && heldOut === 0
    ? 'their days are never counted as quiet'
    : `they asked ${asked} of these homes${heldOut > 0 ? ` and held out ${heldOut}` : ''}, and their days are not counted as quiet for the homes they asked`;

function opening({ homes, placebos, events: past, participants, terms }: Evaluation, { window, zone }: About): string {
  const days = placebos.ordinary + placebos.eventLike;
  return `<p class="lead">${homes} homes, ${escaped(window)} (${escaped(zone)}) on ${days} days from ${placebos.first} to ${placebos.last} on which nothing
happened, ${placebos.eventLike} of them like days of events. ${past > 0 ? `${past} past events are measured too; ${askedOf(participants, homes)}. ` : ''}Money: the terms <b>${escaped(terms[0]!)}</b>.</p>`;
}

function headline(best: MethodReport | undefined, methods: readonly MethodReport[]): string {
  const red = methods.filter(({ verdict }) => verdict.red);
  const warned =
    red.length === 0
      ? ''
      : `<p class="warning">Above 10 % false credit: ${escaped(red.map(({ name, all }) => `${name} ${percent(all.falseCredit?.value ?? null)}`).join(', '))}.</p>`;
  if (!best) return `<section class="card"><p>No method meets the rules: ${escaped(RULES_IN_WORDS)}.</p></section>${warned}`;
  const { all } = best;
  return `<section class="card"><p class="small">Recommended by the stated rules</p><p class="large">${escaped(best.name)}</p>
<p>${escaped(best.says)}. Pays <b>${percent(all.falseCredit?.value ?? null)}</b> of load for nothing (${money(all.falseMicros)} in ${all.days} days);
bias ${ranged(all.bias)}; a baseline for ${percent(all.coverage)} of home-days.${ofEvents(best)}</p>${others(best, methods)}</section>${warned}`;
}

/** Sorts of events are paid together here: where some ask for less and some for more, the share is of both. */
const ofEvents = ({ ofEventPay: { money: rupees }, events }: MethodReport): string => {
  const sorts = [...new Set(events.map(({ sort }) => sort))].filter((sort) => sort !== '');
  return rupees === null
    ? ''
    : ` An hour of a quiet day is paid <b>${rangedShare(rupees)}</b> of what an hour of all past events${sorts.length > 1 ? ` (${escaped(sorts.join(', '))})` : ''} together was.`;
};

/** Methods that meet the rules too, and lie within the chance of the recommended one: the choice among them is not one of evidence. */
function others(best: MethodReport, methods: readonly MethodReport[]): string {
  const bound = best.all.falseCredit?.high ?? 0;
  const near = methods.filter(
    ({ verdict, all }) => !verdict.recommended && verdict.against.length === 0 && all.falseCredit!.value <= bound,
  );
  return near.length === 0
    ? ''
    : `<p class="small">Within its interval, and by these days as good: ${escaped(near.map(({ name }) => name).join(', '))}.</p>`;
}

export const toneOf = ({ verdict }: MethodReport): string => (verdict.red ? 'red' : verdict.recommended ? 'best' : '');

function falseRow(method: MethodReport): PlotRow {
  const { all, name } = method;
  const bar = (to: number | null, tone: string, thin: boolean) => ({ kind: 'bar' as const, to: to ?? 0, tone, thin });
  return {
    ...{ name, tone: toneOf(method), text: percent(all.falseCredit?.value ?? null) },
    marks: [
      bar(all.falseCredit?.value ?? null, method.verdict.red ? 'red' : 'full', false),
      bar(all.alone, 'alone', true),
      bar(all.clamped, 'clamped', true),
    ],
  };
}

function biasRow(method: MethodReport): PlotRow {
  const like = method.parts.days.find(({ name }) => name === EVENT_LIKE)?.figures.bias;
  const ranges = [
    { range: method.all.bias, tone: 'full' },
    { range: like ?? null, tone: 'alone' },
  ];
  return {
    ...{ name: method.name, tone: toneOf(method), text: signed(method.all.bias?.value ?? null) },
    marks: ranges.flatMap(({ range, tone }) => (range ? [{ kind: 'range' as const, range, tone }] : [])),
  };
}

function methodTable(methods: readonly MethodReport[]): string {
  const head = [
    'Method',
    'False credit',
    'For nothing',
    'Bias',
    'RRMSE home',
    'Portfolio',
    'Error 5 … 95 %',
    'Capped',
    'Covered',
    'Lost',
  ];
  const rows = methods.map((method) => {
    const { all, name } = method;
    const lost = Object.entries(all.lost).map(([word, count]) => `${word.replaceAll('_', ' ')} ${count}`);
    return {
      tone: toneOf(method),
      cells: [
        ...[name, rangedShare(all.falseCredit), `${kwh(all.falseWh)}, ${paid(all)}`, ranged(all.bias)],
        ...[
          percent(all.rrmseHome),
          percent(all.rrmsePortfolio),
          `${signed(all.quantiles[0] ?? null)} … ${signed(all.quantiles[4] ?? null)}`,
        ],
        ...[percent(all.capped), percent(all.coverage), lost.join('; ') || 'none'],
      ],
    };
  });
  return table(head, rows);
}

function detail({ name, parts, portfolios }: MethodReport): string {
  const sections = [
    ['Days', parts.days],
    ['Season', parts.season],
    ['Size of load', parts.size],
    ['Category', parts.category],
  ] as const;
  const rows = sections.flatMap(([title, all]) =>
    all.map(({ name: part, figures }) => ({
      cells: [
        ...[title, shown(part), String(figures.homes), String(figures.days), ranged(figures.bias), percent(figures.rrmseHome)],
        ...[percent(figures.falseCredit?.value ?? null), percent(figures.alone), percent(figures.coverage)],
      ],
    })),
  );
  const sizes = portfolios.map((size) => ({
    cells: [
      ...[String(size.homes), String(size.draws), percent(size.rrmse), `${signed(size.low)} … ${signed(size.high)}`],
      ...[between(size.falseCredit, size.falseLow, size.falseHigh, size.draws, percent)],
      ...[between(size.micros, size.microsLow, size.microsHigh, size.draws, (micros) => (micros === null ? '–' : money(micros)))],
      String(size.paidDays),
    ],
  }));
  return `<h2>Where ${escaped(name)} is good, and where not</h2>
${table(['By', '', 'Homes', 'Days', 'Bias', 'RRMSE home', 'False credit', 'Each alone', 'Covered'], rows)}
<h2>How many homes it takes</h2>
<p>Portfolios drawn from your homes, ${escaped(name)}: error of a day's energy, and what the full terms pay each of them for nothing, of load and in
rupees a home and event; in brackets what nine in ten portfolios lie between. One home alone is mostly chance.</p>
${table(['Homes', 'Draws', 'RRMSE of a day', 'Error 5 … 95 %', 'False credit', 'A home and event', 'Days paid'], sizes)}`;
}

function between(
  value: number | null,
  low: number | null,
  high: number | null,
  draws: number,
  said: (value: number | null) => string,
): string {
  return draws < 2 ? said(value) : `${said(value)} (${said(low)} … ${said(high)})`;
}

const paid = ({ falseMicros, penaltyMicros }: Figures): string =>
  penaltyMicros > 0 ? `${money(falseMicros)} after ${money(penaltyMicros)} of penalties` : money(falseMicros);

/** Methods by terms, where more than one programme's are asked about. */
function termsSection(methods: readonly MethodReport[]): string {
  const [first] = methods;
  if (!first || first.under.length < 2) return '';
  const rows = methods.map((method) => ({
    tone: toneOf(method),
    cells: [
      method.name,
      ...method.under.map(({ figures }) => `${percent(figures.falseCredit?.value ?? null)} · ${paid(figures)}`),
    ],
  }));
  return `<h2>Under other terms</h2><p>What each method would have paid all homes for nothing on the same days, of load and in rupees.</p>
${table(['Method', ...first.under.map(({ terms }) => terms)], rows)}`;
}
