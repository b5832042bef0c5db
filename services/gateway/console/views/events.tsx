import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { api } from '../api.ts';
import { Loaded, useAsked } from '../asked.tsx';
import { dayName, hours, kW } from '../format.ts';
import { t } from '../language.ts';
import { DayStrip, Pager, StateChip, Title } from '../parts.tsx';
import { mayOperate, wordsIn } from '../session.ts';
import { termsInWords } from '../terms.ts';
import type { PeakEvent, Programme } from '../wire.ts';

/** Home: what has been and will be called, and under which terms. */
export function Events(): JSX.Element {
  const [tokens, setTokens] = useState(['']);
  const programmes = useAsked((signal) => api.programmes(signal), []);
  const events = useAsked((signal) => api.events(tokens.at(-1)!, signal), [tokens]);
  const known = programmes.value?.programmes ?? [];
  return (
    <>
      <div class="head">
        <Title text={t('events.title')} />
        {mayOperate() && (
          <a class="button" href="/schedule">
            {t('events.schedule')}
          </a>
        )}
      </div>
      <Loaded asked={events} lines={6}>
        {(page) =>
          page.events.length === 0 ? (
            <p class="empty">{t('events.none')}</p>
          ) : (
            <>
              <ul class="events">
                {page.events.map((event) => (
                  <EventLine
                    key={event.eventId}
                    event={event}
                    programme={known.find(({ programmeId }) => programmeId === event.programmeId)}
                  />
                ))}
              </ul>
              <Pager tokens={tokens} next={page.nextPageToken} onChange={setTokens} />
            </>
          )
        }
      </Loaded>
      <h2>{t('programmes.title')}</h2>
      <Loaded asked={programmes} lines={5}>
        {({ programmes: all }) =>
          all.length === 0 ? (
            <p class="empty">{t('programmes.none')}</p>
          ) : (
            <div class="cards">
              {all.map((programme) => (
                <ProgrammeCard key={programme.programmeId} programme={programme} />
              ))}
            </div>
          )
        }
      </Loaded>
    </>
  );
}

function EventLine({ event, programme }: { event: PeakEvent; programme: Programme | undefined }): JSX.Element {
  const words = wordsIn(programme);
  return (
    <li>
      <a class="event" href={`/events/${encodeURIComponent(event.eventId)}`}>
        <span class="event-when">
          <b>{dayName(Number(event.window.startMs), words)}</b>
          <span>{hours(event.window, words)}</span>
        </span>
        <DayStrip window={event.window} zone={words.zone} />
        <span class="event-what">
          <b>{programme?.name || event.programmeId}</b>
          {event.reason && <span class="quiet">{event.reason}</span>}
        </span>
        <span class="event-power">
          <span>
            <small>{t('figure.target')}</small> {targetText(event)}
          </span>
          <span>
            <small>{t('figure.committed')}</small> <Committed event={event} />
          </span>
        </span>
        <span class="event-state">
          {event.test && <span class="chip">{t('event.test')}</span>}
          <StateChip state={event.state} />
        </span>
      </a>
    </li>
  );
}

/** Lists carry no status; of an event that has been committed it is asked for by itself. */
function Committed({ event }: { event: PeakEvent }): JSX.Element {
  const known = event.status !== undefined || event.state === 'SCHEDULED' || event.state === 'CANCELLED';
  const asked = useAsked(async (signal) => (known ? event : api.event(event.eventId, signal)), [event.eventId, event.state]);
  const committedW = asked.value?.status?.committedW ?? '0';
  return <>{committedW === '0' ? '–' : kW(committedW)}</>;
}

/** The largest target of the window, or that there is none. */
export function targetText(event: PeakEvent): string {
  const targets = (event.targetW?.values ?? []).map(Number);
  return targets.length ? kW(Math.max(...targets)) : t('target.all');
}

function ProgrammeCard({ programme }: { programme: Programme }): JSX.Element {
  return (
    <article class="card">
      <h3>{programme.name || programme.programmeId}</h3>
      <p class="quiet">
        {t(programme.terms?.direction === 'ABSORB' ? 'programme.absorb' : 'programme.shed')} ·{' '}
        {t('programme.version', { version: programme.version })}
      </p>
      {programme.terms && (
        <dl class="terms">
          {termsInWords(programme.terms).map(({ name, text }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{text}</dd>
            </div>
          ))}
        </dl>
      )}
    </article>
  );
}
