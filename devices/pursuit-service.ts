import { create } from '@bufbuild/protobuf';
import { type Answer, Answer_Outcome, AnswerSchema } from '../gen/lachak/v1/devices_pb.ts';
import { InstructionAnsweredSchema } from '../gen/lachak/v1/facts_pb.ts';
import { Proof, ProofSource } from '../gen/lachak/v1/types_pb.ts';
import type { Instant } from '../services/domain/interval.ts';
import type { Deps, Tx } from '../services/host/room.ts';
import { inTurn } from '../services/host/signal.ts';
import type { DeviceKey, Driver, Heard } from './driver.ts';
import { type Live, unheard, withSample } from './live.ts';
import type { Sample } from './proof.ts';
import { type Deed, pursue, type Said, type Saying } from './pursuit.ts';
import type { Pursuit } from './reconcile.ts';
import type { ReportHub } from './report-service.ts';
import * as store from './store.ts';

/** What the room knows of a device beside its pursuits. */
export type Known = { readonly device: DeviceKey; readonly protocol: string; readonly resourceId: string; readonly live: Live };

/** The loop that brings devices to what is desired of them. */
export type Pursuits = {
  readonly heard: Heard;
  live(device: DeviceKey): Live;
  /** Changes pursuits by command: in turn with the loop, so that an answer and a command never overwrite each other. */
  command<T>(
    discom: string,
    instructionIds: readonly string[],
    work: (tx: Tx, found: readonly Pursuit[]) => Promise<{ changed: Pursuit[]; outcome: T }>,
  ): Promise<T>;
  /** A device was provisioned, or has other links now. */
  know(row: Omit<store.DeviceRow, 'secret_digest' | 'organisation_id' | 'connected_at_ms'>): void;
  start(): Promise<void>;
  /** What the edge refused, and what it lost, since it started. */
  counts(): { readonly refused: Readonly<Record<string, number>>; readonly lost: Readonly<Record<string, number>> };
};

// A silent simulator may hold up a step so long, once.
const STEP_BOUND_MS = 5000;
const ROUNDS_AT_MOST = 20;
const ANSWERS_PER_FACT = 500;
/** Of one device, not yet looked at: while the database is away words wait, but not without end. */
const MOST_SAYINGS = 200;
/** At most one line about losses in this time, wall ms. */
const COMPLAIN_MS = 10_000;

export function openPursuits(
  { clock, database, facts, log }: Deps,
  driverOf: (protocol: string) => Driver | undefined,
  drivers: () => readonly Driver[],
  reports: ReportHub,
): Pursuits {
  const known = new Map<string, Known>();
  const open = new Map<string, Map<string, Pursuit>>();
  const sayings = new Map<string, Saying[]>();
  const touched = new Set<string>();
  const dues = new Map<string, Instant>();
  const unsaved = new Set<string>();
  const refused: Record<string, number> = {};
  const lost: Record<string, number> = {};
  let complainedAt = -COMPLAIN_MS;
  const writing = inTurn();
  const converging = inTurn();
  let stepAt: Instant | null = null;
  let started = false;

  const touch = (key: string): void => {
    const first = touched.size === 0;
    touched.add(key);
    if (first && started) waker.stir();
  };
  const say = (device: DeviceKey, saying: Saying): void => {
    const key = keyOf(device);
    const mine = sayings.get(key) ?? [];
    mine.push(saying);
    if (mine.length > MOST_SAYINGS) {
      mine.shift();
      heard.lost('word', 1);
    }
    sayings.set(key, mine);
    touch(key);
  };
  const change = (device: DeviceKey, next: (live: Live) => Live): void => {
    const key = keyOf(device);
    const entry = known.get(key) ?? { device, protocol: '', resourceId: '', live: unheard };
    known.set(key, { ...entry, live: next(entry.live) });
    unsaved.add(key);
    if (open.has(key)) touch(key);
  };
  const report = (device: DeviceKey, sample: Sample | null): void => {
    const entry = known.get(keyOf(device))!;
    reports.publish({
      ...device,
      resourceId: entry.resourceId,
      at: sample?.at ?? clock.now(),
      powerW: sample?.powerW ?? null,
      registerWh: sample?.registerWh ?? null,
      online: entry.live.online,
      source: sample?.source ?? '',
    });
  };

  const heard: Heard = {
    online: (device) => {
      change(device, (live) => ({ ...live, online: true, session: live.session + 1, seenAt: clock.now() }));
      report(device, null);
    },
    offline: (device) => {
      change(device, (live) => ({ ...live, online: false }));
      report(device, null);
    },
    described: (device, about) => change(device, (live) => ({ ...live, ...about })),
    sample: (device, sample) => {
      change(device, (live) => withSample(live, sample));
      report(device, sample);
    },
    word: (device, instructionId, word, reason) => say(device, { kind: 'word', instructionId, word, reason }),
    override: (device, reason) => say(device, { kind: 'override', reason }),
    session: (device) => say(device, { kind: 'session' }),
    refused: (what, about) => {
      refused[what] = (refused[what] ?? 0) + 1;
      log.warn({ what, ...about, count: refused[what] }, 'the edge refused something');
    },
    lost: (what, count) => {
      lost[what] = (lost[what] ?? 0) + count;
      if (performance.now() < complainedAt + COMPLAIN_MS) return;
      complainedAt = performance.now();
      log.warn({ lost: { ...lost } }, 'the edge gave up what nobody took in time');
    },
  };

  /** Stores what follows from all that was heard and is due, then does it. True: something was sent. */
  const look = (now: Instant): Promise<boolean> =>
    writing(async () => {
      for (const [key, due] of dues) if (due <= now) touched.add(key);
      const keys = [...touched].filter((key) => open.has(key));
      const said: Said[] = [];
      const deeds: Deed[] = [];
      const changed: Pursuit[] = [];
      const planned = new Map<string, Instant | null>();
      const taken = new Map<string, Saying[]>();
      touched.clear();
      for (const key of keys) {
        const words = sayings.get(key) ?? [];
        taken.set(key, words);
        sayings.delete(key);
        const result = pursue([...open.get(key)!.values()], known.get(key)?.live ?? unheard, words, now);
        changed.push(...result.changed);
        said.push(...result.said);
        deeds.push(...result.deeds);
        planned.set(key, result.due);
      }
      try {
        if (changed.length > 0) {
          await database.tx(async (tx) => {
            await store.keepPursuits(tx, changed);
            for (const fact of factsOf(said, now)) await facts.publish(tx, fact);
          });
        }
      } catch (error) {
        for (const key of keys) {
          touched.add(key); // nothing was forgotten: what was said is said again
          const words = [...taken.get(key)!, ...(sayings.get(key) ?? [])];
          if (words.length > 0) sayings.set(key, words.slice(-MOST_SAYINGS));
        }
        throw error;
      }
      for (const pursuit of changed) remember(pursuit);
      for (const [key, due] of planned) {
        if (due !== null && open.has(key)) dues.set(key, due);
        else dues.delete(key);
      }
      for (const key of sayings.keys()) if (!open.has(key) && !touched.has(key)) sayings.delete(key);
      for (const { action, instruction, ended } of deeds) {
        const driver = driverOf(known.get(keyOf(instruction))?.protocol ?? '');
        if (action === 'send') driver?.apply(instruction, instruction);
        else driver?.release(instruction, instruction, ended);
      }
      return deeds.length > 0;
    });

  const remember = (pursuit: Pursuit): void => {
    const key = keyOf(pursuit.instruction);
    const mine = open.get(key) ?? new Map<string, Pursuit>();
    if (pursuit.closed) mine.delete(pursuit.instruction.instructionId);
    else mine.set(pursuit.instruction.instructionId, pursuit);
    if (mine.size > 0) open.set(key, mine);
    else open.delete(key);
  };

  const step = async (now: Instant): Promise<void> => {
    stepAt = now;
    const answers = await Promise.all(drivers().map((driver) => driver.step(now, STEP_BOUND_MS)));
    for (const device of answers.flatMap((answer) => answer.silent))
      heard.refused('silent', { device, detail: 'did not answer the step' });
  };
  /**
   * Until nothing is left to say at `now`. In stepped time devices first live up to `now`, so that what they are told then acts from then
   * on; and they are asked again after every send.
   */
  const converge = (now: Instant): Promise<void> =>
    converging(async () => {
      if (clock.stepped && stepAt !== now) await step(now);
      for (let round = 0; round < ROUNDS_AT_MOST; round++) {
        const sent = await look(now);
        if (clock.stepped && sent) await step(now);
        else if (touched.size === 0) break;
      }
      await keepSeen();
    });

  const keepSeen = async (): Promise<void> => {
    const rows = [...unsaved].flatMap((key) => {
      const { device, live } = known.get(key)!;
      return live.seenAt === null ? [] : [{ ...device, seenAt: live.seenAt, vendor: live.vendor, model: live.model }];
    });
    unsaved.clear();
    await store.keepSeen(database, rows);
  };

  const know: Pursuits['know'] = (row) => {
    const device = { discom: row.discom, deviceId: row.device_id };
    const before = known.get(keyOf(device))?.live;
    const live = before ?? {
      ...unheard,
      vendor: row.vendor,
      model: row.model,
      seenAt: row.seen_at_ms === null ? null : Number(row.seen_at_ms),
    };
    known.set(keyOf(device), { device, protocol: row.protocol, resourceId: row.resource_id, live });
  };

  const waker = clock.wake('reconcile', {
    everywhere: true, // each instance looks after the devices that are connected to it
    next: async () => {
      if (touched.size > 0) return clock.now();
      let first: Instant | null = null;
      for (const due of dues.values()) if (first === null || due < first) first = due;
      return first;
    },
    run: converge,
  });
  if (clock.stepped) clock.onStep('devices', converge);

  return {
    heard,
    live: (device) => known.get(keyOf(device))?.live ?? unheard,
    counts: () => ({ refused, lost }),
    command: async (discom, instructionIds, work) => {
      const { changed, outcome } = await writing(async () => {
        const result = await database.tx(async (tx) => {
          const kept = await work(tx, await store.pursuitsOf(tx, discom, instructionIds));
          await store.keepPursuits(tx, kept.changed);
          return kept;
        });
        for (const pursuit of result.changed) remember(pursuit); // of no session yet: whatever the device has, it is told anew
        return result;
      });
      for (const pursuit of changed) touch(keyOf(pursuit.instruction));
      return outcome;
    },
    know,
    start: async () => {
      const rows = await store.openPursuits(database);
      for (const pursuit of rows) remember(pursuit);
      for (const row of await store.allDevices(database)) know(row);
      for (const key of open.keys()) touched.add(key);
      started = true;
      waker.stir();
    },
  };
}

export const keyOf = ({ discom, deviceId }: DeviceKey): string => `${discom}/${deviceId}`;

function* factsOf(said: readonly Said[], now: Instant) {
  const byEvent = new Map<string, Said[]>();
  for (const one of said) {
    const event = `${one.instruction.discom}/${one.instruction.eventId}`;
    byEvent.set(event, [...(byEvent.get(event) ?? []), one]);
  }
  for (const answers of byEvent.values()) {
    const { discom, eventId } = answers[0]!.instruction;
    for (let i = 0; i < answers.length; i += ANSWERS_PER_FACT) {
      const value = create(InstructionAnsweredSchema, {
        eventId,
        answers: answers.slice(i, i + ANSWERS_PER_FACT).map((a) => answerOf(a, now)),
      });
      yield { discom, key: eventId, body: { case: 'instructionAnswered' as const, value } };
    }
  }
}

const proofs = [Proof.L0_SENT, Proof.L1_ACCEPTED, Proof.L2_APPLIED, Proof.L3_MEASURED] as const;
const answerOf = ({ instruction, outcome, proof, reason }: Said, now: Instant): Answer =>
  create(AnswerSchema, {
    instructionId: instruction.instructionId,
    eventId: instruction.eventId,
    resourceId: instruction.resourceId,
    deviceId: instruction.deviceId,
    outcome: Answer_Outcome[outcome],
    proof: proofs[proof],
    proofSource: proof === 3 ? ProofSource.DEVICE_METER : ProofSource.PROOF_SOURCE_UNSPECIFIED,
    reason,
    atMs: BigInt(now),
  });
