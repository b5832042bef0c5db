import type { ComponentChildren, JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { api, newCommandId, type Problem } from '../api.ts';
import { asProblem, Failure, Loaded, sentenceOf, useAsked } from '../asked.tsx';
import { civilDay, dayName, hours, instantOf, minuteAt, minuteOfDay, nearestWindow } from '../format.ts';
import { t } from '../language.ts';
import { DayStrip, Title } from '../parts.tsx';
import { go } from '../router.ts';
import { wordsIn } from '../session.ts';
import { termsInWords } from '../terms.ts';
import type { Interval, Programme } from '../wire.ts';

const DAY_MS = 86_400_000;

export function Schedule(): JSX.Element {
  const asked = useAsked((signal) => Promise.all([api.programmes(signal), api.clock(signal)]), []);
  return (
    <>
      <Title text={t('schedule.title')} />
      <Loaded asked={asked}>
        {([{ programmes }, { nowMs }]) =>
          programmes.length === 0 ? (
            <p class="empty">{t('schedule.noProgramme')}</p>
          ) : (
            <Form programmes={programmes} now={Number(nowMs)} />
          )
        }
      </Loaded>
    </>
  );
}

type Wish = { programmeId: string; day: string; from: number; to: number; targetKW: string; areas: string; reason: string };

/** Tomorrow, in the hours the programme may be called. */
function firstWish(programme: Programme, now: number): Wish {
  const call = programme.terms?.windows[0];
  const from = call?.fromMinute ?? 18 * 60;
  return {
    programmeId: programme.programmeId,
    day: civilDay(now + DAY_MS, wordsIn(programme).zone),
    from,
    to: Math.min(from + 120, call?.toMinute ?? 1440),
    targetKW: '',
    areas: '',
    reason: '',
  };
}

function Form({ programmes, now }: { programmes: Programme[]; now: number }): JSX.Element {
  const [wish, setWish] = useState(() => firstWish(programmes[0]!, now));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [sending, setSending] = useState(false);
  const programme = programmes.find(({ programmeId }) => programmeId === wish.programmeId)!;
  const { zone } = wordsIn(programme);
  const grid = programme.terms?.settlementIntervalMinutes || 15;
  const window = { startMs: String(instantOf(wish.day, wish.from, zone)), endMs: String(instantOf(wish.day, wish.to, zone)) };
  // A second press of an unchanged form is the same command; a changed form is another.
  const commandId = useMemo(newCommandId, [wish]);
  const change = (part: Partial<Wish>) => {
    setWish((before) => ({ ...before, ...part }));
    setProblem(null);
  };
  const take = ({ startMs, endMs }: Interval) =>
    change({
      day: civilDay(Number(startMs), zone),
      from: minuteAt(Number(startMs), zone),
      to: minuteAt(Number(endMs), zone) || 1440,
    });
  const send = async (submit: Event) => {
    submit.preventDefault();
    setSending(true);
    const areaIds = wish.areas.split(/[\s,]+/).filter(Boolean);
    const values = wish.targetKW ? [String(Math.round(Number(wish.targetKW) * 1000))] : [];
    try {
      const { programmeId, reason } = wish;
      const event = await api.schedule({ commandId, programmeId, window, targetW: { values }, areaIds, reason });
      go(`/events/${encodeURIComponent(event.eventId)}`);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setSending(false);
    }
  };
  const about = problem ? fieldOf(problem) : '';
  const told = (field: string) =>
    problem && about === field ? <Told problem={problem} zone={zone} programme={programme} onTake={take} /> : null;
  const minutes = Array.from({ length: 1440 / grid + 1 }, (_, i) => i * grid);

  return (
    <div class="split">
      <form class="card form" onSubmit={send}>
        <Field name="programme" label={t('schedule.programme')} told={told('programme')}>
          <select id="programme" value={wish.programmeId} onChange={(e) => change({ programmeId: e.currentTarget.value })}>
            {programmes.map(({ programmeId, name }) => (
              <option key={programmeId} value={programmeId}>
                {name || programmeId}
              </option>
            ))}
          </select>
        </Field>
        <fieldset aria-describedby={about === 'window' ? 'told-window' : undefined}>
          <legend>{t('schedule.window')}</legend>
          <div class="row">
            <Field name="day" label={t('schedule.day')}>
              <input
                id="day"
                type="date"
                required
                value={wish.day}
                onInput={(e) => e.currentTarget.value && change({ day: e.currentTarget.value })}
              />
            </Field>
            <MinuteField
              name="from"
              label={t('schedule.from')}
              value={wish.from}
              minutes={minutes.slice(0, -1)}
              onChange={(from) => change({ from })}
            />
            <MinuteField
              name="to"
              label={t('schedule.to')}
              value={wish.to}
              minutes={minutes.slice(1)}
              onChange={(to) => change({ to })}
            />
          </div>
          <DayStrip window={window} zone={zone} />
          {told('window')}
        </fieldset>
        <Field name="target" label={t('schedule.target')} hint={t('schedule.targetHint')} told={told('target')}>
          <input
            id="target"
            type="number"
            inputMode="decimal"
            min="0.001"
            step="0.001"
            value={wish.targetKW}
            onInput={(e) => change({ targetKW: e.currentTarget.value })}
          />
        </Field>
        <Field name="areas" label={t('schedule.areas')} hint={t('schedule.areasHint')} told={told('area')}>
          <input
            id="areas"
            value={wish.areas}
            autocapitalize="off"
            spellcheck={false}
            onInput={(e) => change({ areas: e.currentTarget.value })}
          />
        </Field>
        <Field name="reason" label={t('schedule.reason')} told={told('reason')}>
          <input id="reason" maxLength={200} value={wish.reason} onInput={(e) => change({ reason: e.currentTarget.value })} />
        </Field>
        {problem && about === '' && <Failure problem={problem} />}
        <button type="submit" class="button" disabled={sending}>
          {t(sending ? 'schedule.sending' : 'schedule.send')}
        </button>
      </form>
      <aside class="card">
        <h2>{t('schedule.terms')}</h2>
        <dl class="terms">
          {programme.terms &&
            termsInWords(programme.terms).map(({ name, text }) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{text}</dd>
              </div>
            ))}
        </dl>
        <p class="quiet">{t('schedule.zone', { zone })}</p>
      </aside>
    </div>
  );
}

/** The field of the form that a member of the request belongs to; empty = none of them. */
const fieldOf = ({ field }: Problem): string =>
  ['programme', 'window', 'target', 'area', 'reason'].find((name) => field.toLowerCase().startsWith(name)) ?? '';

type FieldProps = { name: string; label: string; hint?: string; told?: JSX.Element | null; children: ComponentChildren };
const Field = ({ name, label, hint, told, children }: FieldProps): JSX.Element => (
  <div class="field">
    <label for={name}>{label}</label>
    {children}
    {hint && <small class="quiet">{hint}</small>}
    {told}
  </div>
);

type MinuteProps = { name: string; label: string; value: number; minutes: number[]; onChange: (minute: number) => void };
const MinuteField = ({ name, label, value, minutes, onChange }: MinuteProps): JSX.Element => (
  <Field name={name} label={label}>
    <select id={name} value={value} onChange={(e) => onChange(Number(e.currentTarget.value))}>
      {minutes.map((minute) => (
        <option key={minute} value={minute}>
          {minuteOfDay(minute)}
        </option>
      ))}
    </select>
  </Field>
);

type ToldProps = { problem: Problem; zone: string; programme: Programme; onTake: (window: Interval) => void };
function Told({ problem, zone, programme, onTake }: ToldProps): JSX.Element {
  const nearest = nearestWindow(problem.message);
  const words = wordsIn(programme);
  return (
    <div id={`told-${fieldOf(problem)}`} class="told" role="alert">
      <p>{sentenceOf(problem, zone)}</p>
      {nearest && (
        <button type="button" class="plain" onClick={() => onTake(nearest)}>
          {t('schedule.take', { day: dayName(Number(nearest.startMs), words), hours: hours(nearest, words) })}
        </button>
      )}
    </div>
  );
}
