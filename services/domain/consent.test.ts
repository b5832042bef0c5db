import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Consent, permits, standing, type Use } from './consent.ts';

const consent = (over: Partial<Consent>): Consent => ({
  consentId: 'c1',
  basis: 'CONSENT',
  participantId: 'asha',
  connectionId: 'conn-1',
  organisationId: 'agg',
  purpose: 'CONTROL',
  programmeId: 'summer',
  resourceIds: ['ac-1'],
  readingsFromDay: '2026-04-01',
  givenAt: 1000,
  expiresAt: null,
  withdrawnAt: null,
  ...over,
});
const use = (over: Partial<Use>): Use => ({
  purpose: 'CONTROL',
  participantId: 'asha',
  connectionId: 'conn-1',
  organisationId: 'agg',
  programmeId: 'summer',
  resourceId: 'ac-1',
  at: 2000,
  ...over,
});
const readings = { purpose: 'READINGS' } as const;

describe('the gate', () => {
  test.each<[string, Partial<Consent>, Partial<Use>, string]>([
    ['what was consented to is permitted', {}, {}, 'permitted'],
    ['purposes are apart', { purpose: 'READINGS' }, {}, 'not_given'],
    ['another home', {}, { connectionId: 'conn-2' }, 'not_given'],
    ['the former occupant says nothing for the new one', {}, { participantId: 'ravi' }, 'not_given'],
    ['another programme', {}, { programmeId: 'winter' }, 'other_programme'],
    ['another organisation', {}, { organisationId: 'rival' }, 'other_organisation'],
    ['a consent to the DISCOM covers who runs the resource for it', { organisationId: '' }, {}, 'permitted'],
    ['a resource not named', {}, { resourceId: 'ac-2' }, 'other_resource'],
    ['no resource named at all', {}, { resourceId: '' }, 'other_resource'],
    ['before it was given', {}, { at: 999 }, 'not_yet_given'],
    ['at the very instant it is given', {}, { at: 1000 }, 'permitted'],
    ['a millisecond before expiry', { expiresAt: 2001 }, {}, 'permitted'],
    ['at expiry', { expiresAt: 2000 }, {}, 'expired'],
    ['control stops at the instant of withdrawal', { withdrawnAt: 2000 }, {}, 'withdrawn'],
    ['control before the withdrawal was right', { withdrawnAt: 2001 }, {}, 'permitted'],
    ['readings reach back before the consent', readings, { ...readings, at: 10, day: '2026-04-01' }, 'permitted'],
    ['but not beyond the shared day', readings, { ...readings, at: 10, day: '2026-03-31' }, 'before_shared_day'],
    ['readings without a day are never opened', readings, { ...readings }, 'before_shared_day'],
    [
      'an interval before the withdrawal is still settled',
      { ...readings, withdrawnAt: 2001 },
      { ...readings, day: '2026-05-01' },
      'permitted',
    ],
    [
      'an interval that starts at the withdrawal is closed',
      { ...readings, withdrawnAt: 2000 },
      { ...readings, day: '2026-05-01' },
      'withdrawn',
    ],
    ['billing needs its own', { purpose: 'BILLING' }, { purpose: 'BILLING' }, 'permitted'],
  ])('%s', (_, given, wanted, answer) => {
    expect(permits([consent(given)], use(wanted))).toBe(answer);
  });

  test('nothing given is not given', () => expect(permits([], use({}))).toBe('not_given'));

  test('the nearest miss is the reason, whatever the order', () => {
    const near = consent({ consentId: 'near', withdrawnAt: 1500 });
    const far = consent({ consentId: 'far', programmeId: 'winter' });
    expect(permits([near, far], use({}))).toBe('withdrawn');
    expect(permits([far, near], use({}))).toBe('withdrawn');
  });

  test('a consent given anew permits after a withdrawal, and is the one named', () => {
    const anew = consent({ consentId: 'c2', givenAt: 1800 });
    expect(standing([consent({ withdrawnAt: 1500 }), anew], use({}))).toBe(anew);
  });

  test('property: it stands exactly from given to the earlier of expiry and withdrawal', () => {
    const instant = fc.integer({ min: 0, max: 20 });
    fc.assert(
      fc.property(instant, fc.option(instant), fc.option(instant), instant, (givenAt, expiresAt, withdrawnAt, at) => {
        const stands = at >= givenAt && at < Math.min(expiresAt ?? Infinity, withdrawnAt ?? Infinity);
        expect(permits([consent({ givenAt, expiresAt, withdrawnAt })], use({ at })) === 'permitted').toBe(stands);
      }),
    );
  });
});
