import fc from 'fast-check';
import { expect, test } from 'vitest';
import { derivedId, sha256Hex } from './ids.ts';

test('a derived id is the same for the same parents, and stays what it was when first released', () => {
  expect(derivedId('event', 'BRPL', 'a')).toMatch(/^event-[a-z2-7]{20}$/);
  expect(derivedId('event', 'BRPL', 'a')).toBe(derivedId('event', 'BRPL', 'a'));
  expect(derivedId('event', 'BRPL', 1)).toBe(derivedId('event', 'BRPL', 1n));
  expect(derivedId('event', 'BRPL', 'a')).toBe('event-gw4myukziih6b3golwki');
});

test('parents do not run into each other', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.string()), (a, b) => {
      expect(derivedId('x', ...a) === derivedId('x', ...b)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
  );
  expect(derivedId('x', 'ab', 'c')).not.toBe(derivedId('x', 'a', 'bc'));
});

test('SHA-256 of nothing', () => {
  expect(sha256Hex('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});
