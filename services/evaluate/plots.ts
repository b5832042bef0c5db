import type { Ranged } from './chance.ts';

/** Text for HTML and attributes. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** A row of a plot: what is drawn, and what is written at its end. */
export type PlotRow = { readonly name: string; readonly tone: string; readonly text: string; readonly marks: readonly Mark[] };
export type Mark =
  | { readonly kind: 'range'; readonly range: Ranged; readonly tone: string }
  | { readonly kind: 'bar'; readonly to: number; readonly tone: string; readonly thin: boolean };
export type Axis = {
  /** Dashed lines across all rows. */
  readonly limits: readonly number[];
  /** What the axis measures. */
  readonly unit: string;
};

/** Units across a strip, of which this many stay free at either end for half a tick's label. */
const [WIDTH, MARGIN, HEIGHT] = [1000, 20, 30];

/**
 * Rows over one axis of shares. Each row is a strip of inline SVG that stretches sideways only, between a name and a figure that are text of the
 * page: where the page is narrow they stand above it, and nothing has to be scrolled. Colours come from the page's style.
 */
export function rowPlot(title: string, rows: readonly PlotRow[], { limits, unit }: Axis): string {
  const values = rows.flatMap(({ marks }) =>
    marks.flatMap((mark) => (mark.kind === 'bar' ? [mark.to] : [mark.range.low, mark.range.high])),
  );
  const [low, high] = [Math.min(0, ...limits, ...values), Math.max(0.01, ...limits, ...values)];
  const x = (value: number) => (MARGIN + ((value - low) / (high - low)) * (WIDTH - 2 * MARGIN)).toFixed(1);
  const step = stepOf(high - low);
  const count = Math.floor(high / step) - Math.ceil(low / step) + 1;
  const ticks = Array.from({ length: count }, (_, i) => (Math.ceil(low / step) + i) * step);
  const across = (at: number, kind: string) => `<line class="${kind}" x1="${x(at)}" x2="${x(at)}" y1="0" y2="${HEIGHT}"/>`;
  const behind = [
    ...ticks.map((at) => across(at, Math.abs(at) < step / 2 ? 'zero' : 'grid')),
    ...limits.map((at) => across(at, 'limit')),
  ].join('');
  const drawn = rows.map(({ name, tone, text, marks }) => {
    const shapes = marks.map((mark, m) => shapeOf(mark, HEIGHT / 2 + (m - (marks.length - 1) / 2) * 9, x)).join('');
    const strip = `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">${behind}${shapes}</svg>`;
    return `<div class="row ${tone}"><span class="name">${escaped(name)}</span>${strip}<span class="figure">${escaped(text)}</span></div>`;
  });
  const labels = ticks.map((at) => `<span style="left:${Number(x(at)) / (WIDTH / 100)}%">${tickName(at)}</span>`);
  return `<div class="plot" role="group" aria-label="${escaped(title)}">${drawn.join('\n')}
<div class="row axis" aria-hidden="true"><div class="ticks">${labels.join('')}</div></div><p class="unit">${escaped(unit)}</p></div>`;
}

/** What the colours of a plot stand for. */
export const keyOf = (tones: Readonly<Record<string, string>>): string =>
  `<p class="key">${Object.entries(tones)
    .map(([tone, says]) => `<span><i class="box ${tone}"></i>${escaped(says)}</span>`)
    .join(' ')}</p>`;

const tickName = (share: number): string => {
  const percent = Math.round(share * 100);
  return `${percent < 0 ? '−' : ''}${Math.abs(percent)} %`;
};

function shapeOf(mark: Mark, y: number, x: (value: number) => string): string {
  if (mark.kind === 'bar') {
    const size = mark.thin ? 4 : 9;
    const width = Math.max(0, Number(x(mark.to)) - Number(x(0))).toFixed(1);
    return `<rect class="${mark.tone}" x="${x(0)}" y="${y - size / 2}" width="${width}" height="${size}"/>`;
  }
  const { value, low, high } = mark.range;
  // A line of no length with round ends is a dot that no stretching makes an egg.
  return `<line class="range ${mark.tone}" x1="${x(low)}" x2="${x(high)}" y1="${y}" y2="${y}"/><line class="dot ${mark.tone}" x1="${x(value)}" x2="${x(value)}" y1="${y}" y2="${y}"/>`;
}

/** A round step with at most eight ticks. */
const stepOf = (span: number): number => [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5].find((step) => span / step <= 8) ?? 10;
