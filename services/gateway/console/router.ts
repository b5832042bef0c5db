import { computed, signal } from '@preact/signals';

const here = () => location.pathname + location.search;
const at = signal(here());
addEventListener('popstate', () => {
  at.value = here();
});

export const path = computed(() => at.value.split('?')[0]!);
export const query = computed(() => new URLSearchParams(at.value.split('?')[1] ?? ''));

export function go(to: string, { replace = false } = {}): void {
  if (to === here()) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  at.value = here();
}

/** Changes one parameter of the present page; empty takes it away. Tabs and searches can so be bookmarked. */
export function setQuery(name: string, value: string): void {
  const next = new URLSearchParams(location.search);
  if (value) next.set(name, value);
  else next.delete(name);
  const text = next.toString();
  go(location.pathname + (text ? `?${text}` : ''), { replace: true });
}

/** Plain links stay plain links; those to our own pages do not load the document again. */
export function followLinks(): void {
  document.addEventListener('click', (click) => {
    const link = (click.target as Element | null)?.closest?.('a');
    if (!link || link.origin !== location.origin || link.pathname.startsWith('/api') || link.target || link.hash) return;
    if (click.defaultPrevented || click.button !== 0 || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
    click.preventDefault();
    go(link.pathname + link.search);
    scrollTo(0, 0);
  });
}
