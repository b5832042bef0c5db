import { describe, expect, test } from 'vitest';
import type { LoadSeries } from '../performance/load-series.ts';
import { chanceOf } from './chance.ts';
import type { Question } from './evaluation.ts';
import { measure } from './measure.ts';
import type { Candidate } from './methods.ts';
import type { Occasion } from './occasions.ts';
import type { Sign } from './signals.ts';
import { suspicionsOf } from './suspicions.ts';
import { presetTerms } from './terms.ts';
import { estimate, home, inWindow, question, withEvents } from './testing.ts';

/** Working days from the fifth week on, two a week: Tuesdays and Thursdays. */
const TWICE_A_WEEK = Array.from({ length: 16 }, (_, i) => 29 + 7 * (i >> 1) + 2 * (i % 2));
/** Every working day of the last eight weeks but the first two. */
const DAILY = Array.from({ length: 8 }, (_, week) => [0, 1, 2, 3, 4].map((day) => 28 + 7 * week + day))
  .flat()
  .slice(8, 26);

/** A home like any: no two days alike, by a seed. */
function ordinary(
  meterId: string,
  seed: number,
  changed: (day: number, slot: number, wh: number) => number = (_d, _s, wh) => wh,
): LoadSeries {
  const chance = chanceOf(seed);
  let ofDay = 1;
  return home(meterId, (day, slot) => {
    if (slot === 0) ofDay = 0.6 + 0.8 * chance();
    return Math.round(changed(day, slot, ofDay * (inWindow(slot) ? 900 : 400) * (0.8 + 0.4 * chance())));
  });
}
const others = Array.from({ length: 12 }, (_, i) => ordinary(`H${i}`, 100 + i));

function suspicions(asked: Question) {
  const [candidate] = asked.candidates as [Candidate];
  const at = (occasions: readonly Occasion[]) => measure(estimate, candidate, occasions, asked.series, asked.calendar, false);
  const hours = { measured: at(asked.quietHours.occasions), around: asked.quietHours.around };
  return suspicionsOf(asked, { quiet: at(asked.placebos), real: at(asked.events), hours }, estimate);
}
const seen = (asked: Question, sign: Sign) => {
  const { signals, looked } = suspicions(asked);
  const who = signals.filter((one) => one.sign === sign).map(({ meterId }) => meterId);
  return { who, looked: looked.find((one) => one.sign === sign)! };
};
const isEvent = (day: number) => TWICE_A_WEEK.includes(day);

describe('load pumped before notice', () => {
  const pumped = (factor: number) =>
    ordinary('P', 1, (day, slot, wh) => (isEvent(day) && slot >= 26 && slot < 32 ? factor * wh : wh));
  test.each<[string, number, string[]]>([
    ['half as much again before every event', 1.5, ['P']],
    ['as on any day', 1, []],
  ])('%s', (_, factor, who) => {
    expect(seen(withEvents([pumped(factor), ...others], TWICE_A_WEEK), 'pumped')).toEqual({
      ...{ who, looked: { sign: 'pumped', homes: 13, why: '' } },
    });
  });
  test('where taking more is paid, it is taking less before notice that is told', () => {
    const terms = [presetTerms('absorb-solar')];
    expect(seen(withEvents([pumped(0.5), ...others], TWICE_A_WEEK, { terms }), 'pumped').who).toEqual(['P']);
    expect(seen(withEvents([pumped(0.5), ...others], TWICE_A_WEEK), 'pumped').who).toEqual([]);
  });
});

describe('an adjustment at its cap', () => {
  // Every placebo morning is twice the one before: nothing does that, but it takes the ratio beyond its cap each time.
  const restless = (up: boolean) => home('R', (day, slot) => (slot >= 26 && slot < 32 ? (up ? 100 * 1.05 ** day : 400) : 400));
  test.each([
    [true, ['R']],
    [false, []],
  ] as const)('rising mornings: %s', (up, who) => {
    expect(seen(question([restless(up), ...others], { names: ['10of10-ratio'] }), 'at_cap').who).toEqual(who);
  });
  test('a method without an adjustment is not looked at, and says so', () => {
    expect(seen(question(others, { names: ['10of10'] }), 'at_cap').looked).toEqual({
      ...{ sign: 'at_cap', homes: 0, why: '10of10 has no adjustment' },
    });
  });
});

describe('a frozen baseline', () => {
  test('events every working day let no new day in: the baseline stands still while the load moves', () => {
    const { who, looked } = seen(withEvents(others, DAILY), 'frozen_baseline');
    expect(who).toHaveLength(others.length);
    expect(looked).toEqual({ sign: 'frozen_baseline', homes: others.length, why: '' });
  });
  test('two events a week do not freeze it, and a load that never moves has no other baseline to have', () => {
    const flat = home('FLAT', () => 500);
    expect(seen(withEvents([flat, ...others], TWICE_A_WEEK), 'frozen_baseline').who).toEqual([]);
    expect(seen(withEvents([flat], DAILY), 'frozen_baseline').who).toEqual([]);
  });
  test('an adjustment that follows the day does not hide it', () => {
    expect(
      seen(withEvents(others, DAILY, { candidates: question(others, { names: ['10of10-ratio'] }).candidates }), 'frozen_baseline')
        .who,
    ).toHaveLength(others.length);
  });
});

describe('opt-outs', () => {
  const thrice = Array.from({ length: 24 }, (_, i) => 29 + 7 * Math.floor(i / 3) + (i % 3));
  /** Leaves the eight events of highest load, as a home would that knows when the baseline is against it; or eight of any. */
  const left = (asked: Question, chosen: (load: number, i: number) => number): ReadonlySet<string>[] => {
    const [first] = asked.series as [LoadSeries];
    const loads = asked.events.map(({ event }, i) => {
      const at = (event.window.start - first.start) / 1_800_000;
      return {
        i,
        key: chosen(
          first.importWh.subarray(at, at + 6).reduce((sum, wh) => sum + wh, 0),
          i,
        ),
      };
    });
    const most = loads
      .sort((a, b) => b.key - a.key)
      .slice(0, 8)
      .map(({ i }) => i);
    return asked.events.map((_, i) => new Set(most.includes(i) ? ['L'] : []));
  };
  const asked = withEvents([ordinary('L', 5, (_d, slot, wh) => (inWindow(slot) ? wh ** 1.2 / 4 : wh)), ...others], thrice);
  test('of a home that leaves when its load runs high follow the residual', () => {
    const optOuts = left(asked, (load) => load);
    expect(seen({ ...asked, optOuts }, 'left_against')).toEqual({
      who: ['L'],
      looked: { sign: 'left_against', homes: 1, why: '' },
    });
    const { left: all } = suspicions({ ...asked, optOuts });
    expect(all).toMatchObject({ homes: 1, left: 8 });
    expect(all!.correlation!.high).toBeLessThan(0);
  });
  test('by turns of mind do not', () => {
    expect(seen({ ...asked, optOuts: left(asked, (_, i) => (i * 7) % 24) }, 'left_against').who).toEqual([]);
  });
  test('that nobody told of are not looked at', () => {
    expect(seen(asked, 'left_against').looked).toEqual({
      sign: 'left_against',
      homes: 0,
      why: 'no opt-outs were given (--opt-outs)',
    });
    const few = asked.events.map((_, i) => new Set(i < 2 ? ['L'] : []));
    expect(seen({ ...asked, optOuts: few }, 'left_against').looked.why).toBe('no home left five events');
  });
});

describe('back-up generation', () => {
  const generator = (when: (day: number) => boolean, wh: (load: number) => number) =>
    ordinary('G', 9, (day, slot, load) => (when(day) && inWindow(slot) ? wh(load) : load));
  test.each<[string, (day: number) => boolean, (wh: number) => number, string[]]>([
    ['nothing is taken from the grid at every event, and all of it again after', isEvent, () => 0, ['G']],
    ['an air conditioner is turned down: the rest runs on', isEvent, (wh) => 0.5 * wh, []],
    ['nothing is taken at those hours on any day', () => true, () => 0, []],
    ['nothing is taken at those hours on every second day', (day) => isEvent(day) || day % 2 === 0, () => 0, []],
    ['as on any day', () => false, (wh) => wh, []],
  ])('%s', (_, when, wh, who) => {
    expect(seen(withEvents([generator(when, wh), ...others], TWICE_A_WEEK), 'back_up').who).toEqual(who);
  });
  test('everybody dark at once is an outage, and held against nobody', () => {
    const dark = Array.from({ length: 13 }, (_, i) =>
      ordinary(`D${i}`, i, (day, slot, wh) => (isEvent(day) && inWindow(slot) ? 0 : wh)),
    );
    expect(seen(withEvents(dark, TWICE_A_WEEK), 'back_up').who).toEqual([]);
  });
});

test('a stuck meter is named', () => {
  const { who } = seen(question([home('A', (day, slot) => 300 + ((day * slot) % 7)), home('STUCK', () => 500)]), 'frozen');
  expect(who).toEqual(['STUCK']);
});

test('without events what needs them is not looked at, and says why', () => {
  const { looked } = suspicions(question(others));
  const why = looked.filter((one) => one.why !== '').map(({ sign }) => sign);
  expect(why).toEqual(['at_cap', 'pumped', 'frozen_baseline', 'left_against', 'back_up']);
});
