import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api } from '../api.ts';
import { Loaded, useAsked } from '../asked.tsx';
import { count, kWh } from '../format.ts';
import { t } from '../language.ts';
import { Figure } from '../parts.tsx';
import { query, setQuery } from '../router.ts';
import { wordsIn } from '../session.ts';
import type { PeakEvent, Programme, Run } from '../wire.ts';
import { CurvesView, totalsOf } from './curves.tsx';
import { useSettled } from './instructions.tsx';

type Props = { event: PeakEvent; programme: Programme; runs: Run[] };

/** What was delivered: the portfolio's curves or those of one settlement point. */
export function Result({ event, programme, runs }: Props): JSX.Element {
  const point = query.value.get('point') ?? '';
  const newest = runs[0]?.runId ?? '';
  const asked = useAsked((signal) => api.curves(event.eventId, point, signal), [event.eventId, point, newest]);
  if (runs.length === 0) return <p class="empty">{t('result.none')}</p>;
  return (
    <section>
      <PointSearch eventId={event.eventId} point={point} />
      <Loaded asked={asked} lines={8}>
        {(curves) => {
          const totals = totalsOf(curves);
          return (
            <>
              <h2>{point ? t('result.point', { point }) : t('result.portfolio', { points: curves.points })}</h2>
              <dl class="figures">
                <Figure name={t('curve.baseline')} value={kWh(totals.baselineWh)} note={t('result.inWindow')} />
                <Figure
                  name={t('curve.metered')}
                  value={kWh(totals.meteredWh)}
                  note={totals.gaps > 0 ? t('result.gaps', { gaps: totals.gaps }) : t('result.inWindow')}
                />
                <Figure
                  name={t('curve.delivered')}
                  value={kWh(totals.deliveredWh)}
                  note={t('result.deliveredNote', { intervals: count(totals.settled) })}
                />
              </dl>
              <CurvesView curves={curves} zone={wordsIn(programme).zone} />
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

/** Any home of the event by its settlement point; suggestions come from the statements of the event. */
function PointSearch({ eventId, point }: { eventId: string; point: string }): JSX.Element {
  const [text, setText] = useState(point);
  const settled = useSettled(text);
  useEffect(() => setText(point), [point]);
  const asked = useAsked((signal) => api.statements({ eventId, search: settled, size: 12 }, signal), [eventId, settled]);
  const points = [...new Set(asked.value?.statements.map((line) => line.settlementPointId).filter(Boolean) ?? [])];
  return (
    <form
      class="field search"
      onSubmit={(e) => {
        e.preventDefault();
        setQuery('point', text.trim());
      }}
    >
      <label for="point">{t('result.search')}</label>
      <div class="joined">
        <input
          id="point"
          type="search"
          list="points"
          value={text}
          placeholder={t('result.searchHint')}
          autocomplete="off"
          onInput={(e) => setText(e.currentTarget.value)}
          onChange={(e) => points.includes(e.currentTarget.value) && setQuery('point', e.currentTarget.value)}
        />
        <datalist id="points">
          {points.map((id) => (
            <option key={id} value={id} />
          ))}
        </datalist>
        <button type="submit" class="plain">
          {t('result.show')}
        </button>
        {point && (
          <button type="button" class="plain" onClick={() => setQuery('point', '')}>
            {t('result.all')}
          </button>
        )}
      </div>
    </form>
  );
}
