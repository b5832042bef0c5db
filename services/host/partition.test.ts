import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { partitionOf } from './partition.ts';
import type { Deps } from './room.ts';
import { type TestHost, testHost } from './testing.ts';

/** Stored for ever: a key that changed its partition would be handled by two owners at once, or never. */
const stored: readonly [string, number, string][] = [
  ['event-aaaaaaaaaaaaaaaaaaaa', 61, 'an event'],
  ['BRPL', 33, 'a DISCOM'],
  ['programme/पीक', 42, 'bytes of UTF-8, not UTF-16'],
  ['ß', 13, 'one character, two bytes'],
  ['𝄞', 36, 'beyond the basic plane'],
  ['a b\\c\'"', 37, 'nothing is an escape'],
  ['x'.repeat(60), 2, 'long'],
];

let host: TestHost;
let registry: Deps;
beforeAll(async () => {
  const make = (deps: Deps) => {
    registry = deps;
    return { bindings: [], start: async () => {}, stop: async () => {} };
  };
  host = await testHost({ rooms: [{ name: 'registry', migrations: new URL('file:///nonexistent/'), make }] });
});
afterAll(() => host?.stop());

test.each(stored)('%s is in partition %i: %s', (key, partition) => {
  expect(partitionOf(key)).toBe(partition);
});

test('the relay gives a fact the partition that is computed here', async () => {
  const keys = [
    ...stored.map(([key]) => key),
    ...Array.from({ length: 300 }, (_, i) => createHash('md5').update(`${i}`).digest('hex')),
  ];
  for (const key of keys) {
    const body = { case: 'personErased', value: { $typeName: 'lachak.v1.PersonErased', participantId: 'p' } } as const;
    await registry.database.tx((tx) => registry.facts.publish(tx, { discom: 'BRPL', key, body }));
  }
  await registry.facts.position();
  const rows = await registry.database.query<{ key: string; partition: number }>(
    'select key, partition from outbox order by position',
  );
  expect(rows).toEqual(keys.map((key) => ({ key, partition: partitionOf(key) })));
  expect(new Set(rows.map(({ partition }) => partition)).size).toBe(64);
});
