import { Dispatch, InstructionState } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Enrolment } from '../../gen/lachak/v1/enrolment_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Settlement } from '../../gen/lachak/v1/settlement_pb.ts';
import type { CallOptions } from '../../services/host/room.ts';
import type { Acknowledged } from './evening.ts';
import type { Stage } from './play.ts';
import { at, EVENT, homes, ORIGIN, SLOT_MS } from './town.ts';

/** What a house has in the end, in a form that two houses can be compared by. */
export type Books = {
  /** statement id → canonical payload, superseded versions too. */
  readonly payloads: Readonly<Record<string, string>>;
  readonly balances: Readonly<Record<string, string>>;
  readonly sumMicros: bigint;
  readonly runs: readonly string[];
  /** run / settlement point, once for each statement that credits it. */
  readonly credited: readonly string[];
  readonly instructions: readonly string[];
  readonly log: readonly string[];
  readonly billCredits: string;
  readonly lost: readonly string[];
};

const MISSING = -2_147_483_648;

export async function readBooks(stage: Stage, acknowledged: Acknowledged): Promise<Books> {
  const operator = await stage.as('operator');
  const settlement = stage.client(Settlement);
  const page = { size: 1000 };
  const { statements } = await settlement.listStatements({ eventId: EVENT, withSuperseded: true, page }, operator);
  const payloads: Record<string, string> = {};
  for (const { statementId } of statements)
    payloads[statementId] = (await settlement.getStatement({ statementId }, operator)).payload;
  const { runs } = await settlement.listRuns({ eventId: EVENT }, operator);
  const { balances, sumMicros } = await settlement.getBalances({}, operator);
  const { instructions } = await stage.client(Dispatch).listInstructions({ eventId: EVENT, page }, operator);
  const { entries } = await settlement.listLog({ size: 1000 }, operator);
  let billCredits = '';
  for await (const { chunk } of settlement.exportBillCredits({ cycle: '2026-05' }, operator)) billCredits += Buffer.from(chunk);
  return {
    payloads,
    balances: Object.fromEntries(balances.map(({ account, micros }) => [account, String(micros)])),
    sumMicros,
    runs: runs.map((run) => [run.runId, run.stage, run.version, run.creditedMicros, run.deliveredWh, run.deltaMicros].join(' ')),
    credited: statements.filter((line) => line.settlementPointId).map((line) => `${line.runId} ${line.settlementPointId}`),
    instructions: instructions.map((one) => `${one.instructionId} ${one.resourceId} ${InstructionState[one.state]}`),
    // A run's root rests on the salts of persons' keys, which no two houses share.
    log: entries.map((entry) =>
      [entry.index, entry.kind, entry.subject, entry.kind === 'commitment' ? entry.digest : ''].join(' '),
    ),
    billCredits,
    lost: [
      ...(await lostReadings(stage, acknowledged, operator)),
      ...(await lostConsents(stage, acknowledged, operator)),
      ...[...acknowledged.answers].flatMap(([resourceId, will]) => {
        const known = instructions.find((one) => one.resourceId === resourceId);
        const told = known && (will ? known.state !== InstructionState.OPTED_OUT : known.state === InstructionState.OPTED_OUT);
        return told ? [] : [`answer of ${resourceId}: ${known ? InstructionState[known.state] : 'no instruction'}`];
      }),
    ],
  };
}

/** Everything of `list` that stands there a second time. */
export const doubled = (list: readonly string[]): string[] => list.filter((one, i) => list.indexOf(one) !== i);

async function lostReadings(stage: Stage, { readings }: Acknowledged, operator: CallOptions): Promise<string[]> {
  const lost: string[] = [];
  for (const [meterId, slots] of readings) {
    const end = Math.max(...slots.keys()) + SLOT_MS;
    const series = await stage
      .client(Metering)
      .getSeries({ meterId, span: { startMs: BigInt(ORIGIN), endMs: BigInt(end) } }, operator);
    const cells = new DataView(series.importWh.buffer, series.importWh.byteOffset, series.importWh.byteLength);
    for (const [start, wh] of slots) {
      const cell = (start - Number(series.startMs)) / (series.intervalMinutes * 60_000);
      const stored = cell * 4 < cells.byteLength ? cells.getInt32(cell * 4, true) : MISSING;
      if (stored !== wh) lost.push(`reading of ${meterId} at ${new Date(start).toISOString()}: ${stored}, not ${wh}`);
    }
  }
  return lost;
}

async function lostConsents(stage: Stage, acknowledged: Acknowledged, operator: CallOptions): Promise<string[]> {
  const there = new Set<string>();
  for (const { id } of homes) {
    const { consents } = await stage.client(Enrolment).listConsents({ participantId: `p-${id}` }, operator);
    for (const { consentId } of consents) there.add(consentId);
    const { enrolments } = await stage
      .client(Enrolment)
      .listEnrolments({ participantId: `p-${id}`, atMs: BigInt(at(12)) }, operator);
    for (const { enrolmentId } of enrolments) there.add(enrolmentId);
  }
  return [...acknowledged.consents, ...acknowledged.enrolments].filter(([, id]) => !there.has(id)).map(([command]) => command);
}
