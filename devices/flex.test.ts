import { beforeAll, describe, expect, test, vi } from 'vitest';
import { Answer_Outcome, Devices } from '../gen/lachak/v1/devices_pb.ts';
import { Direction, Proof, ProofSource } from '../gen/lachak/v1/types_pb.ts';
import { HOUR, type Instant, MINUTE } from '../services/domain/interval.ts';
import { defaults } from '../services/host/config.ts';
import { type TestHost, testHost } from '../services/host/testing.ts';
import { startMosquitto } from '../test/servers/mosquitto.ts';
import { room } from './service.ts';
import { type SimulatedAc, simulatedAc, type Temper } from './simulated/ac.ts';

const MORNING = Date.parse('2026-05-01T09:00:00Z'); // 14:30 in India
const START = Date.parse('2026-05-01T13:30:00Z'); // 19:00
const END = START + 2 * HOUR;
const world = { seed: 7, origin: MORNING, offsetMinutes: 330 };

const brokers = ['the embedded broker', 'mosquitto'] as const;

/** One event over a small fleet, and what was answered. */
async function scene(on: (typeof brokers)[number], tempers: Record<string, Temper>, during: (stage: Stage) => Promise<void>) {
  const mosquitto = on === 'mosquitto' ? await startMosquitto() : null;
  const mqtt = { ...defaults.mqtt, port: 0, ...mosquitto?.setting };
  const host = await testHost({ rooms: [room], clock: { start: MORNING }, config: { mqtt } });
  try {
    const as = await host.token('operator');
    const { mqttUrl } = await host.connect(Devices).getEndpoints({}, { as });
    const fleet = new Map<string, SimulatedAc>();
    for (const [deviceId, temper] of Object.entries(tempers)) {
      const { secret } = await host
        .connect(Devices)
        .provisionDevice({ commandId: `p-${deviceId}`, deviceId, protocol: 'flex/1', resourceId: `r-${deviceId}` }, { as });
      const ac = simulatedAc({ url: mqttUrl, discom: 'BRPL', deviceId, secret }, world, temper);
      fleet.set(deviceId, ac);
    }
    for (const ac of fleet.values()) await letIn(() => ac.start());
    await during({ host, fleet, apply: (ids, more) => applyTo(host, ids, more) });
    await Promise.all([...fleet.values()].map((ac) => ac.stop()));
    return { answers: await answersOf(host), fleet };
  } finally {
    await host.stop();
    await mosquitto?.stop();
  }
}
/** A broker of one's own reads its files a moment after a device was provisioned. */
async function letIn(connect: () => Promise<void>): Promise<void> {
  await vi.waitFor(connect, { timeout: 10_000, interval: 100 });
}
type Stage = {
  host: TestHost;
  fleet: Map<string, SimulatedAc>;
  apply: (ids: Iterable<string>, more?: object) => ReturnType<typeof applyTo>;
};

const applyTo = (host: TestHost, ids: Iterable<string>, more: object = {}) =>
  host.connect(Devices).apply(
    {
      states: [...ids].map((deviceId) => ({
        instructionId: `i-${deviceId}`,
        eventId: 'e1',
        resourceId: `r-${deviceId}`,
        deviceId,
        valid: { startMs: BigInt(START), endMs: BigInt(END) },
        direction: Direction.SHED,
        level: 1,
        setpointDeltaC: 3,
        expiresAtMs: BigInt(START + 10 * MINUTE),
        ...more,
      })),
    },
    { discom: 'BRPL' },
  );

async function answersOf(
  host: TestHost,
): Promise<Record<string, { outcome: string; proof: string; source: string; at: Instant }[]>> {
  const answers: Record<string, { outcome: string; proof: string; source: string; at: Instant }[]> = {};
  for (const fact of await host.facts.of('devices')) {
    if (fact.body.case !== 'instructionAnswered') continue;
    expect(fact.key).toBe('e1');
    for (const a of fact.body.value.answers) {
      answers[a.deviceId] ??= [];
      answers[a.deviceId]!.push({
        outcome: Answer_Outcome[a.outcome],
        proof: Proof[a.proof],
        source: ProofSource[a.proofSource],
        at: Number(a.atMs),
      });
    }
  }
  return answers;
}

describe.each(brokers)('flex/1 over %s', (broker) => {
  const tempers: Record<string, Temper> = {
    good: {},
    liar: { liar: true },
    dead: { dead: true },
    no: { refuses: true },
    user: { overrideAt: START + 40 * MINUTE },
    away: { dropOuts: [{ start: START - 2 * HOUR, end: START - 30 * MINUTE }] },
    lost: { dropOuts: [{ start: START - 2 * HOUR, end: END }] },
  };
  let scenes: Awaited<ReturnType<typeof scene>>;
  beforeAll(async () => {
    scenes = await scene(broker, tempers, async ({ host, apply }) => {
      await host.advanceTo(START - HOUR, 5 * MINUTE);
      expect(await apply(Object.keys(tempers))).toMatchObject({ taken: 7, refused: [] });
      expect(await apply(Object.keys(tempers))).toMatchObject({ taken: 7, refused: [] });
      await host.advanceTo(END + HOUR, 5 * MINUTE);
      await host.settled();
    });
  });

  const outcomes = (id: string) => scenes.answers[id]?.map((a) => `${a.outcome} ${a.proof}`);
  test.each([
    [
      'good',
      'a device that obeys is proven by its own meter',
      ['SENT L0_SENT', 'ACCEPTED L1_ACCEPTED', 'APPLIED L2_APPLIED', 'APPLIED L3_MEASURED', 'RELEASED L3_MEASURED'],
    ],
    [
      'liar',
      'words alone are never measured',
      ['SENT L0_SENT', 'ACCEPTED L1_ACCEPTED', 'APPLIED L2_APPLIED', 'RELEASED L2_APPLIED'],
    ],
    ['dead', 'a device that never answers is told thrice', ['SENT L0_SENT', 'UNREACHABLE L0_SENT']],
    ['no', 'a refusal is its last word', ['SENT L0_SENT', 'REJECTED_BY_DEVICE L0_SENT']],
    [
      'user',
      'an override wins at once',
      ['SENT L0_SENT', 'ACCEPTED L1_ACCEPTED', 'APPLIED L2_APPLIED', 'APPLIED L3_MEASURED', 'OVERRIDDEN L3_MEASURED'],
    ],
    [
      'away',
      'a device that comes back in time is told then',
      ['UNREACHABLE L0_SENT', 'ACCEPTED L1_ACCEPTED', 'APPLIED L2_APPLIED', 'APPLIED L3_MEASURED', 'RELEASED L3_MEASURED'],
    ],
    ['lost', 'one that stays away is not told after it is over', ['UNREACHABLE L0_SENT']],
  ])('%s: %s', (id, _reason, expected) => {
    expect(outcomes(id)).toEqual(expected);
  });

  test('energy: only who obeyed saved, and before the event nobody did', () => {
    const saved = (id: string, from = START, to = END) => scenes.fleet.get(id)!.savedWh(from, to);
    expect(saved('good')).toBeGreaterThan(200);
    for (const id of ['liar', 'dead', 'no', 'lost']) expect(saved(id)).toBe(0);
    for (const id of Object.keys(tempers)) expect(saved(id, MORNING, START)).toBe(0);
    expect(scenes.answers.good!.find((a) => a.proof === 'L3_MEASURED')).toMatchObject({ source: 'DEVICE_METER' });
  });
});
