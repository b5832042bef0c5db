import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { agreedTo, isOf, type Stretch } from './stretches.ts';

const history = (text: string): Stretch[] => text.split(' ').map((one) => ({ id: one[0]!, after: BigInt(one.slice(1)) }));

describe('how far two histories of an outbox are the same', () => {
  test.each<[seen: string, handled: bigint, there: string, head: bigint, agreed: bigint, why: string]>([
    ['a0', 7n, 'a0', 9n, 7n, 'the same, and more to come'],
    ['a0 b5', 7n, 'a0 b5 c9', 12n, 7n, 'a new leader, nothing lost'],
    ['a0 b5', 7n, 'a0 b5 c7', 7n, 7n, 'a new leader that has numbered nothing yet'],
    ['a0 b5', 7n, 'a0 b5', 6n, 6n, 'put back, and nobody leads yet'],
    ['a0 b5', 9n, 'a0 b5 c6', 20n, 6n, 'put back to 6 and gone on: the head tells nothing, the stretches do'],
    ['a0 b5', 9n, 'a0 c5', 20n, 5n, 'put back to before the stretch that was handled last'],
    ['a0 b5 c7', 9n, 'a0 d3', 20n, 3n, 'put back by two leaders'],
    ['a0 b5 c7', 9n, 'a0 b5 d8', 20n, 7n, 'the follower knows that b ended at 7'],
    ['a0 b5', 5n, 'a0 c5', 20n, 5n, 'a leader that numbered nothing left no trace: nothing is lost'],
    ['a0', 0n, 'a0 b0 c4', 9n, 0n, 'a follower that begins'],
    ['x0', 4n, 'y0', 9n, 0n, 'another outbox altogether'],
  ])('seen %s to %s; there %s to %s: to %s (%s)', (seen, handled, there, head, agreed) => {
    expect(agreedTo(history(seen), handled, history(there), head)).toBe(agreed);
  });

  test.each<[seen: string, id: string, position: bigint, is: boolean, why: string]>([
    ['a0 b5', 'b', 90n, true, 'the newest stretch has no end'],
    ['a0 b5', 'a', 5n, true, 'its last'],
    ['a0 b5', 'a', 6n, false, 'numbered by a leader whose facts were put back'],
    ['a0 b5', 'c', 1n, false, 'not heard of'],
  ])('of %s, a fact of %s at %s: %s (%s)', (seen, id, position, is) => {
    expect(isOf(history(seen), id, position)).toBe(is);
  });

  test('no fact is taken for another: whatever is put back, whenever', () => {
    // A world: the outbox is a list of contents; leaders come and go, a backup is taken, it is put back, facts are written.
    const act = fc.constantFrom('write', 'lead', 'save', 'restore', 'follow');
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        let next = 0;
        let outbox = { facts: [] as number[], stretches: history('a0') };
        let saved = structuredClone(outbox);
        let seen = history('a0');
        const handled: number[] = [];
        for (const one of acts) {
          if (one === 'write') outbox.facts.push(next++);
          if (one === 'save') saved = structuredClone(outbox);
          if (one === 'restore') outbox = structuredClone(saved);
          if (one === 'lead' || one === 'restore')
            outbox.stretches.push({ id: `l${next++}`, after: BigInt(outbox.facts.length) });
          if (one !== 'follow') continue;
          const there = outbox.stretches;
          const agreed = agreedTo(seen, BigInt(handled.length), there, BigInt(outbox.facts.length));
          let same = 0;
          while (same < handled.length && handled[same] === outbox.facts[same]) same++;
          if (same < handled.length) {
            expect(agreed).toBeLessThan(BigInt(handled.length)); // noticed
            expect(agreed).toBeLessThanOrEqual(BigInt(same)); // and never claimed too much
            handled.length = Number(agreed); // a person lets it go on
          } else expect(agreed).toBe(BigInt(handled.length));
          handled.push(...outbox.facts.slice(handled.length));
          seen = structuredClone(there);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
