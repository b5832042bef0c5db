import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Input, inputs, isFinal, next, type State, states, step } from './instruction-state.ts';

const run = (state: State, sequence: readonly Input[]): State =>
  sequence.reduce<State>((at, input) => step(at, input) ?? at, state);

describe('states of an instruction', () => {
  test.each<[string, Input[], State]>([
    ['a device does as asked', ['notice', 'issue', 'accept', 'apply', 'measure', 'release'], 'RELEASED'],
    ['measured before it said so', ['notice', 'issue', 'measure', 'accept', 'apply'], 'CONFIRMED'],
    ['answers out of order', ['notice', 'issue', 'apply', 'accept'], 'APPLIED'],
    ['“I will”', ['notice', 'will'], 'ACKNOWLEDGED'],
    ['“not this time”', ['notice', 'will_not', 'will'], 'OPTED_OUT'],
    [
      'leaves while it runs; the device’s late word is late',
      ['notice', 'issue', 'apply', 'opt_out', 'apply', 'measure'],
      'OPTED_OUT',
    ],
    [
      'an override wins over everything after it',
      ['notice', 'issue', 'apply', 'override', 'apply', 'measure', 'release'],
      'OVERRIDDEN',
    ],
    ['a dead device that comes back', ['notice', 'issue', 'unreachable', 'accept', 'apply'], 'APPLIED'],
    ['one that does it and drops off the network goes on', ['notice', 'issue', 'apply', 'unreachable'], 'APPLIED'],
    ['a failure stays one at the end', ['notice', 'issue', 'reject', 'release'], 'FAILED'],
    ['withheld before anything was sent', ['notice', 'withhold', 'issue'], 'WITHHELD'],
    ['withdrawn while it runs', ['notice', 'issue', 'apply', 'withhold', 'apply'], 'WITHHELD'],
    ['cancelled before notice', ['release', 'notice', 'issue'], 'RELEASED'],
    ['a device cannot answer what it was not asked', ['notice', 'apply', 'measure', 'override'], 'NOTIFIED'],
  ])('%s', (_, sequence, end) => expect(run('PLANNED', sequence)).toBe(end));

  test('the final states are exactly these', () => {
    expect(states.filter(isFinal)).toEqual(['OPTED_OUT', 'OVERRIDDEN', 'RELEASED', 'WITHHELD']);
  });

  test('before the end a household can always leave and the law always forbid', () => {
    for (const state of states.filter((one) => !isFinal(one))) {
      expect([next[state].opt_out, next[state].will_not, next[state].withhold]).toEqual(['OPTED_OUT', 'OPTED_OUT', 'WITHHELD']);
    }
  });

  const sequence = fc.array(fc.constantFrom(...inputs), { maxLength: 30 });
  test('property: once final, always final; a repeated input changes nothing', () => {
    fc.assert(
      fc.property(sequence, sequence, (before, after) => {
        const state = run('PLANNED', before);
        if (isFinal(state)) expect(run(state, after)).toBe(state);
        for (const input of inputs) expect(run(state, [input, input])).toBe(run(state, [input]));
      }),
    );
  });
  test('property: after opt_out no device word makes it active again', () => {
    fc.assert(
      fc.property(sequence, sequence, (before, after) => {
        expect(['OPTED_OUT', 'OVERRIDDEN', 'RELEASED', 'WITHHELD']).toContain(run('PLANNED', [...before, 'opt_out', ...after]));
      }),
    );
  });
  test('property: proof of doing comes only after it was issued or agreed', () => {
    fc.assert(
      fc.property(sequence, (all) => {
        const state = run('PLANNED', all);
        if (state === 'APPLIED' || state === 'CONFIRMED') expect(all.includes('issue') || all.includes('will')).toBe(true);
      }),
    );
  });
});
