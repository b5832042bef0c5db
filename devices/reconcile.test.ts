import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MINUTE } from '../services/domain/interval.ts';
import { unheard, withSample } from './live.ts';
import { commandOf, readAbout, readAck, readMessage, readOverride, readStatus, readTelemetry } from './mqtt/words.ts';
import { powerBefore, powerMoved, type Sample } from './proof.ts';
import { pursue } from './pursuit.ts';
import { ANSWER_MS, heard, type Instruction, type Outcome, type Pursuit, reconcile, type Word } from './reconcile.ts';

const START = 1_000_000_000_000;
const instruction: Instruction = {
  discom: 'D',
  deviceId: 'd',
  instructionId: 'i',
  eventId: 'e',
  resourceId: 'r',
  valid: { start: START, end: START + 120 * MINUTE },
  direction: 'shed',
  level: 1,
  maxPowerW: null,
  setpointDeltaC: 2,
  randomStartS: 0,
  randomEndS: 0,
  expiresAt: START + 10 * MINUTE,
  slot: 0,
  traceparent: '',
};
const pursuit = (more: Partial<Pursuit> = {}): Pursuit => ({
  instruction,
  outcome: null,
  proof: 0,
  reason: '',
  attempts: 0,
  sentAt: null,
  session: 0,
  release: null,
  beforeW: null,
  closed: false,
  ...more,
});
const on = { online: true, session: 1 };
const off = { online: false, session: 1 };
const sent = { outcome: 'SENT', attempts: 1, sentAt: START, session: 1 } as const;

describe('desired against reported against now', () => {
  test.each<[string, Partial<Pursuit>, { online: boolean; session: number }, number, string, Outcome | null, boolean]>([
    ['it is told as soon as it is online, long before it begins', {}, on, START - 60 * MINUTE, 'send', 'SENT', false],
    ['offline it waits', {}, off, START, 'nothing', null, false],
    ['offline for 45 s it is unreachable', { sentAt: START }, off, START + 3 * ANSWER_MS, 'nothing', 'UNREACHABLE', false],
    ['it has 15 s to answer', sent, on, START + ANSWER_MS - 1, 'nothing', 'SENT', false],
    ['then it is told again', sent, on, START + ANSWER_MS, 'send', 'SENT', false],
    ['thrice in all', { ...sent, attempts: 3 }, on, START + ANSWER_MS, 'nothing', 'UNREACHABLE', false],
    [
      'unreachable it is left in peace',
      { ...sent, outcome: 'UNREACHABLE', attempts: 3 },
      on,
      START + MINUTE,
      'nothing',
      'UNREACHABLE',
      false,
    ],
    [
      'until it connects again',
      { ...sent, outcome: 'UNREACHABLE', attempts: 3 },
      { online: true, session: 2 },
      START + MINUTE,
      'send',
      'UNREACHABLE',
      false,
    ],
    [
      'but not once it has expired',
      { ...sent, outcome: 'UNREACHABLE' },
      { online: true, session: 2 },
      START + 11 * MINUTE,
      'nothing',
      'UNREACHABLE',
      false,
    ],
    ['never told before it expires', { ...sent }, on, START + 10 * MINUTE, 'nothing', 'EXPIRED', true],
    ['what it took up holds', { ...sent, outcome: 'APPLIED', proof: 2 }, on, START + 60 * MINUTE, 'nothing', 'APPLIED', false],
    [
      'a reboot brings it back to what is wanted, also after the expiry',
      { ...sent, outcome: 'APPLIED', proof: 2 },
      { online: true, session: 2 },
      START + 60 * MINUTE,
      'send',
      'APPLIED',
      false,
    ],
    [
      'the end of the window releases it',
      { ...sent, outcome: 'APPLIED', proof: 3 },
      on,
      START + 120 * MINUTE,
      'clear',
      'RELEASED',
      true,
    ],
    [
      'an override is not argued with',
      { ...sent, outcome: 'OVERRIDDEN' },
      { online: true, session: 2 },
      START + MINUTE,
      'nothing',
      'OVERRIDDEN',
      true,
    ],
    [
      'a release is told',
      { ...sent, outcome: 'ACCEPTED', attempts: 0, sentAt: null, release: 'cancelled' },
      on,
      START,
      'clear',
      'ACCEPTED',
      false,
    ],
    [
      'a release that is not answered ends all the same',
      { ...sent, outcome: 'ACCEPTED', attempts: 3, release: 'cancelled' },
      on,
      START + MINUTE,
      'nothing',
      'RELEASED',
      true,
    ],
    ['a release before it was ever told', { release: 'cancelled' }, off, START, 'nothing', 'RELEASED', true],
    ['never reached', { ...sent, outcome: 'UNREACHABLE' }, off, START + 120 * MINUTE, 'clear', 'UNREACHABLE', true],
  ])('%s', (_reason, state, reported, now, action, outcome, closed) => {
    const step = reconcile(pursuit(state), reported, now);
    expect([step.action, step.next.outcome, step.next.closed]).toEqual([action, outcome, closed]);
    if (!closed) expect(step.due).toBeGreaterThan(now);
  });

  test.each<[string, Outcome, Word, Outcome | null]>([
    ['a late answer still counts', 'UNREACHABLE', 'accepted', 'ACCEPTED'],
    ['accepted twice is nothing new', 'APPLIED', 'accepted', null],
    ['an override wins over applied', 'APPLIED', 'overridden', 'OVERRIDDEN'],
    ['and nothing wins over it', 'OVERRIDDEN', 'applied', null],
    ['a fall of power proves nothing for one that never took it up', 'SENT', 'measured', null],
    ['nor for one that refused', 'REJECTED_BY_DEVICE', 'measured', null],
  ])('%s', (_reason, outcome, word, next) => {
    expect(heard(pursuit({ outcome }), word, '')?.outcome ?? null).toBe(next);
  });
});

describe('proof by the device meter', () => {
  const sample = (
    minute: number,
    registerWh: number | null,
    powerW: number | null = null,
    more: Partial<Sample> = {},
  ): Sample => ({
    at: START + minute * MINUTE,
    registerWh,
    powerW,
    source: 'meter',
    serving: true,
    ...more,
  });
  test('the worked example of ROOM.md', () => {
    const samples = [sample(-30, 10_000), sample(-15, 10_250), sample(0, 10_550), sample(5, 10_610), sample(20, 10_700)];
    expect(powerBefore(samples, START, 'shed')).toBe(1000);
    expect(powerMoved(samples.slice(0, -1), START, 1000, 'shed')).toBe(false);
    expect(powerMoved(samples, START, 1000, 'shed')).toBe(true);
  });
  test.each<[string, Sample[], boolean]>([
    ['power unchanged', [sample(0, 0), sample(15, 250), sample(30, 500)], false],
    ['a fifth less', [sample(0, 0), sample(15, 199)], true],
    ['a longer pause than any before', [sample(0, 0), sample(5, 83), sample(10, 83), sample(15, 83), sample(20, 333)], true],
    ['it was switched off', [sample(0, 0), sample(15, 0, 0, { serving: false })], false],
    ['too late to have been us', [sample(0, 0), sample(41, 700), sample(60, 700)], false],
    [
      'what is offered is not measured',
      [sample(0, null, 0, { source: 'offered' }), sample(15, null, 0, { source: 'offered' })],
      false,
    ],
    [
      'without a register, power held until the next sample',
      [sample(0, null, 900), sample(5, null, 100), sample(20, null, 100)],
      true,
    ],
  ])('%s', (_reason, samples, fell) => {
    expect(powerMoved(samples, START, 1000, 'shed')).toBe(fell);
  });
  test.each<[string, Sample[], boolean]>([
    ['a fifth more', [sample(0, 0), sample(15, 301)], true],
    ['less than a fifth more', [sample(0, 0), sample(15, 299)], false],
    ['less', [sample(0, 0), sample(15, 100)], false],
    ['too late to have been us', [sample(0, 0), sample(41, 683), sample(60, 2000)], false],
  ])('to absorb is to draw more than the highest quarter hour before: %s', (_reason, samples, rose) => {
    const earlier = [sample(-45, 0), sample(-30, 250), sample(-15, 400), sample(0, 500)];
    expect(powerBefore(earlier, START, 'absorb')).toBe(1000);
    expect(powerMoved(samples, START, 1000, 'absorb')).toBe(rose);
  });
  test('an instruction to absorb is proven like one to shed', () => {
    const live = [sample(-30, 0), sample(-15, 50), sample(0, 100), sample(15, 400)].reduce(withSample, unheard);
    const asked = { ...pursuit({ outcome: 'APPLIED', proof: 2 }), instruction: { ...instruction, direction: 'absorb' as const } };
    const { said } = pursue([asked], live, [], START + 15 * MINUTE);
    expect(said.at(-1)).toMatchObject({ outcome: 'APPLIED', proof: 3, reason: 'measured power rose above 200 W' });
  });
  test('samples keep the order of time, each instant once, and no more than is needed', () => {
    let live = unheard;
    for (const minute of [0, 10, 5, 10, 400]) live = withSample(live, sample(minute, minute));
    expect(live.samples.map((s) => s.registerWh)).toEqual([400]);
  });
});

test('the example of FLEX.md is read and written as it stands', () => {
  const text = readFileSync(new URL('./mqtt/FLEX.md', import.meta.url), 'utf8');
  const example = JSON.parse(/```json\n([\s\S]*?)```/.exec(text)![1]!) as { topic: string; payload: object }[];
  const said = (about: string) =>
    example
      .filter(({ topic }) => topic.endsWith(`/${about}`))
      .map(({ payload }) => readMessage(Buffer.from(JSON.stringify(payload)))!);
  expect(said('info').map(readAbout)).toEqual([{ vendor: 'X', model: 'Y', stepped: false }]);
  expect(said('status').map(readStatus)).toEqual([true]);
  expect(said('telemetry').map(readTelemetry)).toEqual([
    { at: Date.parse('2026-05-01T13:00:00Z'), powerW: 1212, registerWh: 123456, source: 'meter', serving: true },
  ]);
  expect(said('ack').map((m) => readAck(m)?.word)).toEqual(['accepted', 'applied', 'overridden']);
  expect(said('override').map(readOverride)).toEqual(['by the user, until 2026-05-01T15:30:00Z']);
  const start = Date.parse('2026-05-01T13:30:00Z');
  const command = {
    ...instruction,
    instructionId: 'i-1',
    valid: { start, end: start + 120 * MINUTE },
    setpointDeltaC: 3,
    maxPowerW: 600,
    randomStartS: 120,
    randomEndS: 600,
    expiresAt: start + 10 * MINUTE,
  };
  expect([commandOf(command, start - 30 * MINUTE)]).toEqual(said('command'));
});
