import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { Chart } from '../chart.tsx';
import { clockTime, kWhFigure } from '../format.ts';
import { language, locales, t } from '../language.ts';
import type { Curves } from '../wire.ts';

const MINUTE = 60_000;
/** One settlement interval; null = gap, which is not zero. */
type Slot = {
  startMs: number;
  baselineWh: number | null;
  meteredWh: number | null;
  deliveredWh: number | null;
  inWindow: boolean;
};

export function slotsOf(curves: Curves): Slot[] {
  const [from, to] = [Number(curves.window.startMs), Number(curves.window.endMs)];
  return curves.baselineWh.map((baseline, i) => {
    const startMs = Number(curves.startMs) + i * curves.intervalMinutes * MINUTE;
    const inWindow = startMs >= from && startMs < to;
    const [hasBaseline, hasMetered] = [curves.hasBaseline[i] === true, curves.hasMetered[i] === true];
    return {
      startMs,
      baselineWh: hasBaseline ? Number(baseline) : null,
      meteredWh: hasMetered ? Number(curves.meteredWh[i]) : null,
      deliveredWh: inWindow && hasBaseline && hasMetered ? Number(curves.deliveredWh[i]) : null,
      inWindow,
    };
  });
}

/** Sums over the window of what is there; `gaps` says how many intervals have no reading. */
export function totalsOf(curves: Curves): {
  baselineWh: number;
  meteredWh: number;
  deliveredWh: number;
  gaps: number;
  settled: number;
} {
  const slots = slotsOf(curves).filter((slot) => slot.inWindow);
  const sum = (pick: (slot: Slot) => number | null) => slots.reduce((total, slot) => total + (pick(slot) ?? 0), 0);
  return {
    baselineWh: sum((slot) => slot.baselineWh),
    meteredWh: sum((slot) => slot.meteredWh),
    deliveredWh: sum((slot) => slot.deliveredWh),
    gaps: slots.filter((slot) => slot.meteredWh === null).length,
    settled: slots.filter((slot) => slot.deliveredWh !== null).length,
  };
}

/** As curves, or as figures for those who would rather read. */
export function CurvesView({ curves, zone }: { curves: Curves; zone: string }): JSX.Element {
  const [asTable, setAsTable] = useState(false);
  const slots = useMemo(() => slotsOf(curves), [curves]);
  const { times, lines } = useMemo(() => drawn(slots, curves.intervalMinutes), [slots, language.value]);
  if (slots.length === 0) return <p class="empty">{t('result.noCurve')}</p>;
  return (
    <>
      <div class="toggle">
        <span class="quiet">{asTable ? t('curve.tableCaption') : t('curve.unit', { minutes: curves.intervalMinutes })}</span>
        <button type="button" class="plain" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
          {t(asTable ? 'curve.asCurve' : 'curve.asTable')}
        </button>
      </div>
      {asTable ? (
        <CurveTable slots={slots} zone={zone} />
      ) : (
        <Chart
          {...{ times, lines, zone }}
          stepMs={curves.intervalMinutes * MINUTE}
          window={[Number(curves.window.startMs), Number(curves.window.endMs)]}
          label={t('curve.label')}
        />
      )}
    </>
  );
}

function drawn(slots: Slot[], intervalMinutes: number) {
  // Mean power of the interval, W. Each interval is a step with two ends of its own, so that a gap begins and ends where it does.
  const watts = (wh: number | null) => (wh === null ? null : (wh * 60) / intervalMinutes);
  const column = (pick: (slot: Slot) => number | null) => slots.flatMap((slot) => [watts(pick(slot)), watts(pick(slot))]);
  return {
    times: slots.flatMap(({ startMs }) => [startMs, startMs + intervalMinutes * MINUTE - 1]),
    lines: [
      { name: t('curve.baseline'), colour: '--quiet', dash: true, values: column((slot) => slot.baselineWh) },
      { name: t('curve.metered'), colour: '--ink', values: column((slot) => slot.meteredWh) },
      { name: t('curve.delivered'), colour: '--accent', fill: true, values: column((slot) => slot.deliveredWh) },
    ],
  };
}

function CurveTable({ slots, zone }: { slots: Slot[]; zone: string }): JSX.Element {
  const words = { locale: locales[language.value], zone };
  const figure = (wh: number | null, none = '–') => (wh === null ? <span class="quiet">{none}</span> : kWhFigure(wh));
  return (
    <div class="scroll">
      <table class="figures-table">
        <thead>
          <tr>
            <th scope="col">{t('column.from')}</th>
            <th scope="col" class="number">
              {t('curve.baseline')}
            </th>
            <th scope="col" class="number">
              {t('curve.metered')}
            </th>
            <th scope="col" class="number">
              {t('curve.delivered')}
            </th>
          </tr>
        </thead>
        <tbody>
          {slots.map((slot) => (
            <tr key={slot.startMs} class={slot.inWindow ? 'in-window' : ''}>
              <th scope="row">{clockTime(slot.startMs, words)}</th>
              <td class="number">{figure(slot.baselineWh)}</td>
              <td class="number">{figure(slot.meteredWh, t('gap'))}</td>
              <td class="number">{slot.inWindow ? figure(slot.deliveredWh) : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
