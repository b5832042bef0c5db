import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { api, newCommandId, type Problem } from '../api.ts';
import { asProblem, Failure, Loaded, useAsked } from '../asked.tsx';
import { dayName, hours, rupees } from '../format.ts';
import { t, wordFor } from '../language.ts';
import { DayStrip, Figure, StateChip, Title } from '../parts.tsx';
import { me, wordsIn } from '../session.ts';
import type { Instruction, PeakEvent, Programme, StatementLine } from '../wire.ts';
import { CurvesView } from './curves.tsx';
import { StatementTable } from './statements.tsx';

type Notice = { event: PeakEvent; programme: Programme | undefined; lines: Instruction[] };

/** What a household sees: what it is asked, what it was credited, and its own curve. */
export function Household(): JSX.Element {
  const { participant } = me.value!;
  const notices = useAsked(
    async (signal): Promise<Notice[]> => {
      const [{ instructions }, { events }, { programmes }] = await Promise.all([
        api.instructionsOf(participant, signal),
        api.events('', signal),
        api.programmes(signal),
      ]);
      return events.flatMap((event) => {
        const lines = instructions.filter((line) => line.eventId === event.eventId);
        const programme = programmes.find(({ programmeId }) => programmeId === event.programmeId);
        return lines.length > 0 ? [{ event, programme, lines }] : [];
      });
    },
    [participant],
  );
  const statements = useAsked((signal) => api.statements({ partyId: participant, size: 100 }, signal), [participant]);
  return (
    <>
      <Title text={t('home.title')} />
      <Loaded asked={notices} lines={5}>
        {(all) => {
          const open = all.filter(({ event }) => event.state === 'COMMITTED' || event.state === 'ACTIVE');
          const past = all.filter(({ event }) => event.state === 'ENDED');
          return (
            <>
              <h2>{t('home.notices')}</h2>
              {open.length === 0 && <p class="empty">{t('home.noNotices')}</p>}
              {open.map((notice) => (
                <NoticeCard key={notice.event.eventId} notice={notice} again={notices.again} />
              ))}
              <Loaded asked={statements}>{(page) => <Credits statements={page.statements} />}</Loaded>
              {past.length > 0 && <OwnCurve past={past} />}
            </>
          );
        }}
      </Loaded>
    </>
  );
}

const OPEN_STATES = ['PLANNED', 'NOTIFIED', 'ISSUED', 'ACKNOWLEDGED', 'APPLIED', 'CONFIRMED'];

function NoticeCard({ notice: { event, programme, lines }, again }: { notice: Notice; again: () => void }): JSX.Element {
  const words = wordsIn(programme);
  return (
    <article class="card notice">
      <p class="notice-when">
        <b>{dayName(Number(event.window.startMs), words)}</b> <span>{hours(event.window, words)}</span>
      </p>
      <DayStrip window={event.window} zone={words.zone} />
      <p>
        {t(programme?.terms?.direction === 'ABSORB' ? 'home.askAbsorb' : 'home.askShed', { hours: hours(event.window, words) })}
      </p>
      {event.reason && <p class="quiet">{event.reason}</p>}
      {lines.map((line) => (
        <Reply key={line.instructionId} line={line} running={event.state === 'ACTIVE'} again={again} />
      ))}
    </article>
  );
}

function Reply({ line, running, again }: { line: Instruction; running: boolean; again: () => void }): JSX.Element {
  const [problem, setProblem] = useState<Problem | null>(null);
  const commands = useMemo(() => ({ yes: newCommandId(), no: newCommandId() }), [line.state]);
  const reply = (will: boolean) =>
    api
      .answer(line.eventId, line.resourceId, will, will ? commands.yes : commands.no)
      .then(again, (error) => setProblem(asProblem(error)));
  const asked = line.kind === 'BEHAVIOURAL' && line.state === 'NOTIFIED';
  return (
    <div class="reply">
      <p aria-live="polite">
        {line.kind === 'BEHAVIOURAL' ? t('home.byHand') : wordFor('kind', line.kind)}{' '}
        <StateChip state={line.state} group="state" />
      </p>
      <div class="actions">
        {asked && (
          <button type="button" class="button" onClick={() => reply(true)}>
            {t('home.will')}
          </button>
        )}
        {OPEN_STATES.includes(line.state) && (
          <button type="button" class="plain" onClick={() => reply(false)}>
            {t(running ? 'home.leave' : 'home.notThisTime')}
          </button>
        )}
      </div>
      {problem && <Failure problem={problem} />}
    </div>
  );
}

function Credits({ statements }: { statements: StatementLine[] }): JSX.Element {
  const valid = statements.filter((line) => !line.superseded);
  const total = valid.reduce((sum, line) => sum + BigInt(line.amountMicros), 0n);
  return (
    <>
      <h2>{t('home.credits')}</h2>
      {valid.length === 0 ? (
        <p class="empty">{t('home.noCredits')}</p>
      ) : (
        <>
          <dl class="figures">
            <Figure name={t('home.total')} value={rupees(total)} note={t('home.totalNote', { events: valid.length })} />
          </dl>
          <StatementTable statements={valid} />
        </>
      )}
    </>
  );
}

function OwnCurve({ past }: { past: Notice[] }): JSX.Element {
  const [eventId, setEventId] = useState(past[0]!.event.eventId);
  const notice = past.find(({ event }) => event.eventId === eventId) ?? past[0]!;
  const point = notice.lines[0]!.settlementPointId;
  const curves = useAsked((signal) => api.curves(notice.event.eventId, point, signal), [notice.event.eventId, point]);
  const nameOf = ({ event, programme }: Notice) =>
    `${dayName(Number(event.window.startMs), wordsIn(programme))}, ${hours(event.window, wordsIn(programme))}`;
  return (
    <section>
      <h2>{t('home.curve')}</h2>
      <div class="field search">
        <label for="past">{t('home.event')}</label>
        <select id="past" value={eventId} onChange={(e) => setEventId(e.currentTarget.value)}>
          {past.map((one) => (
            <option key={one.event.eventId} value={one.event.eventId}>
              {nameOf(one)}
            </option>
          ))}
        </select>
      </div>
      <Loaded asked={curves} lines={6}>
        {(value) => <CurvesView curves={value} zone={wordsIn(notice.programme).zone} />}
      </Loaded>
    </section>
  );
}
