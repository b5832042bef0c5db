import { HOUR, MINUTE } from '../domain/interval.ts';
import { exact, readExact, rounded, subtract, sum } from '../domain/rational.ts';
import type { Point, Slot } from './point.ts';

/** 2026-05-01 18:00 in Kolkata. */
export const WINDOW_START = Date.parse('2026-05-01T12:30:00Z');

/** A settlement point for tests: baselines and readings per half hour, exact Wh as `n` or `n/d`; `gap` = no reading, `dark` = outage. */
export function aPoint(
  id: string,
  figures: readonly (readonly [baseline: string, metered: number | 'gap' | 'dark'])[],
  more: Partial<Point> = {},
): Point {
  const slots = figures.map(([baseline, metered], i): Slot => {
    const settled = typeof metered === 'number';
    const delivered = settled ? subtract(readExact(baseline), { num: BigInt(metered), den: 1n }) : null;
    return {
      startMs: WINDOW_START + i * 30 * MINUTE,
      meteredWh: settled ? metered : metered === 'dark' ? 0 : null,
      unadjusted: exact(readExact(baseline)),
      baseline: exact(readExact(baseline)),
      baselineWh: Number(rounded(readExact(baseline))),
      delivered: delivered && exact(delivered),
      deliveredWh: delivered && Number(rounded(delivered)),
      supply: metered === 'dark' ? 'OUTAGE' : 'ENERGISED',
      quality: 1,
    };
  });
  const baseline = sum(slots.map((slot) => readExact(slot.baseline!)));
  const delivered = sum(slots.flatMap((slot) => (slot.delivered === null ? [] : [readExact(slot.delivered)])));
  return {
    settlementPointId: id,
    connectionId: `C-${id}`,
    participantId: `P-${id}`,
    organisationId: 'AGG',
    role: 'CHOSEN',
    status: 'ok',
    flags: [],
    shard: 0,
    candidateDays: ['2026-04-30', '2026-04-29'],
    selectedDays: ['2026-04-29', '2026-04-30'],
    scoresWh: [1000, 1000],
    lowUsageRejected: [],
    excludedDays: [],
    slots,
    adjustment: null,
    totals: {
      baseline: exact(baseline),
      baselineWh: Number(rounded(baseline)),
      meteredWh: slots.reduce((total, slot) => total + (slot.meteredWh ?? 0), 0),
      delivered: exact(delivered),
      deliveredWh: Number(rounded(delivered)),
    },
    missingIntervals: figures.filter(([, metered]) => metered === 'gap').length,
    unservedIntervals: figures.filter(([, metered]) => metered === 'dark').length,
    committedW: 1000,
    meterIds: [`M-${id}`],
    meterDays: [
      { meterId: `M-${id}`, day: '2026-04-30', digest: null, handOff: '', signer: '', receivedAtMs: 0 },
      {
        meterId: `M-${id}`,
        day: '2026-05-01',
        digest: 'ab'.repeat(32),
        handOff: 'day.csv',
        signer: 'head-end',
        receivedAtMs: WINDOW_START + 6 * HOUR,
      },
    ],
    enrolmentId: `E-${id}`,
    readingsConsentId: `R-${id}`,
    billingConsentId: `B-${id}`,
    household: true,
    ...more,
  };
}
