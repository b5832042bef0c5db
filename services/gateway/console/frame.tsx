import type { ComponentChildren, JSX } from 'preact';
import { send } from './api.ts';
import { language, t } from './language.ts';
import { path } from './router.ts';
import { isConsumer, mayOperate, me } from './session.ts';

/** What surrounds every view: the name, where one can go, the language, who is signed in. */
export function Frame({ children }: { children: ComponentChildren }): JSX.Element {
  const places = isConsumer()
    ? [{ to: '/', name: t('nav.mine') }]
    : [{ to: '/', name: t('nav.events') }, ...(mayOperate() ? [{ to: '/schedule', name: t('nav.schedule') }] : [])];
  const other = language.value === 'en' ? 'hi' : 'en';
  const leave = () => send('POST', '/session/end').finally(() => location.assign(`/session/start?lang=${language.value}`));
  return (
    <>
      <a class="skip" href="#main">
        {t('nav.skip')}
      </a>
      <header class="top">
        <a class="brand" href="/">
          <svg viewBox="0 0 32 20" width="32" height="20" aria-hidden="true">
            <path d="M1 3 H8 C13 3 11 17 16 17 S19 3 24 3 H31" />
          </svg>
          <span lang="hi">लचक</span> Lachak
        </a>
        <nav aria-label={t('nav.label')}>
          {places.map(({ to, name }) => (
            <a key={to} href={to} aria-current={path.value === to ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <div class="person">
          <button
            type="button"
            class="plain"
            lang={other}
            onClick={() => {
              language.value = other;
            }}
          >
            {other === 'hi' ? 'हिन्दी' : 'English'}
          </button>
          {me.value && (
            <>
              <span class="quiet who" title={me.value.discom}>
                {me.value.subject}
              </span>
              <button type="button" class="plain" onClick={leave}>
                {t('nav.leave')}
              </button>
            </>
          )}
        </div>
      </header>
      <main id="main">{children}</main>
    </>
  );
}
