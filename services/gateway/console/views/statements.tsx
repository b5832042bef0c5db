import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { api, download, type Problem } from '../api.ts';
import { asProblem, Failure, Loaded, useAsked } from '../asked.tsx';
import { kWh, rupees } from '../format.ts';
import { t, wordFor } from '../language.ts';
import { Pager } from '../parts.tsx';
import { isConsumer } from '../session.ts';
import type { StatementLine } from '../wire.ts';
import { useSettled } from './instructions.tsx';

/** The statements of an event, one for each party, and the signed file of each. */
export function Statements({ eventId }: { eventId: string }): JSX.Element {
  const [search, setSearch] = useState('');
  const [withSuperseded, setWithSuperseded] = useState(false);
  const [tokens, setTokens] = useState(['']);
  const settled = useSettled(search);
  const asked = useAsked(
    (signal) => api.statements({ eventId, search: settled, withSuperseded, pageToken: tokens.at(-1)! }, signal),
    [eventId, settled, withSuperseded, tokens],
  );
  return (
    <section>
      <h2>{t('statements.title')}</h2>
      <div class="field search">
        <label for="party">{t('statements.search')}</label>
        <input
          id="party"
          type="search"
          value={search}
          onInput={(e) => {
            setSearch(e.currentTarget.value);
            setTokens(['']);
          }}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={withSuperseded}
            onChange={(e) => {
              setWithSuperseded(e.currentTarget.checked);
              setTokens(['']);
            }}
          />
          {t('statements.withSuperseded')}
        </label>
      </div>
      <Loaded asked={asked} lines={6}>
        {(page) =>
          page.statements.length === 0 ? (
            <p class="empty">{t(settled ? 'instructions.noMatch' : 'statements.none')}</p>
          ) : (
            <>
              <StatementTable statements={page.statements} />
              <Pager tokens={tokens} next={page.nextPageToken} onChange={setTokens} />
            </>
          )
        }
      </Loaded>
    </section>
  );
}

export function StatementTable({ statements }: { statements: StatementLine[] }): JSX.Element {
  const [problem, setProblem] = useState<Problem | null>(null);
  const save = (statementId: string) => {
    setProblem(null);
    download(`/api/statements/${encodeURIComponent(statementId)}/file`, `${statementId}.json`).catch((error) =>
      setProblem(asProblem(error)),
    );
  };
  return (
    <>
      {problem && <Failure problem={problem} />}
      <table class="stacking">
        <thead>
          <tr>
            <th scope="col">{t('column.party')}</th>
            <th scope="col">{t('column.stage')}</th>
            <th scope="col" class="number">
              {t('column.version')}
            </th>
            <th scope="col" class="number">
              {t('curve.delivered')}
            </th>
            <th scope="col" class="number">
              {t('column.amount')}
            </th>
            <th scope="col">
              <span class="unseen">{t('statements.file')}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {statements.map((line) => (
            <tr key={line.statementId} class={line.superseded ? 'superseded' : ''}>
              <th scope="row">
                {line.partyId}
                <small class="quiet">
                  {wordFor('party', line.partyKind)}
                  {line.settlementPointId && ' · '}
                  {isConsumer() ? line.settlementPointId : <Point line={line} />}
                </small>
              </th>
              <td data-name={t('column.stage')}>{wordFor('stage', line.stage)}</td>
              <td data-name={t('column.version')} class="number">
                {line.version}
                {line.superseded && <small class="quiet">{t('statements.superseded')}</small>}
              </td>
              <td data-name={t('curve.delivered')} class="number">
                {kWh(line.deliveredWh)}
              </td>
              <td data-name={t('column.amount')} class="number">
                <b>{rupees(line.amountMicros)}</b>
              </td>
              <td class="number">
                <button
                  type="button"
                  class="plain"
                  aria-label={t('statements.downloadOf', { party: line.partyId })}
                  onClick={() => save(line.statementId)}
                >
                  {t('statements.download')}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

const Point = ({ line: { eventId, settlementPointId } }: { line: StatementLine }): JSX.Element => (
  <a href={`/events/${encodeURIComponent(eventId)}?tab=result&point=${encodeURIComponent(settlementPointId)}`}>
    {settlementPointId}
  </a>
);
