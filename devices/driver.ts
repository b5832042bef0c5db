import type { Instant } from '../services/domain/interval.ts';
import type { Sample } from './proof.ts';
import type { Instruction, Word } from './reconcile.ts';

export const protocols = ['flex/1', 'ocpp1.6'] as const;
export type Protocol = (typeof protocols)[number];

/** A device id is unique in the installation, so that a charger's URL needs no discom; the discom is its scope all the same. */
export type DeviceKey = { readonly discom: string; readonly deviceId: string };

/** Speaks one protocol. It decides nothing: what shall be sent and when is reconcile.ts's, what was said goes to `Heard` at once. */
export type Driver = {
  /** Opens its sockets; resolves when devices can connect. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** What it needs to reach its devices and has not, what was expected and what to do; null: nothing. */
  wrong?(): string | null;
  /** Where devices connect, once started. */
  endpoint(): string;
  /** Sends the desired state; the answer comes as `Heard.word`. Never throws: an offline device is told when it connects. */
  apply(device: DeviceKey, instruction: Instruction): void;
  /** Takes the desired state back, early or when it has ended by itself; a device that no longer has it answers `ended` too. */
  release(device: DeviceKey, instruction: Instruction, ended: boolean): void;
  /** The device has connected to another gateway since: what is left of its connection here is ended. */
  drop?(device: DeviceKey): void;
  /**
   * Stepped time only: tells the devices it is `now` and resolves when each one that follows steps has sent all that belongs to it.
   * A silent one is waited for `boundMs` of wall time once, then no more until it speaks.
   */
  step(now: Instant, boundMs: number): Promise<{ readonly silent: readonly string[] }>;
};

/** What drivers tell the room, in the order the device said it. */
export type Heard = {
  /** A new connection, or a reboot on the old one: whatever the device held may be gone. */
  online(device: DeviceKey): void;
  offline(device: DeviceKey): void;
  described(device: DeviceKey, about: { readonly vendor: string; readonly model: string }): void;
  sample(device: DeviceKey, sample: Sample): void;
  word(device: DeviceKey, instructionId: string, word: Word, reason: string): void;
  /** The user took over: every instruction of the device that is in force is overridden. */
  override(device: DeviceKey, reason: string): void;
  /** A charging session began or ended: instructions in force are told again, now with its transaction. */
  session(device: DeviceKey): void;
  /** Something that must not be: counted, logged, and otherwise without effect. */
  refused(what: RefusedKind, about: { readonly device?: string; readonly detail: string }): void;
  /** What was given up because a queue was full or nobody was there to take it: counted, never kept. */
  lost(what: LostKind, count: number): void;
};
export type LostKind = 'command' | 'report' | 'frame' | 'word' | 'telling';
export type RefusedKind =
  | 'login'
  | 'publish'
  | 'subscribe'
  | 'oversize'
  | 'malformed'
  | 'unknown_station'
  | 'subprotocol'
  | 'silent';

/** Checks the secret of a device that speaks `protocol`. */
export type Authenticate = (deviceId: string, secret: string, protocol: Protocol) => Promise<Credential>;
export type Credential = DeviceKey | 'unknown_device' | 'wrong_secret';

/** A charger can also be told to begin a session. Stopping one is no way to curtail: many then need to be unplugged. */
export type StartsCharging = {
  startCharging(device: DeviceKey, connectorId: number, idTag: string): Promise<'accepted' | 'rejected' | 'offline'>;
};
