import type { Instant } from '../services/domain/interval.ts';
import type { DeviceKey } from './driver.ts';

/** What a cumulative import register showed, whole Wh. */
export type RegisterValue = { readonly at: Instant; readonly wh: number };

/**
 * Resolves when the values are kept for metering, or when no meter has this register; a driver acknowledges them to the device only then.
 * Throws when they cannot be kept now: the device keeps them and says them again.
 */
export type KeepTelemetry = (device: DeviceKey, register: string, values: readonly RegisterValue[]) => Promise<void>;

/** Values of one register that wait for metering; `receipt` is how they are acknowledged. */
export type Waiting = {
  readonly receipt: string;
  readonly deviceId: string;
  readonly register: string;
  readonly receivedAt: Instant;
  readonly values: readonly RegisterValue[];
};
export type Kept = Omit<Waiting, 'receipt'> & { readonly discom: string };

/** Where they wait: bounded, and it outlives this process. */
export type Carrier = {
  /** Throws `TelemetryFull` at the bound: what waits stays, what is new is refused. */
  keep(kept: Kept): Promise<void>;
  /** The oldest, without removing them: what is not acknowledged is handed out again. */
  take(discom: string, most: number): Promise<readonly Waiting[]>;
  acknowledge(discom: string, receipts: readonly string[]): Promise<void>;
  /** How many wait, as last known. */
  waiting(): number;
  start(): Promise<void>;
  stop(): Promise<void>;
};

export class TelemetryFull extends Error {
  constructor(bound: string) {
    super(`${bound} of telemetry wait for metering; no more is taken until it has some of them on record`);
    this.name = 'TelemetryFull';
  }
}

const MOST_WH = 2 ** 50;
/** A clock this far ahead is not believed. */
const AHEAD_MS = 5 * 60_000;

/** What can be kept of a sample: a register that a register can show, at an instant that has been. */
export function registerValue(sample: { at: Instant; registerWh: number | null } | null, now: Instant): RegisterValue[] {
  if (!sample || sample.registerWh === null) return [];
  const wh = Math.round(sample.registerWh);
  return wh >= 0 && wh < MOST_WH && sample.at <= now + AHEAD_MS ? [{ at: sample.at, wh }] : [];
}
