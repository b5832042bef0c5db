import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { api, download, newCommandId, type Problem } from '../api.ts';
import { asProblem, Failure } from '../asked.tsx';
import { civilDay, count, dayAndTime, kWh, percent, rupees, rupeesChange } from '../format.ts';
import { t, wordFor } from '../language.ts';
import { Figure } from '../parts.tsx';
import { mayOperate, wordsIn } from '../session.ts';
import type { PeakEvent, Programme, Run } from '../wire.ts';
import { Statements } from './statements.tsx';

type Props = { event: PeakEvent; programme: Programme; runs: Run[]; again: () => void };

/** What was paid, under which run, and what the same terms would have paid homes that were asked nothing. */
export function Settlement({ event, programme, runs, again }: Props): JSX.Element {
  const [newest, ...older] = runs;
  return (
    <>
      {newest ? <NewestRun run={newest} programme={programme} /> : <NoRun event={event} again={again} />}
      {older.length > 0 && <OlderRuns runs={older} programme={programme} />}
      {newest && <Statements eventId={event.eventId} />}
      {newest && mayOperate() && <BillCredits event={event} programme={programme} />}
    </>
  );
}

function NewestRun({ run, programme }: { run: Run; programme: Programme }): JSX.Element {
  if (run.closedAtMs === '0') return <p class="empty">{t('run.open', { stage: wordFor('stage', run.stage) })}</p>;
  const changed = run.version > 1;
  return (
    <section>
      <h2>
        {t('run.title', { stage: wordFor('stage', run.stage) })}{' '}
        <small class="quiet">{t('run.version', { version: run.version })}</small>
      </h2>
      <p class="quiet">{t('run.asOf', { instant: dayAndTime(Number(run.asOfMs), wordsIn(programme)) })}</p>
      <dl class="figures">
        <Figure name={t('run.delivered')} value={kWh(run.deliveredWh)} note={t('run.points', { points: run.settlementPoints })} />
        <Figure
          name={t('run.credited')}
          value={rupees(run.creditedMicros)}
          note={changed ? t('run.delta', { amount: rupeesChange(run.deltaMicros), points: run.changedPoints }) : t('run.first')}
        />
        <Figure
          name={t('run.falseCredit')}
          value={run.holdoutPoints > 0 ? rupees(run.holdoutWouldBeMicros) : '–'}
          note={
            run.holdoutPoints > 0
              ? t('run.holdout', { points: run.holdoutPoints, energy: kWh(run.holdoutDeliveredWh) })
              : t('run.noHoldout')
          }
        />
        <Figure
          name={t('run.coverage')}
          value={percent(run.coveragePpm)}
          note={[
            t(run.coverageReached ? 'run.coverageReached' : 'run.coverageShort'),
            run.withoutBaseline > 0 ? t('run.withoutBaseline', { points: run.withoutBaseline }) : '',
          ]
            .filter(Boolean)
            .join(' ')}
        />
      </dl>
    </section>
  );
}

function NoRun({ event, again }: { event: PeakEvent; again: () => void }): JSX.Element {
  const [problem, setProblem] = useState<Problem | null>(null);
  const commandId = useMemo(newCommandId, []);
  const settle = () => api.settle(event.eventId, commandId).then(again, (error) => setProblem(asProblem(error)));
  return (
    <div class="empty">
      <p>{t('run.none')}</p>
      {mayOperate() && (
        <button type="button" class="button" onClick={settle}>
          {t('run.settle')}
        </button>
      )}
      {problem && <Failure problem={problem} />}
    </div>
  );
}

function OlderRuns({ runs, programme }: { runs: Run[]; programme: Programme }): JSX.Element {
  return (
    <details>
      <summary>{t('run.older', { runs: runs.length })}</summary>
      <table class="stacking">
        <thead>
          <tr>
            <th scope="col">{t('column.version')}</th>
            <th scope="col">{t('column.stage')}</th>
            <th scope="col">{t('column.asOf')}</th>
            <th scope="col" class="number">
              {t('run.delivered')}
            </th>
            <th scope="col" class="number">
              {t('run.credited')}
            </th>
            <th scope="col" class="number">
              {t('column.change')}
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.runId}>
              <th scope="row">{t('run.version', { version: count(run.version) })}</th>
              <td data-name={t('column.stage')}>{wordFor('stage', run.stage)}</td>
              <td data-name={t('column.asOf')}>{dayAndTime(Number(run.asOfMs), wordsIn(programme))}</td>
              <td data-name={t('run.delivered')} class="number">
                {kWh(run.deliveredWh)}
              </td>
              <td data-name={t('run.credited')} class="number">
                {rupees(run.creditedMicros)}
              </td>
              <td data-name={t('column.change')} class="number">
                {run.version > 1 ? rupeesChange(run.deltaMicros) : '–'}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function BillCredits({ event, programme }: { event: PeakEvent; programme: Programme }): JSX.Element {
  const [cycle, setCycle] = useState(civilDay(Number(event.window.startMs), wordsIn(programme).zone).slice(0, 7));
  const [problem, setProblem] = useState<Problem | null>(null);
  const save = (submit: Event) => {
    submit.preventDefault();
    setProblem(null);
    download(`/api/cycles/${cycle}/bill-credits.csv`, `bill-credits-${cycle}.csv`).catch((error) => setProblem(asProblem(error)));
  };
  return (
    <section>
      <h2>{t('bill.title')}</h2>
      <form class="joined" onSubmit={save}>
        <label for="cycle">{t('bill.cycle')}</label>
        <input id="cycle" required pattern="\d{4}-\d{2}" value={cycle} onInput={(e) => setCycle(e.currentTarget.value)} />
        <button type="submit" class="plain">
          {t('bill.download')}
        </button>
      </form>
      {problem && <Failure problem={problem} />}
    </section>
  );
}
