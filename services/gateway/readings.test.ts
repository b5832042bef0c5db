import { readFileSync } from 'node:fs';
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
