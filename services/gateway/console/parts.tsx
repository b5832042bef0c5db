import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { minuteAt } from './format.ts';
import { t, wordFor } from './language.ts';

/** The page's title: focus comes here after a change of page, so that a screen reader says where one is. */
export function Title({ children, text }: { children?: ComponentChildren; text: string }): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${text} · ${t('brand')}`;
  }, [text]);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children ?? text}
    </h1>
  );
}

export const StateChip = ({ state, group = 'event' }: { state: string; group?: string }): JSX.Element => (
  <span class={`chip ${group}-${state.toLowerCase()}`}>{wordFor(group, state)}</span>
);

/** Where the window lies in its day: the day from midnight to midnight, the window dug out of it. */
export function DayStrip({ window, zone }: { window: { startMs: string; endMs: string }; zone: string }): JSX.Element {
  const from = minuteAt(Number(window.startMs), zone);
  const width = (Number(window.endMs) - Number(window.startMs)) / 60_000;
  const [x0, x1] = [from / 14.4, Math.min(from + width, 1440) / 14.4];
  const slope = Math.min(1.2, (x1 - x0) / 3);
  return (
    <svg class="strip" viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">
      <path
        class="strip-dip"
        d={`M${x0} 3 C${x0 + slope} 3 ${x0} 12 ${x0 + slope} 12 H${x1 - slope} C${x1} 12 ${x1 - slope} 3 ${x1} 3 Z`}
      />
      <path
        class="strip-line"
        vector-effect="non-scaling-stroke"
        d={`M0 3 H${x0} C${x0 + slope} 3 ${x0} 12 ${x0 + slope} 12 H${x1 - slope} C${x1} 12 ${x1 - slope} 3 ${x1} 3 H100`}
      />
    </svg>
  );
}

export function Figure({ name, value, unit, note }: { name: string; value: string; unit?: string; note?: string }): JSX.Element {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>
        <b>{value}</b>
        {unit && <span> {unit}</span>}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}

type Tab = { id: string; name: string };
/** Tabs as the ARIA pattern has them: arrows move between them. */
export function Tabs({ tabs, now, onChange }: { tabs: Tab[]; now: string; onChange: (id: string) => void }): JSX.Element {
  const move = (key: KeyboardEvent) => {
    const step = key.key === 'ArrowRight' ? 1 : key.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    const next = tabs[(tabs.findIndex((tab) => tab.id === now) + step + tabs.length) % tabs.length]!;
    onChange(next.id);
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" onKeyDown={move}>
      {tabs.map((tab) => (
        <button
          key={tab.id}
          id={`tab-${tab.id}`}
          type="button"
          role="tab"
          aria-selected={tab.id === now}
          aria-controls="panel"
          tabIndex={tab.id === now ? 0 : -1}
          onClick={() => onChange(tab.id)}
        >
          {tab.name}
        </button>
      ))}
    </div>
  );
}

/** A native modal dialogue: focus stays inside, Escape closes. */
export function Dialogue({
  title,
  children,
  onClose,
}: {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
}): JSX.Element {
  const dialogue = useRef<HTMLDialogElement>(null);
  useEffect(() => dialogue.current?.showModal(), []);
  return (
    <dialog ref={dialogue} onClose={onClose} aria-labelledby="dialogue-title">
      <h2 id="dialogue-title">{title}</h2>
      {children}
    </dialog>
  );
}

/** Earlier and later pages of a list whose pages are named by tokens; `tokens` holds those of the pages up to the one in sight. */
export function Pager({
  tokens,
  next,
  onChange,
}: {
  tokens: string[];
  next: string;
  onChange: (tokens: string[]) => void;
}): JSX.Element | null {
  if (tokens.length === 1 && !next) return null;
  return (
    <nav class="pager" aria-label={t('page.label')}>
      <button type="button" class="plain" disabled={tokens.length === 1} onClick={() => onChange(tokens.slice(0, -1))}>
        {t('page.before')}
      </button>
      <span>{t('page.number', { page: tokens.length })}</span>
      <button type="button" class="plain" disabled={!next} onClick={() => onChange([...tokens, next])}>
        {t('page.next')}
      </button>
    </nav>
  );
}
