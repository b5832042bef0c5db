import { Devices, type Telemetry } from '../../gen/lachak/v1/devices_pb.ts';
import { DAY, type Instant, MINUTE } from '../domain/interval.ts';
import { Refusal } from '../domain/outcome.ts';
import { deviceRegister, sourcesOf } from '../domain/source.ts';
import { MISSING } from '../domain/tile.ts';
import type { Deps, Waker } from '../host/room.ts';
import { inTurn } from '../host/signal.ts';
import { zoneDays } from '../host/zone.ts';
import { noFindings } from './findings.ts';
import { type Delivery, type Intake, ingest, type Taken } from './ingest-service.ts';
import type { KnownMeter } from './known.ts';
import { metersNamed } from './places-store.ts';
import { energyOf, type RegisterSpan, type RegisterValue, withValue } from './registers.ts';
import { addRow, noRows } from './rows.ts';
import * as store from './telemetry-store.ts';

/** How often devices are asked what waits. Readings of many devices come together then, in one version a tile. */
const EVERY_MS = 2000;
const MOST_TAKEN = 2000;
/** What a device says later than this is no longer taken: the values beside it are forgotten. */
const REMEMBERED_MS = 35 * DAY;
const FORGET_EVERY_MS = DAY;
const COMPLAIN_MS = 10_000;
const VALID = 1;
const ESTIMATED = 2;
const REJECTED = 5;

type Value = RegisterValue & { readonly meter: KnownMeter; readonly start: Instant };
type Counts = { taken: number; no_meter: number; too_old: number };

/**
 * What registers of devices say becomes readings of the meters that name them as their source: fetched from the devices room, which keeps
 * it until it is on record here. While the record, or the devices room, is away it waits there.
 */
export function followTelemetry(deps: Deps, intake: Intake, tally: (taken: Taken) => void): Waker {
  const { clock, connect, database, log, metrics } = deps;
  const counts: Counts = { taken: 0, no_meter: 0, too_old: 0 };
  metrics.sum('metering_telemetry_total', 'Register values of devices, by what became of them', 'outcome', () => counts);
  let complainedAt = -COMPLAIN_MS;
  let askedAt = Number.NEGATIVE_INFINITY;
  let forgotAt = Number.NEGATIVE_INFINITY;
  const turn = inTurn();

  /** Answers the receipts of all that is done with. Throws when it could not be. */
  const take = async (discom: string, telemetry: readonly Telemetry[], now: Instant): Promise<string[]> => {
    const ripe = telemetry.filter((one) => isRipe(one, now, clock.stepped));
    const found: Counts = { taken: 0, no_meter: 0, too_old: 0 };
    const values = await valuesOf(deps, discom, ripe, now, found);
    // On one connection the interval ends are remembered, on another the readings are stored: remembered is only what is on record.
    await database.tx(async (tx) => {
      await store.holdTelemetry(tx, discom);
      const { spans, energies } = await laid(tx, discom, values);
      await store.keepSpans(tx, discom, spans);
      if (energies.length > 0) tally(await ingest(deps, intake, deliveryOf(discom, energies, now)));
    });
    for (const outcome of Object.keys(found) as (keyof Counts)[]) counts[outcome] += found[outcome];
    return ripe.map(({ receipt }) => receipt);
  };
  const drain = async (now: Instant): Promise<void> => {
    for (const discom of await store.discomsWithDevices(database)) {
      for (let receipts: string[] = []; ; ) {
        intake.readings.ready();
        const { telemetry } = await connect(Devices).takeTelemetry({ receipts, most: MOST_TAKEN }, { discom });
        receipts = await take(discom, telemetry, now);
        if (receipts.length === 0) break;
      }
    }
    if (now < forgotAt + FORGET_EVERY_MS) return;
    forgotAt = now;
    await store.forgetSpans(database, now - REMEMBERED_MS - DAY);
  };
  const patient = (now: Instant): Promise<void> =>
    turn(() =>
      drain(now).catch((error: Error) => {
        if (!(error instanceof Refusal)) throw error;
        if (performance.now() < complainedAt + COMPLAIN_MS) return;
        complainedAt = performance.now();
        log.warn({ code: error.code, why: error.message }, 'what devices said waits; it is asked for again');
      }),
    );

  // A stepped clock is not to stand still every two seconds: at each of its steps what was said until the one before is taken.
  if (clock.stepped) clock.onStep('telemetry', patient);
  return clock.wake('telemetry', {
    next: async () => {
      if (clock.stepped || (await store.discomsWithDevices(database)).length === 0) return null;
      return Math.max(askedAt + EVERY_MS, 0);
    },
    run: async (now) => {
      askedAt = now;
      await patient(now);
    },
  });
}

/**
 * A value from a clock that runs ahead waits until its instant has come. In stepped time one of this instant waits for the next: of this
 * one not every device may have spoken yet, and what a reading is known from must not depend on who was faster.
 */
function isRipe({ values, receivedAtMs }: Telemetry, now: Instant, stepped: boolean): boolean {
  if (stepped && Number(receivedAtMs) >= now) return false;
  return values.every(({ atMs }) => Number(atMs) <= now);
}

async function valuesOf(
  { database }: Deps,
  discom: string,
  telemetry: readonly Telemetry[],
  now: Instant,
  counts: Counts,
): Promise<Value[]> {
  if (telemetry.length === 0) return [];
  const keyOf = (of: { deviceId: string; register: string }): string => `${of.deviceId}/${of.register}`;
  const sources = [...new Set(telemetry.flatMap(sourcesOf))];
  const meterIds = await store.metersOfSources(database, discom, sources);
  const meterOf = new Map<string, KnownMeter>();
  for (const meter of (await metersNamed(database, discom, meterIds)).values()) {
    const register = deviceRegister(meter.source);
    if (register) meterOf.set(keyOf(register), meter);
  }
  const found: Value[] = [];
  for (const one of telemetry) {
    const meter = meterOf.get(keyOf(one));
    for (const { atMs, wh } of one.values) {
      const at = Number(atMs);
      if (!meter) counts.no_meter++;
      else if (at < now - REMEMBERED_MS) counts.too_old++;
      else {
        counts.taken++;
        found.push({ at, wh: Number(wh), meter, start: intervalAt(meter, at) });
      }
    }
  }
  return found;
}

/** The values laid into what is remembered: the spans that changed, and the energy of every interval that could be another by it. */
async function laid(tx: Parameters<typeof store.keepSpans>[0], discom: string, values: readonly Value[]) {
  const meters = new Map(values.map(({ meter }) => [meter.meterId, meter]));
  const names = new Map<string, store.SpanName>();
  const name = (meter: KnownMeter, start: Instant): void => {
    const one = { meterId: meter.meterId, start };
    names.set(store.spanKey(one), one);
  };
  for (const { meter, start } of values) for (let k = -2; k <= 2; k++) name(meter, neighbour(meter, start, k));
  const spans = await store.spansNamed(tx, discom, [...names.values()]);
  const before = new Map(spans);
  const changed = new Map<string, RegisterSpan & store.SpanName>();
  for (const { meter, start, at, wh } of values) {
    const key = store.spanKey({ meterId: meter.meterId, start });
    const span = withValue(spans.get(key), start, { at, wh });
    if (span === spans.get(key)) continue;
    spans.set(key, span);
    changed.set(key, { ...span, meterId: meter.meterId });
  }
  const asked = new Map<string, { meter: KnownMeter; start: Instant }>();
  const ask = (meter: KnownMeter, start: Instant): void =>
    void asked.set(store.spanKey({ meterId: meter.meterId, start }), { meter, start });
  for (const [key, { meterId, start, first, last, broken }] of changed) {
    const [meter, old] = [meters.get(meterId)!, before.get(key)];
    // What only goes on within its interval says nothing new about the one before it.
    if (old?.first.at !== first.at || old.broken !== broken) ask(meter, neighbour(meter, start, -1));
    ask(meter, start);
    if (old?.last.at !== last.at) ask(meter, neighbour(meter, start, 1));
  }
  const energyIn = (known: ReadonlyMap<string, RegisterSpan>, { meter, start }: { meter: KnownMeter; start: Instant }) => {
    const at = (k: number) => known.get(store.spanKey({ meterId: meter.meterId, start: neighbour(meter, start, k) }));
    const span = at(0);
    return span ? energyOf(at(-1), span, at(1), neighbour(meter, start, 1)) : null;
  };
  const energies = [...asked.values()].flatMap((interval) => {
    const [was, is] = [energyIn(before, interval), energyIn(spans, interval)];
    const same = was?.wh === is?.wh && was?.exact === is?.exact;
    return same ? [] : [{ meterId: interval.meter.meterId, start: interval.start, energy: is }];
  });
  return { spans: [...changed.values()], energies };
}

type Energies = Awaited<ReturnType<typeof laid>>['energies'];

/** A device's word: its hand-off says so, and its quality whether the register was read at both ends of the interval. */
function deliveryOf(discom: string, energies: Energies, now: Instant): Delivery {
  const rows = noRows(Math.max(1, energies.length));
  const index = new Map<string, number>();
  for (const [i, { meterId, start, energy }] of energies.entries()) {
    if (!index.has(meterId)) index.set(meterId, rows.meterIds.push(meterId) - 1);
    // A late value may show that the register had turned back: what was said of that interval is withdrawn.
    const quality = energy === null ? REJECTED : energy.exact ? VALID : ESTIMATED;
    addRow(rows, index.get(meterId)!, start, energy?.wh ?? MISSING, MISSING, quality, Number.NaN, i + 1);
  }
  const by = { handOff: 'device telemetry', signer: 'devices', source: null };
  return { discom, command: null, ...by, knownAt: now, rows, told: null, lines: rows.count, refused: 0, findings: noFindings() };
}

function intervalAt(meter: KnownMeter, at: Instant): Instant {
  const calendar = zoneDays(meter.zone);
  const start = calendar.startOf(calendar.dayOf(at));
  return at - ((at - start) % (meter.intervalMinutes * MINUTE));
}

// Days begin on the grid of the intervals in every zone that civil days are kept in.
const neighbour = (meter: KnownMeter, start: Instant, k: number): Instant => start + k * meter.intervalMinutes * MINUTE;
