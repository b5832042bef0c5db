import type { Instant } from '../../services/domain/interval.ts';
import type { DeviceKey } from '../driver.ts';
import type { Sample } from '../proof.ts';
import type { Instruction } from '../reconcile.ts';
import type { Link } from './link.ts';

/** What outlives a connection and a process. */
export type ChargingMemory = {
  /** The transaction id: a positive int32, the same for the same start told again. */
  startSession(
    device: DeviceKey,
    start: { connectorId: number; idTag: string; meterStartWh: number; startedAt: Instant },
  ): Promise<number>;
  stopSession(
    device: DeviceKey,
    transactionId: number,
    stop: { meterStopWh: number; stoppedAt: Instant; reason: string },
  ): Promise<boolean>;
  openSessions(device: DeviceKey): Promise<{ transactionId: number; connectorId: number }[]>;
  keepFrames(
    frames: readonly { discom: string; deviceId: string; at: Instant; sent: boolean; action: string; text: string }[],
  ): Promise<void>;
};

/** A connected station, as far as the central system needs to remember it while it is connected. */
export type Station = {
  readonly device: DeviceKey;
  readonly link: Link;
  /** Highest stack level it takes; learned after boot. */
  stackLevel: number;
  /** Phases that carry current; three until seen, so that a limit in ampere holds in any case. */
  phases: number;
  session: { readonly transactionId: number; readonly connectorId: number } | null;
  /** Last StatusNotification of its connector. */
  status: string;
  last: Sample | null;
  /** It declared that it lives in stepped time. */
  stepped: boolean;
  /** What it holds, to tell from its meter values whether it applies it. */
  readonly held: Map<string, { readonly instruction: Instruction; said: boolean }>;
};

export const newStation = (device: DeviceKey, link: Link): Station => ({
  device,
  link,
  stackLevel: 0,
  phases: 3,
  session: null,
  status: 'Available',
  last: null,
  stepped: false,
  held: new Map(),
});

/** A car that is full, refuses or has left draws less by itself: that is nobody's reduction. */
export const serving = (station: Station): boolean => station.status === 'Charging' || station.status === 'SuspendedEVSE';
