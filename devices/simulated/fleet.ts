import { type SimulatedDevice, simulatedAc, type Temper } from './ac.ts';
import { simulatedCharger } from './charger.ts';
import type { World } from './world.ts';

/** One device of a fleet: who it is, where it connects, and how it misbehaves. */
export type Member = {
  readonly kind: 'AC' | 'CHARGER';
  readonly discom: string;
  readonly deviceId: string;
  readonly secret: string;
  readonly temper?: Temper;
};
export type Endpoints = { readonly mqttUrl: string; readonly ocppUrl: string };
export type Fleet = {
  readonly devices: ReadonlyMap<string, SimulatedDevice>;
  stop(): Promise<void>;
};

const AT_ONCE = 10;

/** Connects them all, a few at a time; rejects when one is refused, with none left connected. */
export async function startFleet(world: World, endpoints: Endpoints, members: readonly Member[]): Promise<Fleet> {
  const devices = new Map<string, SimulatedDevice>();
  const stop = async (): Promise<void> => {
    await Promise.all([...devices.values()].map((device) => device.stop()));
  };
  for (const member of members) devices.set(member.deviceId, simulated(world, endpoints, member));
  try {
    const waiting = [...devices.values()];
    while (waiting.length > 0) await Promise.all(waiting.splice(0, AT_ONCE).map((device) => device.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  return { devices, stop };
}

function simulated(
  world: World,
  { mqttUrl, ocppUrl }: Endpoints,
  { kind, discom, deviceId, secret, temper }: Member,
): SimulatedDevice {
  if (kind === 'AC') return simulatedAc({ url: mqttUrl, discom, deviceId, secret }, world, temper);
  return simulatedCharger({ url: ocppUrl, deviceId, secret }, world, temper);
}
