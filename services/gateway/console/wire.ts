/** Members of the API's messages that the console reads. 64-bit integers are decimal strings: W, Wh, micro-rupees, ms UTC. */
export type Interval = { startMs: string; endMs: string };
export type Series = { values: string[] };
export type Ratio = { num: string; den: string };

export type Me = { subject: string; roles: string[]; discom: string; organisation: string; participant: string };

export type PayComponent = {
  energy?: { microsPerKwh?: Series; tiers?: { fromPerformance?: Ratio; microsPerKwh: string }[] };
  availability?: { microsPerKwHour: string };
  participation?: { microsPerEvent: string };
  penalty?: { microsPerKwh?: Series; householdsExempt: boolean };
};
export type Terms = {
  direction: string;
  kinds: string[];
  zone: string;
  settlementIntervalMinutes: number;
  windows: { weekdays: number[]; fromMinute: number; toMinute: number }[];
  noticeMinutes: number;
  gateClosureMinutes: number;
  limits?: { eventsPerDay: number; eventsPerMonth: number; eventsPerSeason: number; minutesPerEvent: number };
  baseline?: { select: string; x: number; y: number; adjustment?: { kind: string } };
  pay: PayComponent[];
  holdout?: { sharePpm: number };
};
export type Programme = { programmeId: string; version: number; name: string; preset: string; terms?: Terms };

export type EventState = 'EVENT_STATE_UNSPECIFIED' | 'SCHEDULED' | 'COMMITTED' | 'ACTIVE' | 'ENDED' | 'CANCELLED';
export type EventStatus = {
  eventId: string;
  state: EventState;
  atMs: string;
  resourcesByState: Record<string, number>;
  committedW: string;
  confirmedW: string;
  measuredW: string;
  estimatedW: string;
  targetW: string;
  liveMeters: number;
  resources: number;
  settlementPoints: number;
  holdout: number;
};
export type PeakEvent = {
  eventId: string;
  programmeId: string;
  window: Interval;
  planned?: Interval;
  targetW?: Series;
  areaIds: string[];
  state: EventState;
  reason: string;
  test: boolean;
  gateClosureMs: string;
  commitmentDigest: string;
  status?: EventStatus;
};
export type Instruction = {
  instructionId: string;
  eventId: string;
  resourceId: string;
  settlementPointId: string;
  kind: string;
  areaId: string;
  state: string;
  proof: string;
  proofSource: string;
  expectedW: string;
  reason: string;
  liveW: string;
  liveAtMs: string;
};
export type Curves = {
  runId: string;
  startMs: string;
  intervalMinutes: number;
  baselineWh: string[];
  meteredWh: string[];
  deliveredWh: string[];
  hasMetered: boolean[];
  hasBaseline: boolean[];
  window: Interval;
  points: number;
};
export type Run = {
  runId: string;
  stage: string;
  version: number;
  asOfMs: string;
  closedAtMs: string;
  settlementPoints: number;
  withoutBaseline: number;
  coveragePpm: number;
  coverageReached: boolean;
  deliveredWh: string;
  creditedMicros: string;
  holdoutWouldBeMicros: string;
  holdoutDeliveredWh: string;
  holdoutPoints: number;
  deltaMicros: string;
  changedPoints: number;
  superseded: boolean;
};
export type StatementLine = {
  statementId: string;
  eventId: string;
  partyId: string;
  partyKind: string;
  settlementPointId: string;
  stage: string;
  version: number;
  amountMicros: string;
  deliveredWh: string;
  superseded: boolean;
};
export type Paged = { nextPageToken: string };
