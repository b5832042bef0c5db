import { describe, expect, test } from 'vitest';
import { drawn } from './finding.ts';
import { type Following, factFindings, moves, type RoomFacts } from './following.ts';

const at = new Date('2026-05-01T12:00:00Z');
const there = (head: bigint, more: Partial<NonNullable<Following['there']>> = {}) => ({
  head,
  stretches: [{ id: 'a', after: 0n }],
  oldest: { position: 8n, kind: 'eventCommitted', at },
  ...more,
});
const follow = (more: Partial<Following> = {}): Following => ({
  upstream: 'enrolment',
  position: 7n,
  handled: 7n,
  stretches: [{ id: 'a', after: 0n }],
  unowned: 0,
  parked: null,
  there: there(7n, { oldest: null }),
  ...more,
});
const look = (more: Partial<RoomFacts> = {}): RoomFacts => ({
  room: 'dispatch',
  living: 2,
  lastWord: at,
  unnumbered: null,
  follows: [follow()],
  ...more,
});
const behind = (position: bigint) => look({ follows: [follow({ position, handled: position, there: there(20n) })] });
const unowned = (count: number) => look({ follows: [follow({ unowned: count })] });
const parked = { count: 3, position: 5n, discom: 'BRPL', error: 'no such home', since: at };

describe('what stands still is said, with since when and what to do', () => {
  test.each<[string, RoomFacts, RoomFacts, RegExp]>([
    ['all handled', look(), look(), /^ok .*of enrolment: all handled$/],
    ['under way', behind(6n), behind(7n), /^note .*13 of enrolment wait since 2026-05-01T12:00:00Z, and it gets on$/],
    [
      'no progress',
      behind(7n),
      behind(7n),
      /^wrong .*stands still: 13 of enrolment wait since .*enrolment-8 \(eventCommitted\): lachak facts/,
    ],
    [
      'a parked key',
      look(),
      look({ follows: [follow({ parked })] }),
      /^wrong .*3 of enrolment are parked since 2026-05-01T12:00:00Z, the first, enrolment-5, with "no such home": lachak facts parked dispatch --discom BRPL$/,
    ],
    [
      'an outbox that went back',
      look(),
      look({ follows: [follow({ there: there(5n) })] }),
      /^wrong .*enrolment was put back to its fact 5, but dispatch has handled its facts up to 7: .*lachak facts rejoin dispatch/,
    ],
    [
      'one that went back and on with others',
      look(),
      look({
        follows: [
          follow({
            there: there(9n, {
              stretches: [
                { id: 'a', after: 0n },
                { id: 'b', after: 4n },
              ],
            }),
          }),
        ],
      }),
      /^wrong .*put back to its fact 4/,
    ],
    ['partitions that nobody takes', unowned(32), unowned(32), /^wrong .*32 of the partitions of enrolment belong to no process/],
    ['partitions that were taken meanwhile', unowned(32), look(), /^ok/],
    ['partitions just given up', look(), unowned(32), /^ok/],
    [
      'facts without a number',
      look({ unnumbered: { row: 4n, count: 2, at } }),
      look({ unnumbered: { row: 4n, count: 9, at } }),
      /^wrong .*9 of its own have no number since 2026-05-01T12:00:00Z/,
    ],
    [
      'numbered a moment later',
      look({ unnumbered: { row: 4n, count: 2, at } }),
      look({ unnumbered: { row: 6n, count: 1, at } }),
      /^ok/,
    ],
    ['an upstream elsewhere', look(), look({ follows: [follow({ there: null })] }), /^note .*in another database: lachak facts/],
    [
      'nobody runs it',
      { ...behind(7n), living: 0 },
      { ...behind(7n), living: 0 },
      /^note .*13 of enrolment wait since .* for dispatch, whose last process ended before 2026-05-01T12:00:00Z: lachak start dispatch$/,
    ],
  ])('%s', (_, before, now, says) => {
    expect(drawn(factFindings(before, now, false))).toMatch(says);
  });

  test('a house on its own folder keeps no leases: its rooms run while the folder is held', () => {
    const still = { ...behind(7n), living: 0, lastWord: null };
    expect(drawn(factFindings(still, still, true))).toMatch(/^wrong .*stands still/);
    expect(moves({ ...unowned(64), living: 0 }), 'and nothing is looked at twice for them').toBe(false);
  });
});
