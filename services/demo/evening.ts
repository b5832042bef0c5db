import { setTimeout as pause } from 'node:timers/promises';
import { type SimulatedDevice, simulatedAc, type Temper } from '../../devices/simulated/ac.ts';
import { simulatedCharger } from '../../devices/simulated/charger.ts';
import type { HomeHabits } from '../../devices/simulated/home.ts';
import type { World } from '../../devices/simulated/world.ts';
import type { EventStatus } from '../../gen/lachak/v1/dispatch_pb.ts';
import { SupplyState } from '../../gen/lachak/v1/types_pb.ts';
import { MINUTE } from '../domain/interval.ts';
import { PROGRAMME } from './cast.ts';
import { type Desk, inParallel } from './desk.ts';
import { BLACKED_OUT, DISCOM, deviceOf, type Home, participantOf, resourceOf } from './homes.ts';
import { castParts, type Parts } from './stage.ts';
import type { Times } from './times.ts';

const STEP_MS = 5 * MINUTE;
const AT_ONCE = 8;

export type Evening = {
  readonly eventId: string;
  readonly parts: Parts;
  /** By home id; behavioural homes have none. */
  readonly devices: ReadonlyMap<string, SimulatedDevice>;
  /** The highest reduction the control room saw, and the status then. */
  readonly peak: EventStatus;
};
export type EveningPlan = {
  readonly seed: number;
  readonly homes: readonly Home[];
  readonly times: Times;
  readonly world: World;
  readonly targetW: number;
  readonly secrets: ReadonlyMap<string, string>;
  /** Homes with readings of their own get a machine their size; the others one drawn from the seed. */
  readonly habitsOf: (home: Home) => HomeHabits | undefined;
  readonly paceMs: number;
  readonly say: (line: string) => void;
};

/** Devices get their credentials; the control room would hand them to the installers. */
export async function provision(desk: Desk, homes: readonly Home[]): Promise<Map<string, string>> {
  const secrets = new Map<string, string>();
  const operator = await desk.as('operator');
  await inParallel(
    homes.filter((home) => home.kind !== 'BEHAVIOURAL'),
    AT_ONCE,
    async (home) => {
      const { secret } = await desk.devices.provisionDevice(
        {
          commandId: `device-${home.id}`,
          deviceId: deviceOf(home),
          protocol: home.kind === 'AC' ? 'flex/1' : 'ocpp1.6',
          organisationId: home.organisationId,
          resourceId: resourceOf(home),
        },
        operator,
      );
      secrets.set(home.id, secret);
    },
  );
  return secrets;
}

/** From the morning's call to the night: schedule, commit, notify, dispatch, and all that goes wrong. */
export async function runEvening(desk: Desk, plan: EveningPlan): Promise<Evening> {
  const { homes, times, say } = plan;
  const operator = await desk.as('operator');
  await desk.advanceTo(times.schedule);
  const { eventId } = await desk.dispatch.scheduleEvent(
    {
      commandId: 'event',
      eventId: 'evening-peak-1',
      programmeId: PROGRAMME,
      window: { startMs: BigInt(times.start), endMs: BigInt(times.end) },
      targetW: { values: [BigInt(plan.targetW)] },
      reason: 'evening peak',
    },
    operator,
  );
  await desk.advanceTo(times.afterGate);
  const commitment = await desk.dispatch.getCommitment({ eventId, allShards: true }, operator);
  const parts = castParts(plan.seed, homes, commitment);
  say(
    `gate closed: ${parts.chosen.length} chosen, ${parts.holdout.length} held out; commitment ${commitment.digest.slice(0, 12)}… is in the log`,
  );

  const devices = await connectDevices(desk, plan, parts);
  try {
    await desk.advanceTo(times.afterNotice);
    await answerNotices(desk, parts, eventId);
    await desk.advanceTo(times.start - 15 * MINUTE);
    const peak = await live(desk, plan, parts, eventId);
    return { eventId, parts, devices, peak };
  } finally {
    await inParallel([...devices.values()], AT_ONCE, (device) => device.stop());
  }
}

async function connectDevices(desk: Desk, plan: EveningPlan, parts: Parts): Promise<Map<string, SimulatedDevice>> {
  const { mqttUrl, ocppUrl } = await desk.devices.getEndpoints({}, await desk.as('operator'));
  const devices = new Map<string, SimulatedDevice>();
  for (const home of plan.homes) {
    if (home.kind === 'BEHAVIOURAL') continue;
    const temper: Temper = {
      dead: home === parts.dead,
      liar: home === parts.liar,
      ...(home === parts.override ? { overrideAt: plan.times.override } : {}),
      ...(home.areaId === BLACKED_OUT ? { dropOuts: [plan.times.outage] } : {}),
    };
    const account = { discom: DISCOM, deviceId: deviceOf(home), secret: plan.secrets.get(home.id)! };
    devices.set(
      home.id,
      home.kind === 'AC'
        ? simulatedAc({ ...account, url: mqttUrl }, plan.world, temper, plan.habitsOf(home))
        : simulatedCharger({ ...account, url: ocppUrl }, plan.world, temper),
    );
  }
  await inParallel([...devices.values()], AT_ONCE, (device) => device.start());
  plan.say(`${devices.size} devices connected: air conditioners over ${mqttUrl}, chargers over ${ocppUrl}`);
  return devices;
}

async function answerNotices(desk: Desk, parts: Parts, eventId: string): Promise<void> {
  const asked = parts.chosen.filter((home) => home.kind === 'BEHAVIOURAL' && parts.answerOf(home) !== 'silent');
  await inParallel(asked, AT_ONCE, async (home) => {
    const will = parts.answerOf(home) === 'will';
    const consumer = await desk.as('consumer', { participant: participantOf(home) });
    await desk.dispatch.answer(
      { commandId: `answer-${home.id}`, eventId, resourceId: resourceOf(home), will, reason: 'app' },
      consumer,
    );
  });
}

/** The window itself, five minutes a step. */
async function live(desk: Desk, { times, paceMs, say }: EveningPlan, parts: Parts, eventId: string): Promise<EventStatus> {
  const operator = await desk.as('operator');
  let peak: EventStatus | undefined;
  const look = async (): Promise<EventStatus> => {
    const { status } = await desk.dispatch.getEvent({ eventId }, operator);
    if (!peak || status!.measuredW > peak.measuredW) peak = status!;
    return status!;
  };
  for (let at = times.start; at <= times.end; at += STEP_MS) {
    await desk.advanceTo(at, STEP_MS);
    if (paceMs > 0) await pause(paceMs);
    if (at === times.optOut) {
      const consumer = await desk.as('consumer', { participant: participantOf(parts.optOut) });
      await desk.dispatch.answer(
        { commandId: 'opt-out', eventId, resourceId: resourceOf(parts.optOut), will: false, reason: 'guests' },
        consumer,
      );
    }
    if (at === times.outage.end) {
      const span = { startMs: BigInt(times.outage.start), endMs: BigInt(times.outage.end) };
      const spans = [{ areaId: BLACKED_OUT, span, state: SupplyState.OUTAGE, source: 'scada' }];
      await desk.metering.putSupply({ commandId: 'outage', spans }, await desk.as('meter_source'));
    }
    const status = await look();
    if ((at - times.start) % (30 * MINUTE) === 0 && at > times.start) say(statusLine(at - times.start, status));
  }
  await desk.advanceTo(times.night, STEP_MS * 2);
  return peak!;
}

function statusLine(intoMs: number, status: EventStatus): string {
  const kw = (w: bigint) => `${(Number(w) / 1000).toFixed(1)} kW`;
  const counts = Object.entries(status.resourcesByState)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state.toLowerCase().replace('_', ' ')}`);
  return `+${String(intoMs / MINUTE).padStart(3)} min  measured ${kw(status.measuredW)}, estimated ${kw(status.estimatedW)}, target ${kw(status.targetW)}; ${counts.join(', ')}`;
}
