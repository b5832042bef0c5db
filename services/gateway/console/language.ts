import { effect, signal } from '@preact/signals';
import { IntlMessageFormat } from 'intl-messageformat';
import en from './messages/en.json';
import hi from './messages/hi.json';

export type Language = 'en' | 'hi';
export type Word = keyof typeof en;
const catalogues: Record<Language, Record<Word, string>> = { en, hi };
export const locales: Record<Language, string> = { en: 'en-IN', hi: 'hi-IN' };

const KEPT = 'lachak.language';
const chosen = localStorage.getItem(KEPT) ?? navigator.language.slice(0, 2);
export const language = signal<Language>(chosen === 'hi' ? 'hi' : 'en');
effect(() => {
  document.documentElement.lang = language.value;
  localStorage.setItem(KEPT, language.value);
});

const made = new Map<string, IntlMessageFormat>();

/** The message in the person's language. Reading it inside a component redraws that component when the language changes. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  const key = `${language.value}:${word}`;
  let format = made.get(key);
  if (!format) {
    format = new IntlMessageFormat(catalogues[language.value][word] ?? word, locales[language.value]);
    made.set(key, format);
  }
  return String(format.format(values));
}

/** A word for a value of the wire, such as a state or kind; one we have no word for is shown as it came. */
export function wordFor(group: string, value: string): string {
  const word = `${group}.${value}` as Word;
  return word in en ? t(word) : value.toLowerCase().replaceAll('_', ' ');
}
export const hasWord = (word: string): word is Word => word in en;
