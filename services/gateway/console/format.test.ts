import { describe, expect, test } from 'vitest';
import { instantOf, inZone, kWFigure, kWh, minuteOfDay, nearestWindow, percent, rupees, rupeesChange } from './format.ts';

test.each([
  ['0', '₹0.00', 'nothing is shown as nothing'],
  ['4500000', '₹4.50', 'paise keep two places'],
  ['123456789012345678', '₹1,23,45,67,89,012.35', 'beyond 2^53, in lakh and crore'],
  ['4999', '₹0.00', 'less than half a paisa'],
  ['5000', '₹0.01', 'half a paisa goes away from zero'],
  ['-5000', '−₹0.01', 'on both sides'],
  ['-4999', '₹0.00', 'no minus before nothing'],
])('%s micro-rupees: %s (%s)', (micros, shown) => expect(rupees(micros)).toBe(shown));

test('a change carries its sign', () => {
  expect([rupeesChange('1000000'), rupeesChange('0'), rupeesChange('-1000000')]).toEqual(['+₹1.00', '₹0.00', '−₹1.00']);
});

test.each([
  ['1250', '1.25', 'a home'],
  ['-45200', '−45.2', 'a feeder that used more'],
  ['1250000', '1,250', 'a city'],
  ['-0', '0.00', 'no minus zero'],
])('%s W: %s kW (%s)', (w, shown) => expect(kWFigure(w)).toBe(shown));

test('energy, shares and minutes', () => {
  expect([kWh('12345'), percent(987_654), percent(1_000_000), minuteOfDay(1110)]).toEqual([
    '12.35 kWh',
    '98.8 %',
    '100 %',
    '18:30',
  ]);
});

describe('instants', () => {
  test.each([
    ['2026-05-12', 18 * 60, 'Asia/Kolkata', '2026-05-12T12:30:00Z', 'half-hour offset'],
    ['2026-05-12', 0, 'Asia/Kolkata', '2026-05-11T18:30:00Z', 'midnight lies on the day before in UTC'],
    ['2026-05-12', 24 * 60, 'Asia/Kolkata', '2026-05-12T18:30:00Z', 'the end of the day'],
    ['2026-03-29', 12 * 60, 'Europe/Berlin', '2026-03-29T10:00:00Z', 'on the day clocks go forward'],
  ])('%s minute %i in %s is %s (%s)', (day, minute, zone, instant) =>
    expect(instantOf(day, minute, zone)).toBe(Date.parse(instant)),
  );

  const refusal = 'the terms allow no event then; the nearest valid window is 2026-05-12T12:30:00Z to 2026-05-12T14:30:00Z';
  test('a refusal is told in the programme’s zone and its window can be taken', () => {
    expect(inZone(refusal, { locale: 'en-IN', zone: 'Asia/Kolkata' })).toMatch(/is Tue, 12 May,? 2026, 18:00 to .*20:00$/);
    expect(nearestWindow(refusal)).toEqual({ startMs: '1778589000000', endMs: '1778596200000' });
    expect(nearestWindow('gate closure was at 2026-05-12T12:30:00Z')).toBeNull();
  });
});
