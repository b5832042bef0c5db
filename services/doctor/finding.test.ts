import { expect, test } from 'vitest';
import { clockFinding, drawn, migrationFinding, note, ok, wrong } from './finding.ts';

test.each([
  [0, 1, 'ok', 'the same'],
  [900, 1, 'ok', 'apart by less than matters'],
  [1400, 500, 'ok', 'a slow answer may be the whole difference'],
  [1502, 500, 'wrong', 'apart however slow the answer was'],
  [-5000, 1, 'wrong', 'behind is as bad as ahead'],
] as [number, number, string, string][])('a clock %d ms ahead, known to within %d ms, is %s: %s', (ahead, within, verdict) => {
  expect(clockFinding('PostgreSQL', ahead, within).verdict).toBe(verdict);
});

test('a clock that is wrong says which way, and what to do', () => {
  expect(clockFinding('NATS', -61_000, 1).says).toMatch(/61\.000 s behind.*expected at most 1 s.*NTP/);
});

const files = [
  { name: 'dispatch/001_first.sql', checksum: 'a' },
  { name: 'dispatch/002_second.sql', checksum: 'b' },
];
test.each([
  [
    [
      ['dispatch/001_first.sql', 'a'],
      ['dispatch/002_second.sql', 'b'],
    ],
    'ok',
    /2 migrations, all run/,
  ],
  [[], 'note', /2 of 2 migrations are still to run/],
  [[['dispatch/001_first.sql', 'a']], 'note', /1 of 2 .*002_second/],
  [[['dispatch/001_first.sql', 'other']], 'wrong', /read otherwise now \(dispatch\/001_first/],
  [
    [
      ['dispatch/001_first.sql', 'a'],
      ['dispatch/003_later.sql', 'c'],
    ],
    'wrong',
    /a later Lachak \(dispatch\/003_later/,
  ],
] as [[string, string][], string, RegExp][])('a schema with %j done: %s', (done, verdict, says) => {
  expect(migrationFinding('dispatch', new Map(done), files)).toMatchObject({ verdict, says: expect.stringMatching(says) });
});

test('findings stand in columns, one line each, whatever a server said', () => {
  const text = drawn([ok('disk', 'enough'), note('a', 'b'), wrong('PostgreSQL', 'said\n  two lines')]);
  expect(text).toBe('ok     disk        enough\nnote   a           b\nwrong  PostgreSQL  said two lines');
});
