import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { api, newCommandId, type Problem } from '../api.ts';
import { asProblem, Failure } from '../asked.tsx';
import { clockTime } from '../format.ts';
import { t } from '../language.ts';
import { Dialogue } from '../parts.tsx';
import { mayOperate, wordsIn } from '../session.ts';
import type { EventState, PeakEvent, Programme } from '../wire.ts';

type Props = { event: PeakEvent; programme: Programme; state: EventState; atMs: number; done: () => void };

/** Cancel before the window opens; end earlier while it runs. Both are asked once more. */
export function Actions({ event, programme, state, atMs, done }: Props): JSX.Element | null {
  const [open, setOpen] = useState<'cancel' | 'end' | null>(null);
  const ends = state === 'ACTIVE' ? earlierEnds(event, programme, atMs) : [];
  if (!mayOperate() || state === 'ENDED' || state === 'CANCELLED') return null;
  const close = () => setOpen(null);
  return (
    <div class="actions">
      {ends.length > 0 && (
        <button type="button" class="plain" onClick={() => setOpen('end')}>
          {t('action.end')}
        </button>
      )}
      {state !== 'ACTIVE' && (
        <button type="button" class="plain danger" onClick={() => setOpen('cancel')}>
          {t('action.cancel')}
        </button>
      )}
      {open && <Confirm kind={open} {...{ event, programme, ends, close, done }} />}
    </div>
  );
}

/** Ends on the grid between now and the planned end. */
function earlierEnds(event: PeakEvent, programme: Programme, atMs: number): number[] {
  const grid = (programme.terms?.settlementIntervalMinutes || 15) * 60_000;
  const [start, end] = [Number(event.window.startMs), Number(event.window.endMs)];
  const ends: number[] = [];
  for (let at = start + grid; at < end; at += grid) if (at > atMs) ends.push(at);
  return ends;
}

type ConfirmProps = {
  kind: 'cancel' | 'end';
  event: PeakEvent;
  programme: Programme;
  ends: number[];
  close: () => void;
  done: () => void;
};

function Confirm({ kind, event, programme, ends, close, done }: ConfirmProps): JSX.Element {
  const [endMs, setEndMs] = useState(ends[0] ?? 0);
  const [reason, setReason] = useState('');
  const [problem, setProblem] = useState<Problem | null>(null);
  const commandId = useMemo(newCommandId, [endMs, reason]);
  const send = async (submit: Event) => {
    submit.preventDefault();
    try {
      if (kind === 'cancel') await api.cancel(event.eventId, commandId, reason);
      else await api.endEarlier(event.eventId, commandId, { startMs: event.window.startMs, endMs: String(endMs) }, reason);
      close();
      done();
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  const words = wordsIn(programme);
  return (
    <Dialogue title={t(`action.${kind}`)} onClose={close}>
      <form onSubmit={send}>
        <p>{t(`action.${kind}Text`)}</p>
        {kind === 'end' && (
          <div class="field">
            <label for="end">{t('action.newEnd')}</label>
            <select id="end" value={endMs} onChange={(e) => setEndMs(Number(e.currentTarget.value))}>
              {ends.map((at) => (
                <option key={at} value={at}>
                  {clockTime(at, words)}
                </option>
              ))}
            </select>
          </div>
        )}
        <div class="field">
          <label for="why">{t('schedule.reason')}</label>
          <input id="why" maxLength={200} value={reason} onInput={(e) => setReason(e.currentTarget.value)} />
        </div>
        {problem && <Failure problem={problem} />}
        <div class="actions">
          <button type="button" class="plain" onClick={close}>
            {t('action.keep')}
          </button>
          <button type="submit" class={kind === 'cancel' ? 'button danger' : 'button'}>
            {t(`action.${kind}`)}
          </button>
        </div>
      </form>
    </Dialogue>
  );
}
