import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { FactSchema } from '../../gen/lachak/v1/facts_pb.ts';

// One example of every fact of format 1, as a house once published it. What was written down once must be readable for ever.
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = fileURLToPath(new URL('./facts/', import.meta.url));
const kinds = FactSchema.oneofs.find(({ name }) => name === 'body')!.fields.map(({ localName }) => localName);

describe('facts of format 1', () => {
  test('there is an example of each', () => {
    expect(
      readdirSync(folder)
        .map((file) => file.replace('.json', ''))
        .sort(),
    ).toEqual([...kinds].sort());
  });

  test.each(kinds)('%s reads, and is written as it was', (kind) => {
    const stored = JSON.parse(readFileSync(`${folder}${kind}.json`, 'utf8'));
    const fact = fromJson(FactSchema, stored, { ignoreUnknownFields: false });
    expect(fact.body.case).toBe(kind);
    expect(fact.format).toBe(1);
    expect(toJson(FactSchema, fact)).toEqual(stored);
    expect(fromBinary(FactSchema, toBinary(FactSchema, fact))).toEqual(fact);
  });

  test('no example carries a name, a telephone or an address: facts speak of persons by id', () => {
    for (const kind of kinds)
      expect(readFileSync(`${folder}${kind}.json`, 'utf8'), kind).not.toMatch(/Occupant|"phone"|"address"/);
  });
});

describe('protos', () => {
  const buf = (...words: string[]): string =>
    execFileSync('node_modules/.bin/buf', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const last = newestTag();

  test('are tidy', () => {
    expect(buf('lint', 'protos')).toBe('');
  });
  if (!last) console.log('not run: buf breaking: no release is tagged here');
  test.skipIf(!last)(`only add to what ${last || 'the last release'} said`, () => {
    expect(buf('breaking', 'protos', '--against', `.git#tag=${last},subdir=protos`)).toBe('');
  });
});

/** Null in a checkout without history or without a release. */
function newestTag(): string | null {
  try {
    const tags = execFileSync('git', ['tag', '--sort=-creatordate', '--merged'], { cwd: root, encoding: 'utf8', stdio: 'pipe' });
    return tags.split('\n')[0] || null;
  } catch {
    return null;
  }
}
