import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  Adjustment_Kind,
  Baseline_Select,
  Catalogue,
  type ProgrammeSchema,
  type RunStage,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import {
  Dispatch,
  type EventSchema,
  EventState,
  type EventStatusSchema,
  type InstructionSchema,
  InstructionState,
} from '../../gen/lachak/v1/dispatch_pb.ts';
import { Performance } from '../../gen/lachak/v1/performance_pb.ts';
import { type RunSchema, Settlement, type StatementLineSchema } from '../../gen/lachak/v1/settlement_pb.ts';
import { Direction, Proof, ProofSource } from '../../gen/lachak/v1/types_pb.ts';
import { invalid, notFound } from '../../services/domain/outcome.ts';
import { bind, type Caller, type RoomMaker } from '../../services/host/room.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const evening = Date.parse('2026-05-12T18:00:00+05:30');
const DAY = 24 * HOUR;
const RUPEE = 1_000_000n;
const HOMES = 120;

type Programme = MessageInitShape<typeof ProgrammeSchema>;
type PeakEvent = MessageInitShape<typeof EventSchema>;
type Status = MessageInitShape<typeof EventStatusSchema>;
type Instruction = MessageInitShape<typeof InstructionSchema>;
type Run = MessageInitShape<typeof RunSchema>;
type StatementLine = MessageInitShape<typeof StatementLineSchema>;

const terms = {
  direction: Direction.SHED,
  kinds: ['AC', 'CHARGER', 'BEHAVIOURAL'],
  zone: 'Asia/Kolkata',
  settlementIntervalMinutes: 15,
  windows: [{ weekdays: [], fromMinute: 18 * 60, toMinute: 23 * 60 }],
  noticeMinutes: 120,
  gateClosureMinutes: 180,
  limits: { eventsPerDay: 1, eventsPerMonth: 8, eventsPerSeason: 30, minutesPerEvent: 120 },
  baseline: { select: Baseline_Select.HIGH, x: 10, y: 10, adjustment: { kind: Adjustment_Kind.MULTIPLICATIVE } },
  pay: [
    { component: { case: 'energy' as const, value: { microsPerKwh: { values: [4n * RUPEE] } } } },
    { component: { case: 'participation' as const, value: { microsPerEvent: 10n * RUPEE } } },
  ],
  holdout: { sharePpm: 50_000 },
};
const programmes: Programme[] = [
  { programmeId: 'evening-homes', version: 2, name: 'Evening peak, homes', terms },
  {
    programmeId: 'shops',
    version: 1,
    name: 'Shops and offices',
    terms: {
      ...terms,
      kinds: ['AC', 'PUMP', 'BATTERY'],
      windows: [{ weekdays: [1, 2, 3, 4, 5], fromMinute: 14 * 60, toMinute: 20 * 60 }],
      baseline: { select: Baseline_Select.HIGH, x: 5, y: 10 },
      pay: [
        { component: { case: 'energy', value: { microsPerKwh: { values: [4n * RUPEE, (11n * RUPEE) / 2n] } } } },
        { component: { case: 'penalty', value: { microsPerKwh: { values: [2n * RUPEE] }, householdsExempt: true } } },
      ],
      holdout: { sharePpm: 0 },
    },
  },
  {
    programmeId: 'solar-hours',
    version: 1,
    name: 'Solar hours',
    terms: {
      ...terms,
      direction: Direction.ABSORB,
      kinds: ['CHARGER', 'WATER_HEATER', 'PUMP'],
      windows: [{ weekdays: [], fromMinute: 540, toMinute: 960 }],
    },
  },
];

const event = (eventId: string, state: EventState, start: number, more: Partial<PeakEvent> = {}): PeakEvent => {
  const window = { startMs: BigInt(start), endMs: BigInt(start + 2 * HOUR) };
  return {
    eventId,
    programmeId: 'evening-homes',
    window,
    planned: window,
    targetW: { values: [90_000n] },
    state,
    gateClosureMs: window.startMs - BigInt(3 * HOUR),
    commitmentDigest: state === EventState.SCHEDULED ? '' : '5f0c3f0ad1b7a7f0b0e9d2c4c53cf1b4a86a7c0ddc2e3d9c6a1a4f3c7b8e9d01',
    ...more,
  } as PeakEvent;
};
const summary = (eventId: string, state: EventState, committedW: bigint): Status => ({
  eventId,
  state,
  atMs: BigInt(evening),
  committedW,
  resources: HOMES,
  settlementPoints: 100,
  holdout: 5,
  resourcesByState: { RELEASED: 112, OPTED_OUT: 4, FAILED: 3, WITHHELD: 1 },
});
const events: PeakEvent[] = [
  event('next-week', EventState.SCHEDULED, evening + 5 * DAY, { reason: 'Heat wave forecast' }),
  event('tomorrow', EventState.COMMITTED, evening + DAY, {
    status: { ...summary('tomorrow', EventState.COMMITTED, 84_300n), resourcesByState: { PLANNED: 90, NOTIFIED: 30 } },
  }),
  event('tonight', EventState.ACTIVE, evening, {
    reason: 'Feeder Saket-4 near its limit',
    status: summary('tonight', EventState.ACTIVE, 96_400n),
  }),
  event('last-week', EventState.ENDED, evening - 7 * DAY, {
    reason: 'Evening peak',
    status: summary('last-week', EventState.ENDED, 101_250n),
  }),
  event('just-ended', EventState.ENDED, evening - 2 * DAY, {
    status: summary('just-ended', EventState.ENDED, 88_000n),
    targetW: { values: [] },
  }),
  event('solar-test', EventState.CANCELLED, evening - 9 * DAY - 7 * HOUR, {
    programmeId: 'solar-hours',
    test: true,
    targetW: { values: [] },
  }),
];

const name = (prefix: string, i: number): string => `${prefix}-${String(i + 1).padStart(3, '0')}`;
const states = [InstructionState.CONFIRMED, InstructionState.APPLIED, InstructionState.ACKNOWLEDGED, InstructionState.CONFIRMED];
const oddStates = [InstructionState.OPTED_OUT, InstructionState.OVERRIDDEN, InstructionState.FAILED, InstructionState.WITHHELD];
const instructions = (eventId: string): Instruction[] =>
  Array.from({ length: HOMES }, (_, i) => {
    const kind = i % 4 === 3 ? 'BEHAVIOURAL' : i % 6 === 0 ? 'CHARGER' : 'AC';
    const state = i % 17 === 5 ? oddStates[i % 4]! : kind === 'BEHAVIOURAL' ? InstructionState.NOTIFIED : states[i % 4]!;
    const metered = kind === 'CHARGER';
    return {
      instructionId: `${eventId}-${i}`,
      eventId,
      resourceId: name(kind.toLowerCase(), i),
      settlementPointId: name('point', i % 100),
      participantId: name('home', i % 100),
      kind,
      areaId: i % 2 ? 'feeder-saket-4' : 'feeder-saket-7',
      state,
      proof: metered ? Proof.L3_MEASURED : kind === 'AC' ? Proof.L2_APPLIED : Proof.L0_SENT,
      proofSource: metered ? ProofSource.DEVICE_METER : ProofSource.PROOF_SOURCE_UNSPECIFIED,
      expectedW: BigInt(650 + (i % 7) * 190),
      liveW: metered ? 420n : 0n,
      liveAtMs: metered ? BigInt(evening) : 0n,
      reason: state === InstructionState.OVERRIDDEN ? 'set back to 22 °C by hand' : '',
    };
  });

const run = (eventId: string, version: number, stage: RunStage, more: Run): Run => ({
  runId: `${eventId}-run-${version}`,
  eventId,
  version,
  stage,
  asOfMs: BigInt(evening - 7 * DAY + (version + 1) * DAY),
  closedAtMs: BigInt(evening - 7 * DAY + (version + 1) * DAY + MINUTE),
  settlementPoints: 100,
  withoutBaseline: 2,
  coveragePpm: 987_500,
  coverageReached: true,
  deliveredWh: 171_420n,
  creditedMicros: 1_685_680_000n,
  holdoutWouldBeMicros: 23_450_000n,
  holdoutDeliveredWh: 1_240n,
  holdoutPoints: 5,
  ...more,
});
const runs = (eventId: string): Run[] =>
  eventId === 'last-week'
    ? [
        run(eventId, 2, 2 as RunStage, { deltaMicros: 4_320_000n, changedPoints: 1 }),
        run(eventId, 1, 1 as RunStage, { creditedMicros: 1_681_360_000n, deliveredWh: 170_340n, superseded: true }),
      ]
    : [];
const statements: StatementLine[] = Array.from({ length: HOMES }, (_, i) => ({
  statementId: `statement-${i}`,
  runId: 'last-week-run-2',
  eventId: 'last-week',
  partyId: i < 100 ? name('home', i) : i < 110 ? name('home', i - 100) : name('aggregator', i - 110),
  partyKind: i < 110 ? 'PARTICIPANT' : 'ORGANISATION',
  settlementPointId: i < 110 ? name('point', i % 100) : '',
  stage: (i >= 100 && i < 110 ? 1 : 2) as RunStage,
  version: i >= 100 && i < 110 ? 1 : 2,
  amountMicros: BigInt(10_000_000 + i * 431_000) * (i >= 110 ? 1_000n : 1n),
  deliveredWh: BigInt(i === 7 ? -240 : 900 + i * 37),
  superseded: i >= 100 && i < 110,
}));

/** Curves with a gap where readings are missing, and one interval without a baseline. */
function curves(eventId: string, settlementPointId: string) {
  const start = Number(events.find((one) => one.eventId === eventId)!.window!.startMs);
  const scale = settlementPointId ? 1 : 100;
  const slots = Array.from({ length: 24 }, (_, i) => i);
  const baseline = slots.map((i) => BigInt(Math.round(scale * (520 + 90 * Math.sin(i / 4)))));
  const metered = slots.map((i) =>
    BigInt(
      Math.round(
        scale *
          (520 +
            90 * Math.sin(i / 4) +
            (i >= 8 && i < 16 ? -210 + 12 * (i - 8) : i >= 16 ? 60 - 6 * (i - 16) : 8 * Math.sin(i * 2))),
      ),
    ),
  );
  const missing = (i: number) => settlementPointId !== '' && (i === 11 || i === 12);
  return {
    runId: `${eventId}-run-2`,
    startMs: BigInt(start - 2 * HOUR),
    intervalMinutes: 15,
    baselineWh: baseline,
    meteredWh: metered.map((wh, i) => (missing(i) ? 0n : wh)),
    deliveredWh: slots.map((i) => (missing(i) ? 0n : baseline[i]! - metered[i]!)),
    hasMetered: slots.map((i) => !missing(i)),
    hasBaseline: slots.map((i) => i !== 22),
    window: { startMs: BigInt(start), endMs: BigInt(start + 2 * HOUR) },
    points: settlementPointId ? 1 : 100,
  };
}

/** A programme of events kept in memory, and what the browser did to it. */
export function pretence() {
  const answers: string[] = [];
  let cut: () => void = () => {};
  let after = 0;

  async function* watch({ eventId }: { eventId: string }, caller: { signal?: AbortSignal }): AsyncGenerator<Status> {
    const now = events.find((one) => one.eventId === eventId);
    if (!now) throw notFound('event_not_found', `there is no event ${eventId}`, 'event_id');
    if (eventId !== 'tonight') {
      yield { ...(now.status ?? { atMs: BigInt(evening), resources: 0 }), eventId, state: now.state! };
      if (now.state === EventState.ENDED || now.state === EventState.CANCELLED) return;
    }
    const broken = new Promise<'broken'>((resolve) => {
      cut = () => resolve('broken');
    });
    for (; ; after += 1) {
      if (eventId === 'tonight') yield liveStatus(after);
      const pause = new Promise<'on'>((resolve) => setTimeout(resolve, after < 45 ? 10 : 400, 'on'));
      if (caller.signal?.aborted) return;
      if ((await Promise.race([pause, broken])) === 'broken') throw new Error('the line was cut');
    }
  }

  const rooms: RoomMaker = {
    name: 'catalogue',
    migrations: new URL('file:///nonexistent/'),
    make: () => ({
      bindings: [
        bind(Catalogue, {
          listProgrammes: async () => ({ programmes }),
          getProgramme: async ({ programmeId }: { programmeId: string }) =>
            programmes.find((one) => one.programmeId === programmeId)!,
        } as never),
        bind(Dispatch, {
          listEvents: async () => ({ events }),
          getEvent: async ({ eventId }: { eventId: string }) => {
            const found = events.find((one) => one.eventId === eventId);
            if (!found) throw notFound('event_not_found', `there is no event ${eventId}`, 'event_id');
            return found;
          },
          scheduleEvent: async (wish: { window: { startMs: bigint; endMs: bigint } }) => {
            const minute = (Number(wish.window.startMs) / MINUTE + 330) % 1440;
            if (minute < 18 * 60) {
              const start = Number(wish.window.startMs) + (18 * 60 - minute) * MINUTE;
              const length = Number(wish.window.endMs - wish.window.startMs);
              const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z');
              throw invalid(
                'outside_call_windows',
                `the terms allow no event then; the nearest valid window is ${iso(start)} to ${iso(start + length)}`,
                'window',
              );
            }
            const made = event('made-here', EventState.SCHEDULED, Number(wish.window.startMs));
            events.unshift(made);
            return made;
          },
          cancelEvent: async ({ eventId }: { eventId: string }) => {
            const found = events.find((one) => one.eventId === eventId)!;
            found.state = EventState.CANCELLED;
            found.window = { startMs: found.window!.startMs!, endMs: found.window!.startMs! };
            return found;
          },
          watchEvent: watch,
          listInstructions: async (wish: {
            eventId: string;
            participantId: string;
            search: string;
            page?: { size: number; token: string };
          }) => {
            const all = wish.participantId ? ['tomorrow', 'last-week'].flatMap(instructions) : instructions(wish.eventId);
            const found = all.filter(
              (one) =>
                (!wish.participantId || one.participantId === wish.participantId) &&
                `${one.resourceId} ${one.settlementPointId} ${one.areaId} ${InstructionState[one.state!]}`.includes(wish.search),
            );
            return { ...paged(found, wish.page, 'instructions') };
          },
          answer: async ({ eventId, resourceId, will }: { eventId: string; resourceId: string; will: boolean }) => {
            answers.push(`${eventId} ${resourceId} ${will}`);
            return { id: resourceId };
          },
        } as never),
        bind(Performance, {
          getCurves: async ({ eventId, settlementPointId }: { eventId: string; settlementPointId: string }) => {
            if (settlementPointId && !settlementPointId.startsWith('point-')) {
              throw notFound(
                'settlement_point_not_found',
                `the event has no settlement point ${settlementPointId}`,
                'settlement_point_id',
              );
            }
            return curves(eventId, settlementPointId);
          },
        } as never),
        bind(Settlement, {
          listRuns: async ({ eventId }: { eventId: string }) => ({ runs: runs(eventId) }),
          openRun: async ({ eventId }: { eventId: string }) => run(eventId, 1, 1 as RunStage, { closedAtMs: 0n }),
          listStatements: async (
            wish: {
              eventId: string;
              partyId: string;
              search: string;
              withSuperseded: boolean;
              page?: { size: number; token: string };
            },
            caller: Caller,
          ) => {
            const party = wish.partyId || caller.participant;
            const found = statements.filter(
              (one) =>
                (wish.withSuperseded || !one.superseded) &&
                (!party || one.partyId === party) &&
                `${one.partyId} ${one.settlementPointId}`.includes(wish.search),
            );
            return paged(found, wish.page, 'statements');
          },
          getStatement: async ({ statementId }: { statementId: string }) => ({ signed: `{"of":"${statementId}"}` }),
          exportBillCredits: async function* () {
            yield { chunk: new TextEncoder().encode('connection,cycle,charge_code,reference,amount\n') };
          },
        } as never),
      ],
      start: async () => {},
      stop: async () => {},
    }),
  };
  return { rooms, answers, cut: () => cut() };
}

function liveStatus(step: number): Status {
  const minutes = Math.min(step * 2, 90);
  const rise = 1 - Math.exp(-minutes / 12);
  return {
    eventId: 'tonight',
    state: EventState.ACTIVE,
    atMs: BigInt(evening + minutes * MINUTE + Math.max(0, step - 45) * 1000),
    resourcesByState: {
      CONFIRMED: 20,
      APPLIED: 46,
      ACKNOWLEDGED: 20,
      NOTIFIED: 24,
      OPTED_OUT: 3,
      OVERRIDDEN: 2,
      FAILED: 4,
      WITHHELD: 1,
    },
    committedW: 96_400n,
    targetW: 90_000n,
    measuredW: BigInt(Math.round(31_500 * rise + 1200 * Math.sin(minutes / 5))),
    estimatedW: BigInt(Math.round(52_000 * rise)),
    liveMeters: 20,
    resources: HOMES,
    settlementPoints: 100,
    holdout: 5,
  };
}

function paged<T>(all: T[], page: { size: number; token: string } | undefined, member: string) {
  const from = Number(page?.token || 0);
  const size = page?.size || 100;
  return { [member]: all.slice(from, from + size), nextPageToken: from + size < all.length ? String(from + size) : '' };
}
