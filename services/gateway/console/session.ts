import { signal } from '@preact/signals';
import { INDIA } from './format.ts';
import { language, locales } from './language.ts';
import type { Me, Programme } from './wire.ts';

/** Who is signed in; null until it is known. */
export const me = signal<Me | null>(null);
export const isConsumer = (): boolean => me.value?.roles.every((role) => role === 'consumer') ?? false;
export const mayOperate = (): boolean => me.value?.roles.includes('operator') ?? false;

/** For formatting instants: the programme's zone, the person's language. */
export const wordsIn = (programme?: Programme | null): { locale: string; zone: string } => ({
  locale: locales[language.value],
  zone: programme?.terms?.zone || INDIA,
});
