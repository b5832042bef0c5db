import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, type Json } from './canonical.ts';

describe('canonicalJson (RFC 8785)', () => {
  test.each<[string, Json, string]>([
    [
      'numbers as ECMAScript writes them',
      [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 1e-27, -0],
      '[333333333.3333333,1e+30,4.5,0.002,1e-27,0]',
    ],
    ['control characters escaped, others not', '€$\u000f\nA\'B"\\/', '"€$\\u000f\\nA\'B\\"\\\\/"'],
    [
      'keys by UTF-16 code units',
      { '€': 1, '\r': 2, \ufb33: 3, '1': 4, '😀': 5, '\u0080': 6, ö: 7 },
      '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
    ],
    ['literals and nesting', { b: [null, true, false], a: { d: 1, c: [] } }, '{"a":{"c":[],"d":1},"b":[null,true,false]}'],
    ['undefined members are not there', { a: undefined, b: 1 }, '{"b":1}'],
  ])('%s', (_, value, expected) => expect(canonicalJson(value)).toBe(expected));

  test.each([
    ['NaN', Number.NaN],
    ['an infinity', Number.POSITIVE_INFINITY],
    ['a lone surrogate', '\ud800'],
  ])('%s has no canonical form', (_, value) => expect(() => canonicalJson([value])).toThrow(RangeError));

  test('means the same, and does not depend on the order members were set in', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), (value) => {
        const text = canonicalJson(value as Json);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed as Json)).toBe(text);
      }),
    );
  });
});
