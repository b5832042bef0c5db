import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from './api.ts';
import { INDIA, inZone } from './format.ts';
import { hasWord, language, locales, t } from './language.ts';

/** What was asked of the server: its answer, its refusal, or neither yet. An older answer stays in sight while a newer one comes. */
export type Asked<T> = { value: T | null; problem: Problem | null; waiting: boolean; again: () => void };

export function useAsked<T>(ask: (signal: AbortSignal) => Promise<T>, keys: readonly unknown[]): Asked<T> {
  const [state, setState] = useState<Omit<Asked<T>, 'again'>>({ value: null, problem: null, waiting: true });
  const [round, setRound] = useState(0);
  const subject = JSON.stringify(keys);
  const last = useRef(subject);
  useEffect(() => {
    const gone = new AbortController();
    const fresh = last.current !== subject;
    last.current = subject;
    setState((before) => ({ value: fresh ? null : before.value, problem: null, waiting: true }));
    ask(gone.signal).then(
      (value) => setState({ value, problem: null, waiting: false }),
      (error) => {
        if (!gone.signal.aborted) setState((before) => ({ ...before, problem: asProblem(error), waiting: false }));
      },
    );
    return () => gone.abort();
  }, [subject, round]);
  return { ...state, again: () => setRound((n) => n + 1) };
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem({ code: 'internal' });
}

/** The answer when it is there, else a skeleton or what went wrong. */
export function Loaded<T>({ asked, lines = 4, children }: LoadedProps<T>): JSX.Element {
  return (
    <>
      {asked.problem && <Failure problem={asked.problem} again={asked.again} />}
      {asked.value !== null ? children(asked.value) : asked.waiting && <Skeleton lines={lines} />}
    </>
  );
}
type LoadedProps<T> = { asked: Asked<T>; lines?: number; children: (value: T) => ComponentChildren };

export function Skeleton({ lines }: { lines: number }): JSX.Element {
  return (
    <div class="skeleton" role="status" aria-label={t('loading')}>
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} style={{ width: `${90 - ((i * 23) % 45)}%` }} />
      ))}
    </div>
  );
}

export function Failure({ problem, again }: { problem: Problem; again?: () => void }): JSX.Element {
  return (
    <div class="failure" role="alert">
      <p>{sentenceOf(problem)}</p>
      {problem.requestId && <p class="quiet">{t('failure.request', { id: problem.requestId })}</p>}
      {again && (
        <button type="button" class="plain" onClick={again}>
          {t('failure.again')}
        </button>
      )}
    </div>
  );
}

/** Our own words for what we know in the person's language; else the server's sentence, which is English. */
export function sentenceOf(problem: Problem, zone = INDIA): string {
  const word = `problem.${problem.code}`;
  const ours = hasWord(word) ? t(word) : '';
  if (ours && (language.value !== 'en' || !problem.message)) return ours;
  const theirs = inZone(problem.message, { locale: locales[language.value], zone });
  return theirs ? theirs[0]!.toUpperCase() + theirs.slice(1) : t('problem.internal');
}
