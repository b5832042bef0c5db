import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { Chart } from '../chart.tsx';
import { clockTime, count, dayAndTime, kWFigure } from '../format.ts';
import { language, t, wordFor } from '../language.ts';
import type { Watched } from '../live.ts';
import { Figure } from '../parts.tsx';
import { wordsIn } from '../session.ts';
import type { EventState, EventStatus, PeakEvent, Programme } from '../wire.ts';

// In the order in which an instruction lives; then how it may leave.
const STATES = [
  'CONFIRMED',
  'APPLIED',
  'ACKNOWLEDGED',
  'ISSUED',
  'NOTIFIED',
  'PLANNED',
  'RELEASED',
  'OPTED_OUT',
  'OVERRIDDEN',
  'FAILED',
  'WITHHELD',
];
const MINUTE = 60_000;

type Props = { event: PeakEvent; programme: Programme; state: EventState; watched: Watched };

/** The event as it runs: figures, states, curve. An estimate is never called a measurement. */
export function Live({ event, programme, state, watched }: Props): JSX.Element {
  const status = watched.status ?? event.status ?? null;
  return (
    <>
      <Progress event={event} programme={programme} state={state} atMs={Number(status?.atMs ?? 0)} />
      <dl class="figures">
        <Figure
          name={t('figure.target')}
          {...split(state === 'ACTIVE' && status && status.targetW !== '0' ? status.targetW : targetOf(event))}
          {...(targetOf(event) === null ? { note: t('target.all') } : {})}
        />
        <Figure
          name={t('figure.committed')}
          {...split(status && status.resources > 0 ? status.committedW : null)}
          note={status && status.resources > 0 ? t('figure.expected') : t('figure.notYet')}
        />
        <Now status={status} state={state} />
      </dl>
      {status && status.resources > 0 ? <States status={status} /> : <p class="empty">{t('live.noResources')}</p>}
      {watched.history.some((moment) => moment.withEstimateW !== null) && (
        <LiveCurve event={event} programme={programme} watched={watched} />
      )}
      {event.commitmentDigest && (
        <p class="quiet digest">
          {t('event.commitment')} <code>{event.commitmentDigest}</code>
        </p>
      )}
    </>
  );
}

const split = (w: string | null): { value: string; unit?: string } =>
  w === null ? { value: '–' } : { value: kWFigure(w), unit: 'kW' };
function targetOf(event: PeakEvent): string | null {
  const values = (event.targetW?.values ?? []).map(Number);
  return values.length ? String(Math.max(...values)) : null;
}

function Now({ status, state }: { status: EventStatus | null; state: EventState }): JSX.Element {
  if (!status || state !== 'ACTIVE')
    return <Figure name={t('figure.now')} value="–" note={t(state === 'ENDED' ? 'figure.over' : 'figure.notRunning')} />;
  const { liveMeters, measuredW, estimatedW } = status;
  // Where no meter speaks there is only what was expected of those that agreed.
  if (liveMeters === 0) return <Figure name={t('figure.estimated')} {...split(estimatedW)} note={t('figure.noMeters')} />;
  const rest = estimatedW === '0' ? '' : `; ${t('figure.rest', { power: `${kWFigure(estimatedW)} kW` })}`;
  return <Figure name={t('figure.measured')} {...split(measuredW)} note={t('figure.meters', { meters: liveMeters }) + rest} />;
}

function Progress({
  event,
  programme,
  state,
  atMs,
}: {
  event: PeakEvent;
  programme: Programme;
  state: EventState;
  atMs: number;
}): JSX.Element {
  const words = wordsIn(programme);
  const [start, end] = [Number(event.window.startMs), Number(event.window.endMs)];
  const at = atMs || Date.now();
  const share = state === 'ENDED' ? 1 : state === 'ACTIVE' ? Math.min(1, Math.max(0, (at - start) / (end - start))) : 0;
  return (
    <div class={`progress progress-${state.toLowerCase()}`}>
      <p>
        <b>{sentence(event, state, at, words)}</b>
        {state === 'ACTIVE' && <span class="quiet"> {t('live.asOf', { time: clockTime(at, words) })}</span>}
      </p>
      <div class="track" aria-hidden="true">
        <i style={{ width: `${share * 100}%` }} />
      </div>
      <p class="ends quiet">
        <span>{clockTime(start, words)}</span>
        <span>{clockTime(end, words)}</span>
      </p>
    </div>
  );
}

function sentence(event: PeakEvent, state: EventState, at: number, words: { locale: string; zone: string }): string {
  const minutesTo = (instant: number) => Math.max(0, Math.ceil((instant - at) / MINUTE));
  const [start, end] = [Number(event.window.startMs), Number(event.window.endMs)];
  switch (state) {
    case 'ACTIVE':
      return t('live.remaining', { minutes: minutesTo(end) });
    case 'COMMITTED':
      return t('live.opens', { minutes: minutesTo(start) });
    case 'ENDED':
      return event.planned && event.planned.endMs !== event.window.endMs
        ? t('live.endedEarly', { planned: clockTime(Number(event.planned.endMs), words) })
        : t('live.ended');
    case 'CANCELLED':
      return t('live.cancelled');
    default:
      return t('live.scheduled', { gate: dayAndTime(Number(event.gateClosureMs), words) });
  }
}

function States({ status }: { status: EventStatus }): JSX.Element {
  const present = STATES.map((state) => ({ state, number: status.resourcesByState[state] ?? 0 })).filter(
    ({ number }) => number > 0,
  );
  const all = present.reduce((sum, { number }) => sum + number, 0);
  return (
    <section class="states">
      <h2>
        {t('states.title', { resources: status.resources, points: status.settlementPoints })}
        {status.holdout > 0 && <small class="quiet"> {t('states.holdout', { homes: status.holdout })}</small>}
      </h2>
      <div class="bar" aria-hidden="true">
        {present.map(({ state, number }) => (
          <i key={state} class={`s-${state.toLowerCase()}`} style={{ width: `${(number / all) * 100}%` }} />
        ))}
      </div>
      <ul class="legend">
        {present.map(({ state, number }) => (
          <li key={state}>
            <i class={`s-${state.toLowerCase()}`} />
            {wordFor('state', state)} <b>{count(number)}</b>
          </li>
        ))}
      </ul>
    </section>
  );
}

function LiveCurve({ event, programme, watched: { history } }: Omit<Props, 'state'>): JSX.Element {
  const { zone } = wordsIn(programme);
  const window: [number, number] = [Number(event.window.startMs), Number(event.window.endMs)];
  const margin = (window[1] - window[0]) / 12;
  const { times, lines } = useMemo(() => {
    const measured = history.map((moment) => moment.measuredW);
    return {
      times: history.map((moment) => moment.atMs),
      lines: [
        { name: t('figure.target'), colour: '--ink', dash: true, values: history.map((moment) => moment.targetW) },
        ...(measured.some((w) => w !== null)
          ? [{ name: t('curve.measured'), colour: '--accent', fill: true, values: measured }]
          : []),
        { name: t('curve.withEstimate'), colour: '--amber', dash: true, values: history.map((moment) => moment.withEstimateW) },
      ],
    };
  }, [history, language.value]);
  return (
    <section>
      <h2>{t(programme.terms?.direction === 'ABSORB' ? 'live.curveMore' : 'live.curve')}</h2>
      <Chart {...{ times, lines, zone, window }} span={[window[0] - margin, window[1] + margin]} label={t('live.curveLabel')} />
    </section>
  );
}
