import 'uplot/dist/uPlot.min.css';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { clockTime, kWFigure } from './format.ts';
import { language, locales } from './language.ts';

/** A line of kW over time. `null` is a gap and is drawn as one. */
export type Line = { name: string; colour: string; values: (number | null)[]; dash?: boolean; fill?: boolean };
type Props = {
  times: number[];
  lines: Line[];
  zone: string;
  window: [number, number];
  span?: [number, number];
  /** The values are means of intervals this long, and are drawn as steps; the caption names the interval under the pointer. */
  stepMs?: number;
  label: string;
};

const HEIGHT = 300;
const dark = matchMedia('(prefers-color-scheme: dark)');
/** Fewer points than this are too few for a line to be seen. */
const SPARSE = 4;

/** Instants in ms; values in W. The window of the event is shaded. */
export function Chart({ times, lines, zone, window, span, stepMs = 0, label }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [index, setIndex] = useState<number | null>(null);
  const [scheme, setScheme] = useState(dark.matches);
  const columns = [times.map((ms) => ms / 1000), ...lines.map((line) => line.values)] as uPlot.AlignedData;
  const shape = JSON.stringify([lines.map(({ values: _, ...line }) => line), zone, window, span, language.value, scheme]);

  useEffect(() => {
    const turn = () => setScheme(dark.matches);
    dark.addEventListener('change', turn);
    return () => dark.removeEventListener('change', turn);
  }, []);
  useEffect(() => {
    const made = new uPlot(
      settings({ lines, zone, window, span, width: box.current!.clientWidth, onIndex: setIndex }),
      columns,
      box.current!,
    );
    plot.current = made;
    const watch = new ResizeObserver(([entry]) => made.setSize({ width: Math.round(entry!.contentRect.width), height: HEIGHT }));
    watch.observe(box.current!);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, times.length < SPARSE]);
  useEffect(() => plot.current?.setData(columns), [times, lines]);

  // A live curve shows its newest values until the pointer says otherwise.
  const at = index ?? (stepMs ? -1 : times.length - 1);
  const words = { locale: locales[language.value], zone };
  const start = stepMs && times[at] !== undefined ? times[0]! + Math.floor((times[at] - times[0]!) / stepMs) * stepMs : times[at];
  return (
    <figure class="chart">
      <div ref={box} role="img" aria-label={label} />
      <figcaption>
        {start !== undefined && (
          <span class="quiet">
            {clockTime(start, words)}
            {stepMs > 0 && `–${clockTime(start + stepMs, words)}`}
          </span>
        )}
        {lines.map((line) => {
          const value = line.values[at];
          return (
            <span key={line.name}>
              <i class={line.dash ? 'key dash' : 'key'} style={{ '--key': `var(${line.colour})` }} />
              {line.name} {at >= 0 && <b>{typeof value === 'number' ? `${kWFigure(value)} kW` : '–'}</b>}
            </span>
          );
        })}
      </figcaption>
    </figure>
  );
}

type Setting = Omit<Props, 'times' | 'label' | 'span'> & {
  span: Props['span'];
  width: number;
  onIndex: (index: number | null) => void;
};

function settings({ lines, zone, window, span, width, onIndex }: Setting): uPlot.Options {
  const ink = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const font = '12px system-ui, "Noto Sans Devanagari", sans-serif';
  const axis = { stroke: ink('--quiet'), font, grid: { stroke: ink('--line'), width: 1 }, ticks: { show: false } };
  const words = { locale: locales[language.value], zone };
  return {
    width,
    height: HEIGHT,
    padding: [12, 22, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 } },
    scales: {
      x: span ? { time: true, range: [span[0] / 1000, span[1] / 1000] } : { time: true },
      y: { range: (_, min, max) => paddedRange(min, max) },
    },
    // Ticks fall on the clock of the zone, not of the browser.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 56,
        size: 32,
        values: (_, splits) => splits.map((s) => clockTime(s * 1000, words)),
      },
      { ...axis, size: 56, values: (_, splits, __, ___, step) => splits.map((w) => tick(w, step)) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: ink(line.colour),
        width: 2,
        points: { size: 6, show: (_: uPlot, at: number) => lines[at - 1]!.values.length < SPARSE },
        spanGaps: false,
        ...(line.dash ? { dash: [6, 5] } : {}),
        ...(line.fill ? { fill: `${ink(line.colour)}2e` } : {}),
      })),
    ],
    hooks: {
      drawClear: [(u) => shade(u, window, ink('--wash'))],
      setCursor: [(u) => onIndex(u.cursor.idx ?? null)],
    },
  };
}

/** kW with as many places as the step between ticks needs. */
function tick(w: number, stepW: number): string {
  const places = Math.max(0, Math.ceil(-Math.log10(stepW / 1000)));
  return new Intl.NumberFormat('en-IN', { minimumFractionDigits: places, maximumFractionDigits: places }).format(w / 1000);
}

// Nought is always in sight: a curve cut off at its foot looks like a larger fall than it is.
function paddedRange(min: number | null, max: number | null): [number, number] {
  const [low, high] = [Math.min(0, min ?? 0), Math.max(0, max ?? 0)];
  const room = (high - low || 1000) * 0.08;
  return [low < 0 ? low - room : 0, high + room];
}

function shade(u: uPlot, [from, to]: [number, number], colour: string): void {
  const [x0, x1] = [u.valToPos(from / 1000, 'x', true), u.valToPos(to / 1000, 'x', true)];
  u.ctx.save();
  u.ctx.fillStyle = colour;
  u.ctx.beginPath();
  u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  u.ctx.clip();
  u.ctx.fillRect(x0, u.bbox.top, x1 - x0, u.bbox.height);
  u.ctx.restore();
}
