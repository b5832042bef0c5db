import { readdirSync, readFileSync } from 'node:fs';
import { IntlMessageFormat } from 'intl-messageformat';
import { expect, test } from 'vitest';
import en from './messages/en.json';
import hi from './messages/hi.json';

const words = Object.keys(en) as (keyof typeof en)[];
type Part = { type: number; value: string; options?: Record<string, { value: Part[] }> };

/** Names of the placeholders of a message, also those inside its plurals and choices. */
const placeholders = (message: string): string[] => {
  const names = new Set<string>();
  const visit = (parts: Part[]): void => {
    for (const { type, value, options } of parts) {
      if (type > 0 && type < 7) names.add(value);
      for (const option of Object.values(options ?? {})) visit(option.value);
    }
  };
  visit(new IntlMessageFormat(message, 'en').getAst() as unknown as Part[]);
  return [...names].sort();
};

test('both catalogues have the same words', () => {
  expect(Object.keys(hi).sort()).toEqual([...words].sort());
});

test.each(words)('%s says the same things in both languages', (word) => {
  expect(hi[word].trim()).not.toBe('');
  expect(placeholders(hi[word])).toEqual(placeholders(en[word]));
});

test('no word is left that no view uses', () => {
  const here = new URL('.', import.meta.url);
  const sources = readdirSync(here, { recursive: true, encoding: 'utf8' }).filter(
    (name) => /\.tsx?$/.test(name) && !name.includes('.test.'),
  );
  const text = sources.map((name) => readFileSync(new URL(name, here), 'utf8')).join('\n');
  // Groups whose second half comes from the wire or is put together.
  const groups = /^(event|state|proof|source|stage|party|kind|problem|weekday|action)\./;
  expect(words.filter((word) => !groups.test(word) && !text.includes(`'${word}'`))).toEqual([]);
});
