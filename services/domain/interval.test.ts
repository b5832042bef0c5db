import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contains, type Dated, holdsAt, holdsThrough, type Interval, iso, overlaps } from './interval.ts';

describe('half-open intervals and dated links', () => {
  test.each<[Dated, number, boolean, string]>([
    [{ from: 10, to: 20 }, 10, true, 'its first instant belongs'],
    [{ from: 10, to: 20 }, 20, false, 'its last does not'],
    [{ from: 10, to: null }, 1e15, true, 'an open link holds on'],
    [{ from: 10, to: 10 }, 10, false, 'an empty link never holds'],
    [{ from: 10, to: 20 }, 9, false, 'not before it began'],
  ])('%o at %s: %s, %s', (link, at, expected) => expect(holdsAt(link, at)).toBe(expected));

  test.each<[Dated, Interval, boolean, string]>([
    [{ from: 0, to: 20 }, { start: 10, end: 20 }, true, 'ends together'],
    [{ from: 0, to: 19 }, { start: 10, end: 20 }, false, 'breaks off inside'],
    [{ from: 11, to: null }, { start: 10, end: 20 }, false, 'begins inside'],
  ])('%o through %o: %s, %s', (link, span, expected) => expect(holdsThrough(link, span)).toBe(expected));

  test.each<[Interval, Interval, boolean, string]>([
    [{ start: 0, end: 10 }, { start: 10, end: 20 }, false, 'neighbours share no instant'],
    [{ start: 0, end: 11 }, { start: 10, end: 20 }, true, 'one instant shared'],
    [{ start: 0, end: 30 }, { start: 10, end: 20 }, true, 'one inside the other'],
  ])('%o and %o overlap: %s, %s', (a, b, expected) => expect(overlaps(a, b)).toBe(expected));

  test('two intervals overlap exactly when some instant is in both', () => {
    const span = fc
      .tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 8 }))
      .map(([start, length]) => ({ start, end: start + length }));
    fc.assert(
      fc.property(span, span, (a, b) => {
        const shared = Array.from({ length: 30 }, (_, at) => at).some((at) => contains(a, at) && contains(b, at));
        expect(overlaps(a, b)).toBe(shared);
        expect(overlaps(b, a)).toBe(shared);
      }),
    );
  });

  test('instants are written in UTC, with milliseconds only where there are some', () => {
    expect(iso(Date.parse('2026-05-01T18:00:00+05:30'))).toBe('2026-05-01T12:30:00Z');
    expect(iso(1)).toBe('1970-01-01T00:00:00.001Z');
  });
});
