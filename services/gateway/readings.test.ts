import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readingColumns } from './readings.ts';

const room = readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8');

test('the worked example of ROOM.md is what the code does', async () => {
  const body = JSON.parse(/```json\n([\s\S]*?)```/.exec(room)![1]!);
  const blocks = [];
  for await (const block of readingColumns(body, 'c')) blocks.push(block);
  const [, start, slots] = /start (\d+), (\d) slots/.exec(room)!;
  expect(blocks).toHaveLength(1);
  expect(blocks[0]).toMatchObject({
    commandId: 'c/0',
    startMs: BigInt(start!),
    slots: Number(slots),
    intervalMinutes: 30,
    meterIds: ['m-1'],
  });
  expect([...new Int32Array(Uint8Array.from(blocks[0]!.importWh).buffer)]).toEqual([120, -2_147_483_648, 95]);
  expect([...blocks[0]!.quality]).toEqual([1, 1, 2]);
});

// LACHAK_FUZZ_CASES says how many bodies are tried (npm run fuzz: 100 000).
const CASES = Number(process.env.LACHAK_FUZZ_CASES ?? 1000);
test('any body is taken as it stands or refused with its field', { timeout: 30_000 + CASES * 40 }, async () => {
  const blocks = fc.record(
    {
      meterId: fc.oneof(fc.constant('m-1'), fc.jsonValue()),
      start: fc.oneof(fc.constant('2026-05-01T00:00:00+05:30'), fc.jsonValue()),
      intervalMinutes: fc.oneof(fc.constantFrom(15, 30, 0.5, -1), fc.jsonValue()),
      importWh: fc.oneof(fc.array(fc.oneof(fc.nat(), fc.constantFrom(null, 1.5, 3e9, -5))), fc.jsonValue()),
      exportWh: fc.oneof(fc.array(fc.nat()), fc.jsonValue()),
      quality: fc.oneof(fc.array(fc.constantFrom('VALID', 'FINE')), fc.jsonValue()),
      knownAt: fc.oneof(fc.constant('2026-05-02T00:00:00Z'), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const bodies = fc.oneof({ weight: 5, arbitrary: fc.record({ readings: fc.array(blocks, { maxLength: 3 }) }) }, fc.jsonValue());
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      const said = (body as { readings?: { importWh: (number | null)[] }[] })?.readings ?? [];
      let i = 0;
      try {
        for await (const { importWh } of readingColumns(body, 'c')) {
          const values = [...new Int32Array(Uint8Array.from(importWh).buffer)];
          expect(values).toEqual(said[i++]!.importWh.map((wh) => wh ?? -2_147_483_648));
        }
      } catch (error) {
        expect((error as Error).name, String(error)).toBe('Refusal');
      }
    }),
    { numRuns: CASES },
  );
});
