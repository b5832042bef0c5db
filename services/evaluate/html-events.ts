import type { Evaluation, MethodReport } from './evaluation.ts';
import { type TableRow, table } from './html-table.ts';
import { PART_IN_WORDS } from './participants.ts';
import { groupInWords } from './past-events.ts';
import { escaped, keyOf, rowPlot } from './plots.ts';
import { money, ranged, rangedShare, signed } from './words.ts';

/** Past events: what each method saw beside what it sees where nothing happened, and what it would have paid, event by event. */
export function eventsSection({ methods, events: count, sign }: Evaluation, toneOf: (method: MethodReport) => string): string {
  const [first] = methods;
  if (count === 0 || !first) return '';
  const share = sign === 1 ? 'Σ(baseline − metered) ÷ Σ baseline' : 'Σ(metered − baseline) ÷ Σ baseline';
  const unit = sign === 1 ? '← above · share of the baseline · below →' : '← below · share of the baseline · above →';
  const others = first.responses.some(({ who }) => who !== 'asked')
    ? 'Homes that were held out, or not asked, have nothing to answer: what is seen of them is chance, or the method. '
    : '';
  const groups = first.responses.map((group, i) => {
    const title = `${[group.sort, group.category].filter(Boolean).join(', ') || 'All events'}: ${groupInWords(group, first.responses)}, ${group.events} events`;
    const rows = methods.map((method) => {
      const { response, quiet, apart } = method.responses[i]!;
      const marks = [
        { range: response, tone: 'full' },
        { range: quiet, tone: 'alone' },
      ];
      return {
        ...{ name: method.name, tone: toneOf(method), text: signed((apart ?? response)?.value ?? null) },
        marks: marks.flatMap(({ range, tone }) => (range ? [{ kind: 'range' as const, range, tone }] : [])),
      };
    });
    return `<h3>${escaped(title)}</h3>${rowPlot(title, rows, { limits: [], unit })}`;
  });
  return `<h2>Past events: what each method saw</h2>
<p>${share}: to the right homes did what they were asked. ${others}Below each, the same at the same hours of quiet days around the events, where nothing
happened: what a method sees there is its own bias. The number at the end is the difference: what remains of the answer.</p>
${keyOf({ full: 'events', alone: 'the same hours of quiet days' })}
${groups.join('')}
<details><summary>The same in figures, with intervals</summary>${responseTable(methods, toneOf)}</details>
<h2>What another method would have paid</h2>
<p>For the ${count} past events, the homes that each of them asked as one portfolio.</p>
${payTable(methods, toneOf)}
<details><summary>Event by event</summary>${eventTable(methods)}</details>`;
}

function responseTable(methods: readonly MethodReport[], toneOf: (method: MethodReport) => string): string {
  const rows = methods.flatMap((method) =>
    method.responses.map(
      ({ sort, category, who, response, quiet, apart, paidMicros }): TableRow => ({
        tone: toneOf(method),
        cells: [
          method.name,
          sort || 'events',
          category || 'all',
          PART_IN_WORDS[who],
          ...[response, quiet, apart].map(ranged),
          money(paidMicros),
        ],
      }),
    ),
  );
  const head = ['Method', 'Events', 'Category', 'Homes', 'Seen', 'Quiet days', 'Difference', 'Paid as a portfolio of its own'];
  return `${table(head, rows)}<p class="small">To homes that were not asked, it would be paid for nothing.</p>`;
}

function payTable(methods: readonly MethodReport[], toneOf: (method: MethodReport) => string): string {
  const paidBy = ({ events }: MethodReport) => events.reduce((sum, { micros }) => sum + micros, 0);
  const best = methods.find(({ verdict }) => verdict.recommended);
  const rows = methods.map((method): TableRow => {
    const paid = paidBy(method);
    const than = best && best !== method && paidBy(best) > 0 ? signed(paid / paidBy(best) - 1) : '';
    const { energy, money: rupees } = method.ofEventPay;
    return { tone: toneOf(method), cells: [method.name, money(paid), than, rangedShare(rupees), rangedShare(energy)] };
  });
  const head = ['Method', 'Paid', best ? `More than ${best.name}` : '', 'Rupees of quiet days, of event pay', 'Energy'];
  return `${table(head, rows)}<p class="small">The last columns: what a home and hour is paid on quiet days, as a share of what it is paid at events.</p>`;
}

function eventTable(methods: readonly MethodReport[]): string {
  const rows = methods[0]!.events.map(({ event, day, sort, homes }, e) => ({
    cells: [
      event === day ? day : `${event}, ${day}`,
      sort,
      String(homes),
      ...methods.map(({ events }) => money(events[e]!.micros)),
    ],
  }));
  return table(['Event', '', 'Homes asked', ...methods.map(({ name }) => name)], rows);
}
