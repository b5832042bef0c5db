import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { areaPath, place } from './links.ts';

// `A 0-10`: state A from 0 to 10; `A 0-` still holds.
const link = (text: string) => {
  const [, state, from, to] = /^(\w) (\d+)-(\d*)$/.exec(text)!;
  return { state: state!, from: Number(from), to: to === '' ? null : Number(to) };
};
const placed = (timeline: readonly string[], next: string) => {
  const links = timeline.map(link);
  return place(links, link(next), (i) => links[i]!.state === link(next).state);
};

describe('A new link finds its place in a timeline, or is refused', () => {
  const rows: [timeline: string[], next: string, expected: unknown, reason: string][] = [
    [[], 'A 0-', { outcome: 'placed', closes: null }, 'the first'],
    [['A 0-'], 'A 0-', { outcome: 'unchanged' }, 'said already'],
    [['A 0-'], 'A 5-', { outcome: 'unchanged' }, 'still so at 5'],
    [['A 0-'], 'B 5-', { outcome: 'placed', closes: 0 }, 'replaced without a seam: A ends at 5'],
    [['A 0-'], 'B 5-9', { outcome: 'placed', closes: 0 }, 'replaced for a while; A does not come back by itself'],
    [['A 0-5', 'B 5-'], 'A 0-', { outcome: 'unchanged' }, 'the first file again: it never said when A ends'],
    [['A 0-5', 'B 5-'], 'C 7-', { outcome: 'placed', closes: 1 }, 'the open one is replaced'],
    [['A 0-'], 'A 0-8', { outcome: 'ends', closes: 0 }, 'A ends at 8'],
    [['A 0-'], 'A 3-8', { outcome: 'ends', closes: 0 }, 'A ends at 8, whatever is said of its middle'],
    [['A 0-8'], 'A 0-8', { outcome: 'unchanged' }, 'said already'],
    [['A 0-8'], 'B 8-', { outcome: 'placed', closes: null }, 'half-open: 8 is free'],
    [['A 5-'], 'B 0-5', { outcome: 'placed', closes: null }, 'earlier history may be filled in'],
    [['A 0-'], 'B 0-', { outcome: 'contradiction', with: 0 }, 'two words for one instant'],
    [['A 5-'], 'B 0-', { outcome: 'contradiction', with: 0 }, 'would end A before it began'],
    [['A 0-8'], 'B 5-', { outcome: 'contradiction', with: 0 }, 'history is not rewritten'],
    [['A 0-8'], 'A 5-', { outcome: 'contradiction', with: 0 }, 'A ended at 8, now it would not'],
    [['A 0-8'], 'A 0-9', { outcome: 'contradiction', with: 0 }, 'another end'],
  ];
  test.each(rows)('%j + %s → %o (%s)', (timeline, next, expected) => expect(placed(timeline, next)).toEqual(expected));

  test('Whatever is registered in whatever order, states never overlap', () => {
    const any = fc.record({
      state: fc.constantFrom('A', 'B', 'C'),
      from: fc.nat(20),
      length: fc.option(fc.integer({ min: 1, max: 9 })),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 12 }), (words) => {
        const timeline: { state: string; from: number; to: number | null }[] = [];
        for (const { state, from, length } of words) {
          const next = { state, from, to: length === null ? null : from + length };
          const found = place(timeline, next, (i) => timeline[i]!.state === state);
          if (found.outcome === 'ends') timeline[found.closes]!.to = next.to;
          if (found.outcome !== 'placed') continue;
          if (found.closes !== null) timeline[found.closes]!.to = from;
          timeline.push(next);
          timeline.sort((a, b) => a.from - b.from);
        }
        for (const [i, { from, to }] of timeline.entries()) {
          if (to !== null) expect(to).toBeGreaterThan(from);
          if (i > 0) expect(timeline[i - 1]!.to).not.toBeNull();
          if (i > 0) expect(timeline[i - 1]!.to!).toBeLessThanOrEqual(from);
        }
      }),
    );
  });
});

test('Areas lead to their root, or in a circle', () => {
  const parents: Record<string, string> = { feeder: 'substation', substation: 'zone', a: 'b', b: 'a' };
  const parentOf = (area: string) => parents[area] ?? '';
  expect(areaPath('feeder', 0, parentOf)).toEqual(['feeder', 'substation', 'zone']);
  expect(areaPath('a', 0, parentOf)).toBeNull();
});
