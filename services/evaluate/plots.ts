import type { Ranged } from './chance.ts';

/** Text for HTML and attributes. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const LEFT = 190;
const RIGHT = 700;
const ROW = 30;

/** A row of a plot: what is drawn, and what is written at its end. */
export type PlotRow = { readonly name: string; readonly tone: string; readonly text: string; readonly marks: readonly Mark[] };
export type Mark =
  | { readonly kind: 'range'; readonly range: Ranged; readonly tone: string }
  | { readonly kind: 'bar'; readonly to: number; readonly tone: string; readonly thin: boolean };

/** Rows over one axis of shares, with dashed lines at `limits`. Inline SVG that scales with the page; colours come from the page's style. */
export function rowPlot(title: string, rows: readonly PlotRow[], limits: readonly number[]): string {
  const values = rows.flatMap(({ marks }) =>
    marks.flatMap((mark) => (mark.kind === 'bar' ? [mark.to] : [mark.range.low, mark.range.high])),
  );
  const [low, high] = [Math.min(0, ...limits, ...values), Math.max(0.01, ...limits, ...values)];
  const x = (value: number) => (LEFT + ((value - low) / (high - low)) * (RIGHT - LEFT)).toFixed(1);
  const height = rows.length * ROW + 34;
  const step = stepOf(high - low);
  const ticks = Array.from(
    { length: Math.floor(high / step) - Math.ceil(low / step) + 1 },
    (_, i) => (Math.ceil(low / step) + i) * step,
  );
  const axis = ticks.map(
    (at) =>
      `<line class="grid" x1="${x(at)}" x2="${x(at)}" y1="4" y2="${height - 26}"/><text class="tick" x="${x(at)}" y="${height - 8}">${Math.round(at * 100)} %</text>`,
  );
  const bounds = limits.map((at) => `<line class="limit" x1="${x(at)}" x2="${x(at)}" y1="2" y2="${height - 26}"/>`);
  const drawn = rows.map(({ name, tone, text, marks }, i) => {
    const y = i * ROW + 20;
    const shapes = marks.map((mark, m) => shapeOf(mark, y + (m - (marks.length - 1) / 2) * 9, x)).join('');
    return `<text class="name ${tone}" x="${LEFT - 10}" y="${y + 4}">${escaped(name)}</text>${shapes}<text class="figure ${tone}" x="${RIGHT + 10}" y="${y + 4}">${escaped(text)}</text>`;
  });
  return `<svg viewBox="0 0 800 ${height}" role="img" aria-label="${escaped(title)}"><title>${escaped(title)}</title>${[...axis, ...bounds, ...drawn].join('')}</svg>`;
}

function shapeOf(mark: Mark, y: number, x: (value: number) => string): string {
  if (mark.kind === 'bar') {
    const size = mark.thin ? 4 : 9;
    const width = Math.max(0, Number(x(mark.to)) - Number(x(0))).toFixed(1);
    return `<rect class="${mark.tone}" x="${x(0)}" y="${(y - size / 2).toFixed(1)}" width="${width}" height="${size}"/>`;
  }
  const { value, low, high } = mark.range;
  return `<line class="range ${mark.tone}" x1="${x(low)}" x2="${x(high)}" y1="${y}" y2="${y}"/><circle class="${mark.tone}" cx="${x(value)}" cy="${y}" r="4.5"/>`;
}

/** A round step with at most eight ticks. */
const stepOf = (span: number): number => [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5].find((step) => span / step <= 8) ?? 10;
