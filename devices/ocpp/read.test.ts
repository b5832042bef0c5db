import fc from 'fast-check';
import { OCPP16 } from 'typed-ocpp';
import { describe, expect, test } from 'vitest';
import type { Instruction } from '../reconcile.ts';
import { readFrame } from './frame.ts';
import { chargingProfiles, limitAmps, profileIds } from './profile.ts';
import { readInstant, readMeterValues, readNumber } from './read.ts';
import { fitting } from './schemas.ts';

const AT = '2026-05-01T12:00:00Z';
const at = Date.parse(AT);

describe('instants, as stations write them', () => {
  test.each<[string, number | null]>([
    ['2026-05-01T12:00:00Z', at],
    ['2026-05-01T12:00:00', at], // without a zone: UTC
    ['2026-05-01 12:00:00', at],
    ['2026-05-01T17:30:00+0530', at],
    ['2026-05-01T17:30:00+05:30', at],
    ['2026-05-01T12:00:00.123456Z', at + 123],
    ['2026-05-01T12:00:00,5Z', at + 500],
    ['yesterday', null],
    ['2026-13-01T12:00:00Z', null],
    ['', null],
  ])('%s', (text, instant) => {
    expect(readInstant(text)).toBe(instant);
  });
  test.each<[unknown, number | null]>([
    ['1.5', 1.5],
    [2, 2],
    ['', null],
    [' ', null],
    ['x', null],
    [null, null],
    [Number.NaN, null],
  ])('number %j', (value, number) => {
    expect(readNumber(value)).toBe(number);
  });
});

describe('power from what is sampled, in order of trust', () => {
  const value = (v: string | number, measurand?: string, more: object = {}) => ({
    value: v,
    ...(measurand ? { measurand } : {}),
    ...more,
  });
  const P = 'Power.Active.Import';
  const I = 'Current.Import';
  const before = { at: at - 900_000, registerWh: 1000, powerW: null, source: null, serving: true };
  test.each<[string, object[], number | null, string | null]>([
    ['the total', [value('7360', P), value('5000')], 7360, 'meter'],
    ['kilowatts, and numbers that are not text', [value(7.36, P, { unit: 'kW' })], 7360, 'meter'],
    ['the phases', [value('2300', P, { phase: 'L1' }), value('2300', P, { phase: 'L2-N' })], 4600, 'phases'],
    ['the register, Wh by default', [value('2000')], 4000, 'register_delta'],
    ['the register in kWh', [value('2', 'Energy.Active.Import.Register', { unit: 'kWh' })], 4000, 'register_delta'],
    ['a register that ran backwards says nothing', [value('900'), value('10', I)], 2300, 'current_voltage'],
    [
      'current × voltage',
      [value('10', I, { phase: 'L1' }), value('10', I, { phase: 'L2' }), value('240', 'Voltage')],
      4800,
      'current_voltage',
    ],
    ['what is offered, last', [value('6', 'Current.Offered')], 1380, 'offered'],
    ['signed values are not numbers', [value('99', P, { format: 'SignedData' })], null, null],
    ['nothing readable is not zero', [value('abc', P)], null, null],
  ])('%s', (_reason, sampledValue, powerW, source) => {
    const [read] = readMeterValues([{ timestamp: AT, sampledValue }], before);
    expect([read?.powerW, read?.source]).toEqual([powerW, source]);
  });
  test('whatever comes, reading does not throw', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => void readMeterValues(value, null)));
    fc.assert(fc.property(fc.string(), (text) => void readFrame(text)));
    fc.assert(fc.property(fc.jsonValue(), (value) => void readFrame(JSON.stringify(value))));
  });
});

describe('limits and profiles', () => {
  test.each<[string, number | null, number, number, number]>([
    ['stop', 0, 1, 3, 0],
    ['6 A on three phases', 4140, 1, 3, 6],
    ['less than 6 A cannot be offered', 4000, 1, 3, 0],
    ['rounded down to one decimal', 3000, 1, 1, 13],
    ['level 1 without watts: the least', null, 1, 1, 6],
    ['level 2 without watts: none', null, 2, 1, 0],
  ])('%s', (_reason, maxPowerW, level, phases, amps) => {
    expect(limitAmps({ maxPowerW, level }, phases)).toBe(amps);
  });

  const instruction: Instruction = {
    discom: 'D',
    deviceId: 'd',
    instructionId: 'i',
    eventId: 'e',
    resourceId: 'r',
    valid: { start: at, end: at + 7_200_000 },
    direction: 'shed',
    level: 1,
    maxPowerW: 1380,
    setpointDeltaC: 0,
    randomStartS: 0,
    randomEndS: 0,
    expiresAt: at,
    slot: 50,
    traceparent: '',
  };
  const setting = { connectorId: 1, stackLevel: 8, phases: 1, transactionId: 4711 };
  test('one for any session, one for the open one, both with their own end', () => {
    expect(profileIds(instruction)).toEqual([900_100, 900_101]);
    const [standing, own] = chargingProfiles(instruction, setting);
    expect(standing).toEqual({
      connectorId: 1,
      csChargingProfiles: {
        chargingProfileId: 900_100,
        stackLevel: 8,
        chargingProfilePurpose: 'TxDefaultProfile',
        chargingProfileKind: 'Absolute',
        validFrom: AT,
        validTo: '2026-05-01T14:00:00Z',
        chargingSchedule: {
          startSchedule: AT,
          duration: 7200,
          chargingRateUnit: 'A',
          chargingSchedulePeriod: [{ startPeriod: 0, limit: 6, numberPhases: 1 }],
        },
      },
    });
    expect(own).toMatchObject({
      csChargingProfiles: { chargingProfileId: 900_101, chargingProfilePurpose: 'TxProfile', transactionId: 4711 },
    });
    expect(chargingProfiles(instruction, { ...setting, transactionId: null })).toHaveLength(1);
  });
  test('every limit in tenths of an ampere leaves, and nothing that does not fit', () => {
    for (let tenths = 60; tenths <= 320; tenths++) {
      const [profile] = chargingProfiles({ ...instruction, maxPowerW: (tenths * 230) / 10 + 1 }, setting);
      expect(() => fitting('calls', 'SetChargingProfile', profile!)).not.toThrow();
    }
    expect(() => fitting('calls', 'ClearChargingProfile', { id: 1.5 })).toThrow(TypeError);
    expect(() => fitting('calls', 'SetChargingProfile', { connectorId: 1 })).toThrow(/csChargingProfiles/);
  });
  // Author of the schemas on the other side: the Open Charge Alliance's, as typed-ocpp carries them.
  test.each<[string, object]>([
    ['SetChargingProfile', chargingProfiles(instruction, setting)[1]!],
    ['ClearChargingProfile', { id: 900_100 }],
    ['TriggerMessage', { requestedMessage: 'Heartbeat' }],
    ['ChangeConfiguration', { key: 'MeterValueSampleInterval', value: '60' }],
    ['GetConfiguration', { key: ['ChargeProfileMaxStackLevel'] }],
    ['RemoteStartTransaction', { connectorId: 1, idTag: 'T' }],
  ])('%s fits the official schema too', (action, payload) => {
    expect(OCPP16.validateCall([2, 'id', action, fitting('calls', action, payload)] as never)).toBe(true);
    expect(
      OCPP16.validateCall([
        2,
        'id',
        action,
        { ...payload, connectorId: 'x', id: 'x', key: 1, requestedMessage: 1, idTag: 1 },
      ] as never),
    ).toBe(false);
  });
});
