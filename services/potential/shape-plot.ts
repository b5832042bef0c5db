import type { Shape } from './finding.ts';

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [360, 200, 44, 24, 20];
const LINES = [
  ['load', 'load'],
  ['sensitive', 'temperature-sensitive'],
  ['evLike', 'EV-like'],
] as const;

export type Shapes = { readonly load: Shape; readonly sensitive: Shape; readonly evLike: Shape };

/** The top and bottom of the axis that all plots of a group share, W: zero, and round numbers beyond the values. */
export function rangeOf({ load, sensitive, evLike }: Shapes): { low: number; high: number; step: number } {
  const values = [load, sensitive, evLike].flatMap((shape) => shape.flat().filter((watts) => watts !== null));
  const [least, most] = [Math.min(0, ...values), Math.max(1, ...values)];
  const rough = (most - least) / 4;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * ten).find((round) => round >= rough)!;
  return { low: Math.floor(least / step) * step, high: Math.ceil(most / step) * step, step };
}

/** Mean load of a season by local hour as inline SVG; a missing hour breaks the line. `shaded` = the peak window. */
export function shapePlot(shapes: Shapes, season: number, name: string, shaded: { from: number; to: number }): string {
  const { low, high, step } = rangeOf(shapes);
  const x = (hour: number) => round(LEFT + (hour / 24) * (WIDTH - LEFT - 8));
  const y = (watts: number) => round(HEIGHT - BOTTOM - ((watts - low) / (high - low)) * (HEIGHT - BOTTOM - TOP));
  const levels = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => low + i * step);
  const grid = levels.map(
    (watts) =>
      `<line class="${watts === 0 ? 'zero' : 'grid'}" x1="${LEFT}" x2="${WIDTH - 8}" y1="${y(watts)}" y2="${y(watts)}"/><text x="${LEFT - 6}" y="${y(watts) + 4}" text-anchor="end">${`${round(watts / 1000)}`.replace('-', '−')}</text>`,
  );
  const hours = [0, 6, 12, 18, 24].map(
    (hour) =>
      `<text x="${x(hour)}" y="${HEIGHT - 6}" text-anchor="${hour === 24 ? 'end' : 'middle'}">${String(hour).padStart(2, '0')}:00</text>`,
  );
  const lines = LINES.map(
    ([which, says]) => `<path class="${which}" d="${pathOf(shapes[which][season]!, x, y)}"><title>${says}</title></path>`,
  );
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Mean load a home by local hour, ${name}, kW">
<text x="${LEFT - 6}" y="11" text-anchor="end">kW</text><rect class="window" x="${x(shaded.from)}" y="${TOP}" width="${round(x(shaded.to) - x(shaded.from))}" height="${HEIGHT - BOTTOM - TOP}"/>
${grid.join('')}${hours.join('')}${lines.join('')}</svg>`;
}

/** A step an hour: the mean of the hour holds from its start to its end. */
function pathOf(row: readonly (number | null)[], x: (hour: number) => number, y: (watts: number) => number): string {
  return row
    .map((watts, hour) =>
      watts === null ? '' : `${hour > 0 && row[hour - 1] !== null ? 'V' : `M${x(hour)} `}${y(watts)}H${x(hour + 1)}`,
    )
    .join('');
}

const round = (value: number): number => Math.round(value * 100) / 100;
