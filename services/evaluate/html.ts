import type { Evaluation, MethodReport } from './evaluation.ts';
import { escaped, type PlotRow, rowPlot } from './plots.ts';
import { RULES, RULES_IN_WORDS } from './recommend.ts';
import type { Sign } from './signals.ts';
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
The wide bar is the full terms: netted per event, floored at zero, reconciled to the portfolio where the terms say so. The thin bars are the
same baseline with each home netted alone, and clamped at zero in every interval. The dashed line is 10 %.</p>
<div class="scroll">${rowPlot('False credit by method', methods.map(falseRow), [RULES.falseCredit])}</div>
<p class="key"><span class="box full"></span> full terms <span class="box alone"></span> each home alone <span class="box clamped"></span> clamped each interval</p>
<h2>Bias</h2>
<p>Σ(baseline − metered) ÷ Σ metered, with the middle 95 % of resampled days. To the right a method promises more than homes would have taken.
Dots: all placebo days, and below them the event-like tenth. The dashed lines are ±5 %.</p>
<div class="scroll">${rowPlot('Bias by method', methods.map(biasRow), [-RULES.bias, RULES.bias])}</div>
<p class="key"><span class="box full"></span> all placebo days <span class="box alone"></span> event-like days</p>
<h2>All figures</h2>
${methodTable(methods)}
<p>Rules of the recommendation: ${escaped(RULES_IN_WORDS)}.</p>
${events(methods, found.events)}
${shownBest ? detail(shownBest) : ''}
${signals(found)}
<h2>Methods</h2>
<dl>${methods.map(({ name, says, verdict }) => `<dt>${escaped(name)}</dt><dd>${escaped(says)}${verdict.against.length > 0 ? `. <em>Not recommended: ${escaped(verdict.against.join('; '))}.</em>` : ''}</dd>`).join('')}</dl>
<h2>What this does not show</h2>
<p>These are your homes on these days; another season may differ, and homes that will join a programme may differ from those measured here.
Bias on quiet days says nothing of days hotter than any here. Figures of single homes are much less certain than those of portfolios.
Taking more than usual before an event has innocent reasons. Opting out when it suits, and back-up generation, are not looked at: they need
acts and devices, which readings alone do not show. Made from ${escaped(about.files.join(', '))}, seed ${found.seed}; the same call gives the same page.</p>
</main></body></html>
`;
}

function opening({ homes, placebos, events: past, terms }: Evaluation, { window, zone }: About): string {
  const days = placebos.ordinary + placebos.eventLike;
  return `<p class="lead">${homes} homes, ${escaped(window)} (${escaped(zone)}) on ${days} days from ${placebos.first} to ${placebos.last} on which nothing
happened, ${placebos.eventLike} of them like days of events. ${past > 0 ? `${past} past events are measured too; their days are never counted as quiet. ` : ''}Money: the terms <b>${escaped(terms[0]!)}</b>.</p>`;
}

function headline(best: MethodReport | undefined, methods: readonly MethodReport[]): string {
  const red = methods.filter(({ verdict }) => verdict.red);
  const warned =
    red.length === 0 ? '' : `<p class="warning">Above 10 % false credit: ${escaped(red.map(({ name }) => name).join(', '))}.</p>`;
  if (!best) return `<section class="card"><p>No method meets the rules: ${escaped(RULES_IN_WORDS)}.</p></section>${warned}`;
  const { all } = best;
  return `<section class="card"><p class="small">Recommended by the stated rules</p><p class="large">${escaped(best.name)}</p>
<p>${escaped(best.says)}. Pays <b>${percent(all.falseCredit?.value ?? null)}</b> of load for nothing (${money(all.falseMicros)} in ${all.days} days);
bias ${ranged(all.bias)}; a baseline for ${percent(all.coverage)} of home-days.</p></section>${warned}`;
}

const toneOf = ({ verdict }: MethodReport): string => (verdict.red ? 'red' : verdict.recommended ? 'best' : '');

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

const EVENT_LIKE = '2 event-like';

/** A table that scrolls by itself where the page is narrow. Cells are text, never markup. */
function table(head: readonly string[], rows: readonly { readonly tone?: string; readonly cells: readonly string[] }[]): string {
  const cells = (tag: string, texts: readonly string[]) => texts.map((text) => `<${tag}>${escaped(text)}</${tag}>`).join('');
  const body = rows.map(({ tone, cells: texts }) => `<tr class="${tone ?? ''}">${cells('td', texts)}</tr>`).join('\n');
  return `<div class="scroll"><table><thead><tr>${cells('th', head)}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function methodTable(methods: readonly MethodReport[]): string {
  const head = [
    'Method',
    'False credit',
    'For nothing',
    'Of event pay',
    'Bias',
    'RRMSE home',
    'Portfolio',
    'Error 5 … 95 %',
    'Capped',
    'Covered',
    'Lost',
  ];
  const rows = methods.map((method) => {
    const { all, name, ofEventPay } = method;
    const lost = Object.entries(all.lost).map(([word, count]) => `${word.replaceAll('_', ' ')} ${count}`);
    return {
      tone: toneOf(method),
      cells: [
        ...[
          name,
          ranged(all.falseCredit),
          `${kwh(all.falseWh)}, ${money(all.falseMicros)}`,
          rangedShare(ofEventPay.energy),
          ranged(all.bias),
        ],
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

/** A row a method, a column a kind of event and category: what it says they left, and what it pays for that. */
function events(methods: readonly MethodReport[], count: number): string {
  const [first] = methods;
  if (count === 0 || !first) return '';
  const heads = first.responses.map(
    ({ sort, category, homes, events: times }) => `${sort || 'Events'}, ${category || 'all'}: ${homes} homes, ${times} events`,
  );
  const rows = methods.map((method) => ({
    tone: toneOf(method),
    cells: [
      method.name,
      ...method.responses.map(({ response, paidMicros }) => `${ranged(response)} · ${money(paidMicros)}`),
      money(method.events.reduce((sum, { micros }) => sum + micros, 0)),
    ],
  }));
  return `<h2>Past events: what each method would have seen and paid</h2>
<p>Σ(baseline − metered) ÷ Σ baseline, positive where homes took less than their baseline, and what the terms would have paid. Each category is
paid as a portfolio of its own; the last column pays all homes as one.</p>
${table(['Method', ...heads, 'Paid to all'], rows)}`;
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
  const sizes = portfolios.map(({ homes, draws, rrmse, low, high, falseCredit }) => ({
    cells: [String(homes), String(draws), percent(rrmse), `${signed(low)} … ${signed(high)}`, percent(falseCredit)],
  }));
  return `<h2>Where ${escaped(name)} is good, and where not</h2>
${table(['By', '', 'Homes', 'Days', 'Bias', 'RRMSE home', 'False credit', 'Each alone', 'Covered'], rows)}
<h2>How many homes it takes</h2>
<p>Portfolios drawn from your homes, ${escaped(name)}: error of a day's energy, and what is paid for nothing. One home alone is mostly chance.</p>
${table(['Homes', 'Draws', 'RRMSE of a day', 'Error 5 … 95 %', 'False credit'], sizes)}`;
}

function signals({ signals: found }: Evaluation): string {
  const rows = found.map(({ meterId, sign, says }) => ({ cells: [meterId, SIGN[sign], says] }));
  const text = found.length === 0 ? '<p>None.</p>' : table(['Meter', 'Sign', 'Seen'], rows);
  return `<h2>Worth a second look</h2><p>Signs of gaming, or of a broken meter. None is proof.</p>${text}`;
}

const SIGN: Record<Sign, string> = {
  at_cap: 'adjustment at its cap',
  pumped: 'load pumped before notice',
  frozen_baseline: 'frozen baseline',
  left_against: 'left when the baseline was against it',
  back_up: 'back-up generation or battery',
  frozen: 'the same load every day',
};
