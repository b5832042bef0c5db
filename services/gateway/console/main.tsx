import './style.css';
import { type JSX, render } from 'preact';
import { api } from './api.ts';
import { Loaded, useAsked } from './asked.tsx';
import { Frame } from './frame.tsx';
import { t } from './language.ts';
import { Title } from './parts.tsx';
import { followLinks, go, path } from './router.ts';
import { isConsumer, mayOperate, me } from './session.ts';
import { EventPage } from './views/event.tsx';
import { Events } from './views/events.tsx';
import { Household } from './views/household.tsx';
import { Schedule } from './views/schedule.tsx';

function Console(): JSX.Element {
  const asked = useAsked(async () => {
    me.value = await api.me();
    return me.value;
  }, []);
  return (
    <Frame>
      <Loaded asked={asked}>{() => <View />}</Loaded>
    </Frame>
  );
}

function View(): JSX.Element {
  if (isConsumer()) return <Household />;
  if (path.value === '/') return <Events />;
  if (path.value === '/schedule' && mayOperate()) return <Schedule />;
  const [, eventId] = /^\/events\/([^/]+)$/.exec(path.value) ?? [];
  if (eventId) return <EventPage key={eventId} eventId={decodeURIComponent(eventId)} />;
  return (
    <>
      <Title text={t('lost.title')} />
      <p>
        {t('lost.text')} <a href="/">{t('nav.events')}</a>
      </p>
    </>
  );
}

// Back to where the person was before signing in.
const wanted = sessionStorage.getItem('lachak.to');
sessionStorage.removeItem('lachak.to');
if (wanted && location.pathname === '/') go(wanted, { replace: true });
followLinks();
render(<Console />, document.getElementById('app')!);
