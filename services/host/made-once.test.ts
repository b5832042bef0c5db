import { expect, test } from 'vitest';
import { madeOnce } from './made-once.ts';

test('is made once for all who ask, and again only after it failed', async () => {
  let tries = 0;
  const ask = madeOnce(async () => {
    tries++;
    if (tries === 1) throw new Error('the disk is full');
    return tries;
  });
  const both = await Promise.allSettled([ask(), ask()]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([2, 2, 2]);
  expect(tries).toBe(2);
});
