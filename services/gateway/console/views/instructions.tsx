import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api } from '../api.ts';
import { Loaded, useAsked } from '../asked.tsx';
import { kW } from '../format.ts';
import { t, wordFor } from '../language.ts';
import { Pager, StateChip } from '../parts.tsx';
import type { Instruction } from '../wire.ts';

const REFRESH_MS = 3000;

/** Who was asked what, and how well it is proven. Refreshed as the stream moves on, at most every few seconds. */
export function Instructions({ eventId, atMs }: { eventId: string; atMs: string }): JSX.Element {
  const [search, setSearch] = useState('');
  const [tokens, setTokens] = useState(['']);
  const settled = useSettled(search);
  const asked = useAsked(
    (signal) => api.instructions(eventId, { search: settled, pageToken: tokens.at(-1)! }, signal),
    [settled, tokens],
  );
  useRefresh(atMs, asked.again);
  return (
    <section>
      <div class="field search">
        <label for="search">{t('instructions.search')}</label>
        <input
          id="search"
          type="search"
          value={search}
          placeholder={t('instructions.searchHint')}
          onInput={(e) => {
            setSearch(e.currentTarget.value);
            setTokens(['']);
          }}
        />
      </div>
      <Loaded asked={asked} lines={8}>
        {(page) =>
          page.instructions.length === 0 ? (
            <p class="empty">{t(settled ? 'instructions.noMatch' : 'instructions.none')}</p>
          ) : (
            <>
              <Table instructions={page.instructions} />
              <Pager tokens={tokens} next={page.nextPageToken} onChange={setTokens} />
            </>
          )
        }
      </Loaded>
    </section>
  );
}

function Table({ instructions }: { instructions: Instruction[] }): JSX.Element {
  return (
    <table class="stacking">
      <thead>
        <tr>
          <th scope="col">{t('column.resource')}</th>
          <th scope="col">{t('column.kind')}</th>
          <th scope="col">{t('column.area')}</th>
          <th scope="col">{t('column.state')}</th>
          <th scope="col">{t('column.proof')}</th>
          <th scope="col" class="number">
            {t('column.expected')}
          </th>
          <th scope="col" class="number">
            {t('column.live')}
          </th>
        </tr>
      </thead>
      <tbody>
        {instructions.map((line) => (
          <tr key={line.instructionId}>
            <th scope="row">
              {line.resourceId}
              {line.reason && <small class="quiet">{line.reason}</small>}
            </th>
            <td data-name={t('column.kind')}>{wordFor('kind', line.kind)}</td>
            <td data-name={t('column.area')}>{line.areaId || '–'}</td>
            <td data-name={t('column.state')}>
              <StateChip state={line.state} group="state" />
            </td>
            <td data-name={t('column.proof')}>{proofText(line)}</td>
            <td data-name={t('column.expected')} class="number">
              {kW(line.expectedW)}
            </td>
            <td data-name={t('column.live')} class="number">
              {line.liveAtMs === '0' ? <span class="quiet">{t('column.noMeter')}</span> : kW(line.liveW)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** "L3 measured, device meter". */
function proofText({ proof, proofSource }: Instruction): string {
  if (proof === 'PROOF_UNSPECIFIED') return '–';
  const level = `${proof.slice(0, 2)} ${wordFor('proof', proof)}`;
  return proofSource === 'PROOF_SOURCE_UNSPECIFIED' ? level : `${level}, ${wordFor('source', proofSource)}`;
}

/** The value once typing has paused. */
export function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value.trim()), 250);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

function useRefresh(atMs: string, again: () => void): void {
  const [last, setLast] = useState(Date.now());
  useEffect(() => {
    const wait = Math.max(0, last + REFRESH_MS - Date.now());
    const timer = setTimeout(() => {
      setLast(Date.now());
      if (atMs !== '0') again();
    }, wait);
    return () => clearTimeout(timer);
  }, [atMs]);
}
