import mqtt from 'mqtt';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../../services/domain/interval.ts';
import { timeTopic, topicOf } from '../mqtt/access.ts';
import { openBroker, ROOM_USER } from '../mqtt/broker.ts';
import { simulatedAc } from './ac.ts';
import { bay } from './car.ts';
import { limitAt, type Profile } from './composition.ts';
import { energyRegister } from './energy.ts';
import { between, happens, random } from './random.ts';
import { type AirConditioner, type Comfort, type ThermalState, thermalStep } from './thermal.ts';

const T = Date.parse('2026-05-01T12:00:00Z');
const room = { massWhPerK: 600, lossWPerK: 240, gainsW: 400 };
const fixed: AirConditioner = { ratedW: 1500, cop: 3.2, inverter: false, minOffS: 180, bandK: 0.4 };
const inverter = { ...fixed, inverter: true };
const cool: Comfort = { mode: 'cool', setC: 24, capW: null };
const warm: ThermalState = { roomC: 30, compressor: false, restedS: 3600, powerW: 0 };

/** Twelve hours at 36 °C outside. */
function live(ac: AirConditioner, wish: Comfort, from = warm): ThermalState[] {
  const states = [from];
  for (let i = 0; i < 1440; i++) states.push(thermalStep(states.at(-1)!, room, ac, wish, 36, 30));
  return states;
}
const meanW = (states: ThermalState[]) => states.reduce((sum, s) => sum + s.powerW, 0) / states.length;

describe('a room with an air conditioner', () => {
  test.each([
    ['one that switches', fixed],
    ['an inverter', inverter],
  ])('%s holds the set point, with the power the equation asks for', (_name, ac) => {
    const late = live(ac, cool).slice(-720);
    for (const { roomC } of late) expect(Math.abs(roomC - 24)).toBeLessThan(1);
    const meanC = late.reduce((sum, s) => sum + s.roomC, 0) / late.length;
    expect(meanW(late) - 40).toBeCloseTo((room.lossWPerK * (36 - meanC) + room.gainsW) / ac.cop, -2);
  });
  test('a compressor rests before it starts again', () => {
    const states = live(fixed, cool);
    const starts = states.slice(1).flatMap((s, i) => (s.compressor && !states[i]!.compressor ? [states[i]!.restedS] : []));
    expect(starts.length).toBeGreaterThan(10);
    expect(Math.min(...starts)).toBeGreaterThanOrEqual(fixed.minOffS);
  });
  test('a warmer set point saves at once and goes on saving', () => {
    const settled = live(inverter, cool).at(-1)!;
    const shifted = live(inverter, { ...cool, setC: 27 }, settled);
    expect(meanW(shifted.slice(1, 60))).toBeLessThan(100);
    expect(meanW(shifted.slice(-720))).toBeLessThan(0.8 * settled.powerW);
  });
  test.each([
    ['an inverter stays below a cap', inverter, 700, (w: number) => w <= 700],
    ['or stops when the cap is below what it can do', inverter, 200, (w: number) => w <= 40],
    ['one that switches can only stop', fixed, 700, (w: number) => w <= 40],
  ])('%s', (_name, ac, capW, holds) => {
    for (const { powerW } of live(ac, { ...cool, capW }).slice(1)) expect(holds(powerW)).toBe(true);
  });
  test('off is off', () => {
    expect(meanW(live(fixed, { ...cool, mode: 'off' }).slice(1))).toBe(2);
  });
});

describe('what profiles together allow', () => {
  const profile = (more: Partial<Profile>): Profile => ({
    id: 1,
    connectorId: 1,
    stackLevel: 0,
    purpose: 'TxDefaultProfile',
    kind: 'Absolute',
    transactionId: null,
    validFrom: null,
    validTo: null,
    startSchedule: T,
    duration: 3600,
    unit: 'A',
    periods: [{ startPeriod: 0, limit: 16 }],
    actsFrom: T,
    ...more,
  });
  const session = { transactionId: 9, startedAt: T + 10 * MINUTE };
  const tx = { purpose: 'TxProfile', transactionId: 9 } as const;
  test.each<[string, Partial<Profile>[], number, number | null]>([
    ['none: no limit', [], 0, null],
    ['one, in force', [{}], 0, 16],
    ['before it begins', [{}], -1, null],
    ['its end is not in it', [{}], 3600, null],
    [
      'periods',
      [
        {
          periods: [
            { startPeriod: 0, limit: 16 },
            { startPeriod: 600, limit: 6 },
          ],
        },
      ],
      600,
      6,
    ],
    ['no duration: until it is no longer valid', [{ duration: null, validTo: T + HOUR }], 3599, 16],
    ['validity ends it', [{ duration: null, validTo: T + HOUR }], 3600, null],
    ['the higher stack wins, even when it allows more', [{ stackLevel: 1, periods: [{ startPeriod: 0, limit: 32 }] }, {}], 0, 32],
    [
      'a TxProfile replaces the default: it is not the lower of the two',
      [{ periods: [{ startPeriod: 0, limit: 0 }] }, { ...tx }],
      0,
      16,
    ],
    ['but not that of another session', [{ periods: [{ startPeriod: 0, limit: 0 }] }, { ...tx, transactionId: 8 }], 0, 0],
    [
      'the station maximum caps either',
      [{}, { purpose: 'ChargePointMaxProfile', periods: [{ startPeriod: 0, limit: 10 }] }],
      0,
      10,
    ],
    ['watts are of all phases', [{ unit: 'W', periods: [{ startPeriod: 0, limit: 4140 }] }], 0, 6],
    ['recurring daily', [{ kind: 'Recurring', startSchedule: T - 3 * DAY }], 0, 16],
    ['relative to the start of the session', [{ kind: 'Relative', startSchedule: null }], 600, 16],
    ['not before the station acts', [{ actsFrom: T + MINUTE }], 30, null],
  ])('%s', (_reason, profiles, seconds, amps) => {
    expect(limitAt(profiles.map(profile), T + seconds * 1000, session, 3)).toBe(amps);
  });
});

describe('a car', () => {
  const visits = () => ({ arrive: T + 5 * MINUTE, depart: T + 3 * HOUR, needWh: 7360 });
  const world = { seed: 1, origin: T, offsetMinutes: 330 };
  const charge = (limitAtMinute: (minute: number) => number) => {
    const place = bay(world, 'c', { phases: 1, maxA: 32 }, visits);
    const changes: string[] = [];
    while (place.at < T + 4 * HOUR) {
      const change = place.turnover();
      if (change) changes.push(change);
      place.tick(limitAtMinute((place.at - T) / MINUTE));
    }
    return { place, changes };
  };
  test.each<[string, (minute: number) => number, number[]]>([
    ['unlimited it takes what it needs at once', () => 32, [6746, 614, 0, 0]],
    ['held back for an hour it catches up', (minute) => (minute < 60 ? 0 : 32), [0, 7360, 0, 0]],
    ['less than 6 A is nothing', () => 5.9, [0, 0, 0, 0]],
    ['a limit is kept, and at its time it leaves', () => 10, [2108, 2300, 2300, 0]],
  ])('%s', (_reason, limit, expected) => {
    const { place, changes } = charge(limit);
    expect([0, 1, 2, 3].map((h) => place.register.between(T + h * HOUR, T + (h + 1) * HOUR))).toEqual(expected);
    expect(place.twin.between(T, T + 4 * HOUR)).toBe(7360);
    expect(changes).toEqual(['arrived', 'left']);
  });
});

describe('registers and draws', () => {
  test('parts sum to the whole, off the grid nothing is known', () => {
    const register = energyRegister(T);
    for (let i = 0; i < 30; i++) register.add(T + i * 30_000, 100 + i);
    const parts = [0, 5, 10].map((m) => register.between(T + m * MINUTE, T + (m + 5) * MINUTE));
    expect(parts.reduce((a, b) => a + b)).toBe(register.between(T, T + 15 * MINUTE));
    expect(register.read()).toBe(Math.floor((((100 + 129) / 2) * 30 * 30) / 3600));
    expect(() => register.between(T, T + MINUTE)).toThrow(RangeError);
    expect(() => register.between(T, T + 20 * MINUTE)).toThrow(RangeError);
    expect(() => register.add(T, 5)).toThrow(RangeError);
  });
  test('a draw depends on what it is for, and is fair enough', () => {
    expect(random(1, 'a')()).toBe(random(1, 'a')());
    expect(random(1, 'a')()).not.toBe(random(1, 'b')());
    const draws = Array.from({ length: 4000 }, (_, i) => between(10, 20, 'x', i));
    expect(draws.reduce((a, b) => a + b) / 4000).toBeCloseTo(15, 0);
    expect(Array.from({ length: 4000 }, (_, i) => happens(0.3, 'y', i)).filter(Boolean).length / 4000).toBeCloseTo(0.3, 1);
  });
});

test('power cut while the broker owes it a confirmation: on the next connection it answers as before', async () => {
  let owed = false;
  const answered: number[] = [];
  const broker = await openBroker({
    host: '127.0.0.1',
    port: 0,
    authenticate: async () => ({ discom: 'D', deviceId: 'ac' }),
    serviceSecret: 's',
    refused: () => {},
    taken: (topic, payload) => {
      if (topic !== topicOf('D', 'ac', 'step')) return Promise.resolve();
      answered.push((JSON.parse(payload.toString()) as { step: number }).step);
      return owed ? new Promise(() => {}) : Promise.resolve();
    },
  });
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const house = await mqtt.connectAsync(url, { username: ROOM_USER, password: 's', clientId: 'house' });
  const tell = (step: number) =>
    house.publishAsync(timeTopic('D'), JSON.stringify({ now: new Date(T + step * MINUTE).toISOString(), step }), { qos: 1 });
  const ac = simulatedAc({ url, discom: 'D', deviceId: 'ac', secret: 'x' }, { seed: 1, origin: T, offsetMinutes: 330 });
  try {
    await ac.start();
    for (const [step, confirmed] of [
      [1, true],
      [2, false],
      [3, true],
    ] as const) {
      owed = !confirmed;
      await tell(step);
      await expect.poll(() => answered).toContain(step);
      if (owed) await ac.reboot();
    }
  } finally {
    await ac.stop();
    await house.endAsync(true);
    await broker.close();
  }
});
