import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api } from '../api.ts';
import { Loaded, useAsked } from '../asked.tsx';
import { dayName, hours } from '../format.ts';
import { t } from '../language.ts';
import { useWatched } from '../live.ts';
import { StateChip, Tabs, Title } from '../parts.tsx';
import { query, setQuery } from '../router.ts';
import { wordsIn } from '../session.ts';
import type { PeakEvent, Programme, Run } from '../wire.ts';
import { Actions } from './actions.tsx';
import { Instructions } from './instructions.tsx';
import { Live } from './live.tsx';
import { Result } from './result.tsx';
import { Settlement } from './settlement.tsx';

const RUN_WAIT_MS = 10_000;

type Whole = { event: PeakEvent; programme: Programme; runs: Run[] };

/** One event, from schedule to statements, on one page. */
export function EventPage({ eventId }: { eventId: string }): JSX.Element {
  const asked = useAsked(
    async (signal): Promise<Whole> => {
      const event = await api.event(eventId, signal);
      const ended = event.state === 'ENDED';
      const [programme, runs] = await Promise.all([
        api.programme(event.programmeId, signal),
        ended ? api.runs(eventId, signal).then((page) => page.runs) : [],
      ]);
      return { event, programme, runs };
    },
    [eventId],
  );
  return (
    <>
      <a class="back" href="/">
        {t('event.back')}
      </a>
      <Loaded asked={asked} lines={8}>
        {(whole) => <Known {...whole} again={asked.again} />}
      </Loaded>
    </>
  );
}

function Known({ event, programme, runs, again }: Whole & { again: () => void }): JSX.Element {
  const running = event.state !== 'ENDED' && event.state !== 'CANCELLED';
  const [watching] = useState(running);
  const watched = useWatched(event.eventId, watching);
  // What has ended or was cancelled stays so, whatever an older status says.
  const state = running ? (watched.status?.state ?? event.state) : event.state;
  const words = wordsIn(programme);
  const settled = runs.some((run) => run.closedAtMs !== '0');
  // The stream says that the state has changed; the event itself says what else has (its end, the commitment, its runs).
  useEffect(() => {
    if (state !== event.state) again();
  }, [state]);
  // After the end the first settlement run comes by itself; no stream tells of it.
  useEffect(() => {
    if (event.state !== 'ENDED' || settled) return;
    const timer = setTimeout(again, RUN_WAIT_MS);
    return () => clearTimeout(timer);
  }, [runs, settled]);

  const tabs = [
    { id: 'live', name: t(running ? 'tab.live' : 'tab.course') },
    ...(state === 'ENDED'
      ? [
          { id: 'result', name: t('tab.result') },
          { id: 'settlement', name: t('tab.settlement') },
        ]
      : []),
    { id: 'instructions', name: t('tab.instructions') },
  ];
  const wanted = query.value.get('tab') ?? (settled ? 'result' : 'live');
  const now = tabs.some((tab) => tab.id === wanted) ? wanted : 'live';

  return (
    <>
      <div class="head">
        <div>
          <Title text={`${programme.name || event.programmeId}, ${dayName(Number(event.window.startMs), words)}`}>
            {programme.name || event.programmeId}
          </Title>
          <p class="when">
            {dayName(Number(event.window.startMs), words)}, <b>{hours(event.window, words)}</b>{' '}
            <span aria-live="polite">
              <StateChip state={state} />
            </span>
          </p>
          {event.reason && <p class="quiet">{event.reason}</p>}
        </div>
        <Actions event={event} programme={programme} state={state} atMs={Number(watched.status?.atMs ?? 0)} done={again} />
      </div>
      {!watched.connected && !watched.ended && (
        <p class="lost" role="status">
          {t('live.lost')}
        </p>
      )}
      <Tabs tabs={tabs} now={now} onChange={(id) => setQuery('tab', id)} />
      <div id="panel" role="tabpanel" aria-labelledby={`tab-${now}`}>
        {now === 'live' && <Live {...{ event, programme, state, watched }} />}
        {now === 'result' && <Result event={event} programme={programme} runs={runs} />}
        {now === 'settlement' && <Settlement event={event} programme={programme} runs={runs} again={again} />}
        {now === 'instructions' && <Instructions eventId={event.eventId} atMs={watched.status?.atMs ?? '0'} />}
      </div>
    </>
  );
}
