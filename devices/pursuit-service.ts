import { setTimeout as pause } from 'node:timers/promises';
import type { Instant } from '../services/domain/interval.ts';
import type { Deps, Tx } from '../services/host/room.ts';
import { inTurn } from '../services/host/signal.ts';
import { factsOf } from './answers.ts';
import type { DeviceKey, Driver, Heard } from './driver.ts';
import { type Holding, NotHeld } from './holding-service.ts';
import { keyOf, openKnown } from './known-service.ts';
import { type Live, withSample } from './live.ts';
import { partOf } from './part.ts';
import { type Deed, pursue, type Said, type Saying } from './pursuit.ts';
import type { Pursuit } from './reconcile.ts';
import type { ReportHub } from './report-service.ts';
import * as store from './store.ts';

/** The loop that brings devices to what is desired of them. */
export type Pursuits = {
  readonly heard: Heard;
  live(device: DeviceKey): Live;
  /** Empty: unknown here. */
  protocolOf(device: DeviceKey): string;
  /** Changes pursuits by command: in turn with the loop, so that an answer and a command never overwrite each other. */
  command<T>(
    discom: string,
    instructionIds: readonly string[],
    work: (tx: Tx, found: readonly Pursuit[]) => Promise<{ changed: Pursuit[]; outcome: T }>,
  ): Promise<T>;
  /** A device was provisioned, or has other links now. */
  know(row: Pick<store.DeviceRow, 'discom' | 'device_id' | 'protocol' | 'resource_id' | 'vendor' | 'model' | 'seen_at_ms'>): void;
  start(): Promise<void>;
  /** These parts are this instance's to pursue from now on, or no longer. */
  gained(parts: ReadonlySet<number>): Promise<void>;
  lost(parts: ReadonlySet<number>): void;
  /** How many devices are, as far as this instance knows. */
  online(): number;
  /** What the edge refused, and what it lost, since it started. */
  counts(): { readonly refused: Readonly<Record<string, number>>; readonly lost: Readonly<Record<string, number>> };
};

// A silent simulator may hold up a step so long, once.
const STEP_BOUND_MS = 5000;
const ROUNDS_AT_MOST = 20;
/** Of one device, not yet looked at: while the database is away words wait, but not without end. */
const MOST_SAYINGS = 200;
/** What devices of others say is kept so long, wall ms, in case its holder is dead and we are next; and so much of it. */
const OVERHEARD_MS = 10_000;
const MOST_OVERHEARD = 20_000;
/** At most one line about losses in this time, wall ms. */
const COMPLAIN_MS = 10_000;

export function openPursuits(
  deps: Deps,
  driverOf: (protocol: string, device: DeviceKey) => Pick<Driver, 'apply' | 'release'> | undefined,
  drivers: () => readonly Driver[],
  reports: ReportHub,
  holding: Holding,
): Pursuits {
  const { clock, database, facts, log, trace } = deps;
  const open = new Map<string, Map<string, Pursuit>>();
  const sayings = new Map<string, Saying[]>();
  const touched = new Set<string>();
  const dues = new Map<string, Instant>();
  const refused: Record<string, number> = {};
  const lost: Record<string, number> = {};
  let complainedAt = -COMPLAIN_MS;
  const known = openKnown(deps, reports, holding.mine, (key) => open.has(key) && touch(key));
  const { change, report } = known;
  const writing = inTurn();
  const converging = inTurn();
  let stepAt: Instant | null = null;
  let started = false;

  const touch = (key: string): void => {
    const first = touched.size === 0;
    touched.add(key);
    if (first && started) waker.stir();
  };
  let overheard: { device: DeviceKey; saying: Saying; at: number }[] = [];
  const say = (device: DeviceKey, saying: Saying): void => {
    const key = keyOf(device);
    if (!holding.mine(device)) {
      overheard.push({ device, saying, at: performance.now() });
      if (overheard.length > MOST_OVERHEARD) overheard = recent(overheard.slice(-MOST_OVERHEARD / 2));
      return;
    }
    const mine = sayings.get(key) ?? [];
    mine.push(saying);
    if (mine.length > MOST_SAYINGS) {
      mine.shift();
      heard.lost('word', 1);
    }
    sayings.set(key, mine);
    touch(key);
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
        const result = pursue([...open.get(key)!.values()], known.live(deviceIn(key)), words, now);
        changed.push(...result.changed);
        said.push(...result.said);
        deeds.push(...result.deeds);
        planned.set(key, result.due);
      }
      try {
        if (changed.length > 0) {
          await database.tx(async (tx) => {
            await holding.guard(
              tx,
              changed.map((pursuit) => pursuit.instruction),
            );
            await store.keepPursuits(tx, changed);
            for (const { because, ...fact } of factsOf(said, now)) {
              const span = { name: 'devices answered', kind: 'producer', because, about: { 'lachak.event': fact.key } } as const;
              await trace.span(span, () => facts.publish(tx, fact));
            }
          });
        }
      } catch (error) {
        if (error instanceof NotHeld) await holding.look(); // what is no longer ours is forgotten, the rest is looked at again
        for (const key of keys) {
          if (!open.has(key)) continue;
          touched.add(key); // nothing was forgotten: what was said is said again
          const words = [...taken.get(key)!, ...(sayings.get(key) ?? [])];
          if (words.length > 0) sayings.set(key, words.slice(-MOST_SAYINGS));
        }
        if (error instanceof NotHeld) return false;
        throw error;
      }
      for (const pursuit of changed) remember(pursuit);
      for (const [key, due] of planned) {
        if (due !== null && open.has(key)) dues.set(key, due);
        else dues.delete(key);
      }
      for (const key of sayings.keys()) if (!open.has(key) && !touched.has(key)) sayings.delete(key);
      for (const { action, instruction, ended } of deeds) {
        const driver = driverOf(known.protocolOf(instruction), instruction);
        const { deviceId, traceparent: because } = instruction;
        const about = { 'lachak.device': deviceId, 'lachak.protocol': known.protocolOf(instruction) };
        await trace.span({ name: `device is told: ${action}`, kind: 'producer', because, about }, async () =>
          action === 'send' ? driver?.apply(instruction, instruction) : driver?.release(instruction, instruction, ended),
        );
      }
      return deeds.length > 0;
    });

  const remember = (pursuit: Pursuit): void => {
    const key = keyOf(pursuit.instruction);
    const mine = open.get(key) ?? new Map<string, Pursuit>();
    if (!holding.mine(pursuit.instruction)) return;
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
      await known.keepSeen();
    });

  const patiently = async (work: () => Promise<void>): Promise<void> => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (attempt === 60) throw error;
        log.warn({ error: (error as Error).message }, 'what is wanted of devices could not be read; it is tried again');
        await pause(500, undefined, { ref: false });
      }
    }
  };
  /** In turn with the loop: whatever is heard from now on is looked at after it. */
  const load = (wanted: (device: DeviceKey) => boolean): Promise<void> =>
    writing(async () => {
      const rows = (await store.openPursuits(database)).filter((pursuit) => wanted(pursuit.instruction));
      if (rows.some((pursuit) => known.protocolOf(pursuit.instruction) === ''))
        for (const row of await store.allDevices(database)) known.know(row); // provisioned at another gateway
      for (const pursuit of rows) {
        remember(pursuit);
        if (open.has(keyOf(pursuit.instruction))) touched.add(keyOf(pursuit.instruction));
      }
    });

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
    protocolOf: known.protocolOf,
    live: known.live,
    online: known.online,
    counts: () => ({ refused, lost }),
    command: async (discom, instructionIds, work) => {
      const { changed, outcome } = await writing(async () => {
        const result = await database.tx(async (tx) => {
          const kept = await work(tx, await store.pursuitsOf(tx, discom, instructionIds));
          await holding.guard(
            tx,
            kept.changed.map((pursuit) => pursuit.instruction),
          );
          await store.keepPursuits(tx, kept.changed);
          return kept;
        });
        for (const pursuit of result.changed) remember(pursuit); // of no session yet: whatever the device has, it is told anew
        return result;
      });
      for (const pursuit of changed) touch(keyOf(pursuit.instruction));
      return outcome;
    },
    know: known.know,
    start: async () => {
      for (const row of await store.allDevices(database)) known.know(row);
      await load(() => true);
      started = true;
      waker.stir();
    },
    gained: async (parts) => {
      await patiently(() => load((device) => parts.has(partOf(device))));
      const since = recent(overheard);
      overheard = [];
      for (const { device, saying } of since) say(device, saying);
      if (started) waker.stir();
    },
    lost: (parts) => {
      for (const key of [...open.keys()]) {
        if (!parts.has(partOf(deviceIn(key)))) continue;
        open.delete(key);
        dues.delete(key);
        touched.delete(key);
        sayings.delete(key);
      }
    },
  };
}

const recent = <T extends { readonly at: number }>(all: readonly T[]): T[] =>
  all.filter(({ at }) => at > performance.now() - OVERHEARD_MS);
const deviceIn = (key: string): DeviceKey => {
  const cut = key.lastIndexOf('/');
  return { discom: key.slice(0, cut), deviceId: key.slice(cut + 1) };
};
