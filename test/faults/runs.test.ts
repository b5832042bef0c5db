import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Books } from './books.ts';
import { describeRun, drawRun, type Ended, Evenings, type Run, wrongIn } from './runs.ts';

// Evenings in which rooms and their servers fall, at moments that follow from the seed; a long row of them: npm run faults -- --runs 60.
// The evenings apart are held against one in one house that nobody disturbed: so both profiles leave equal books, too.
// Each of the four servers falls once; with the three evenings of house.test.ts and the seven settlements of settlement.test.ts there are
// seventeen.
const SEEDS = [1, 2, 3, 4, 5, 6, 7];
const evenings = new Evenings(3000);
let calm: Books;
let [runs, lost, twice] = [0, 0, 0];

// Those apart share servers that fall, so they play one after the other; beside them those in a house of their own.
const drawn = SEEDS.map(drawRun);
const played = new Map<number, Promise<Ended>>();
function inARow(row: readonly Run[]): void {
  let before: Promise<unknown> = Promise.resolve();
  for (const run of row) {
    const mine = before.then(() => evenings.play(run));
    before = mine.catch(() => {}); // its own test says so
    played.set(run.seed, mine);
  }
}
beforeAll(async () => {
  calm = await evenings.calm();
  inARow(drawn.filter(({ apart }) => apart));
  inARow(drawn.filter(({ apart }) => !apart));
});
afterAll(async () => {
  await Promise.allSettled(played.values());
  await evenings.stop();
  console.log(`${runs} runs, ${lost} lost, ${twice} doubled`);
});

test('undisturbed, the evening is credited and everything acknowledged is there', () => {
  expect(wrongIn({ kills: [], books: calm }, calm)).toEqual({ lost: [], doubled: [], other: [] });
  expect(calm.credited.length).toBeGreaterThanOrEqual(10);
  expect(Object.values(calm.balances).some((micros) => micros !== '0')).toBe(true);
});

test.each(drawn.map((run) => [run.seed, describeRun(run), run] as const))(
  'seed %i: %s',
  { timeout: 400_000 },
  async (seed, _, run) => {
    const ended = await played.get(seed)!;
    const wrong = wrongIn(ended, calm);
    runs++;
    lost += wrong.lost.length;
    twice += wrong.doubled.length;
    expect(ended.kills).toHaveLength(run.faults.length + run.blows.length);
    expect(wrong, `npm run faults -- --runs 1 --seed ${seed}`).toEqual({ lost: [], doubled: [], other: [] });
  },
);
