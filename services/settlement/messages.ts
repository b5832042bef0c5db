import { toJson } from '@bufbuild/protobuf';
import { type Calendar, CalendarDaySchema, type RunStage } from '../../gen/lachak/v1/catalogue_pb.ts';
import type { PointResult } from '../../gen/lachak/v1/performance_pb.ts';
import type { Meter } from '../../gen/lachak/v1/registry_pb.ts';
import { Register, SupplyState } from '../../gen/lachak/v1/types_pb.ts';
import type { Json } from '../domain/canonical.ts';
import { exact, rational, readExact } from '../domain/rational.ts';
import type { MeterLink } from './links-store.ts';
import type { Measured, RegisterOf } from './payload.ts';
import type { Point, Slot, SupplyWord } from './point.ts';
import type { Figures } from './run-rows.ts';
import { stageNumber } from './stages.ts';
import type { StatementRow } from './statements-store.ts';
import type { RunRow } from './store.ts';

// Between the wire's messages and the room's words.

export function measuredOf(result: PointResult, household: boolean, registers: readonly RegisterOf[], optOuts = 0): Measured {
  const over = (num: string): string | null =>
    num === '' || result.denominator === '' ? null : exact(rational(BigInt(num), BigInt(result.denominator)));
  const ok = result.status === 'ok';
  const slots = result.slots.map(
    (slot): Slot => ({
      startMs: Number(slot.startMs),
      meteredWh: slot.hasMetered ? Number(slot.meteredWh) : null,
      unadjusted: slot.unadjustedNum === '' ? null : exact(rational(BigInt(slot.unadjustedNum), BigInt(slot.unadjustedDen))),
      baseline: over(slot.baselineNum),
      baselineWh: ok ? Number(slot.baselineWh) : null,
      delivered: over(slot.deliveredNum),
      deliveredWh: slot.deliveredNum === '' ? null : Number(slot.deliveredWh),
      // Energised is what nobody said anything else about.
      supply: (SupplyState[slot.supply || SupplyState.ENERGISED] ?? 'SUPPLY_UNKNOWN') as SupplyWord,
      quality: slot.quality,
    }),
  );
  const { adjustment } = result;
  return {
    settlementPointId: result.settlementPointId,
    connectionId: result.connectionId,
    participantId: result.participantId,
    organisationId: result.organisationId,
    role: result.role === 'HOLDOUT' ? 'HOLDOUT' : 'CHOSEN',
    status: result.status as Point['status'],
    flags: result.flags,
    shard: result.shard,
    candidateDays: result.candidateDays,
    selectedDays: result.selectedDays,
    scoresWh: result.scoresWh.map(Number),
    lowUsageRejected: result.lowUsageRejected,
    ...(result.selectedWeights.length > 0 && { weights: result.selectedWeights }),
    ...(result.refilledDays.length > 0 && { refilledDays: result.refilledDays }),
    ...(result.unreadMs.length > 0 && { unread: result.unreadMs.map(Number) }),
    excludedDays: result.excludedDays.map(({ day, reason }) => ({ day, reason })),
    slots,
    adjustment: adjustment
      ? {
          kind: adjustment.kind,
          observed: adjustment.observedExact,
          reference: adjustment.referenceExact,
          raw: adjustment.rawExact,
          applied: adjustment.appliedExact,
          capped: adjustment.capped,
        }
      : null,
    totals: ok
      ? {
          baseline: exact(readExact(result.baselineTotalExact)),
          baselineWh: Number(result.baselineTotalWh),
          meteredWh: Number(result.meteredTotalWh),
          delivered: exact(readExact(result.deliveredTotalExact)),
          deliveredWh: Number(result.deliveredTotalWh),
        }
      : null,
    missingIntervals: result.missingIntervals,
    unservedIntervals: result.unservedIntervals,
    committedW: Number(result.committedW),
    meterIds: result.meterIds,
    meterDays: result.meterDays.map(({ meterId, day, digest, handOff, signer, receivedAtMs }) => ({
      ...{ meterId, day, handOff, signer },
      digest: digest === '' ? null : digest,
      receivedAtMs: Number(receivedAtMs),
    })),
    enrolmentId: result.enrolmentId,
    readingsConsentId: result.readingsConsentId,
    billingConsentId: result.billingConsentId,
    household,
    registers,
    ...(optOuts > 0 && { optOuts }),
  };
}

export const meterOf = (meter: Meter): MeterLink => ({
  meterId: meter.meterId,
  connectionId: meter.connectionId,
  fromMs: Number(meter.dated?.fromMs ?? 0n),
  toMs: meter.dated?.toMs ? Number(meter.dated.toMs) : null,
  parentMeterId: meter.parentMeterId,
  hasExport: meter.registers.includes(Register.EXPORT),
  intervalMinutes: meter.intervalMinutes,
  zone: meter.zone,
});

export const calendarDays = ({ days }: Calendar): Json => days.map((day) => toJson(CalendarDaySchema, day) as Json);

export function runOf(run: RunRow, newest: boolean) {
  const figures = JSON.parse(run.figures) as Partial<Figures>;
  return {
    runId: run.runId,
    eventId: run.eventId,
    stage: stageNumber[run.stageReached] as RunStage,
    version: run.version,
    asOfMs: BigInt(run.asOfMs),
    closedAtMs: BigInt(run.closedAtMs ?? 0),
    root: run.root,
    settlementPoints: figures.settlementPoints ?? 0,
    withoutBaseline: figures.withoutBaseline ?? 0,
    coveragePpm: figures.coveragePpm ?? 0,
    coverageReached: figures.coverageReached ?? false,
    deliveredWh: BigInt(figures.deliveredWh ?? 0),
    creditedMicros: BigInt(figures.creditedMicros ?? 0),
    holdoutWouldBeMicros: BigInt(figures.holdout?.wouldBeMicros ?? 0),
    holdoutDeliveredWh: BigInt(figures.holdout?.deliveredWh ?? 0),
    holdoutPoints: figures.holdout?.points ?? 0,
    deltaMicros: BigInt(figures.deltaMicros ?? 0),
    changedPoints: figures.changedPoints ?? 0,
    coreSha256: run.coreSha256,
    supersedes: run.supersedes ?? '',
    superseded: run.state === 'closed' && !newest,
  };
}

export const statementLine = (row: StatementRow) => ({
  statementId: row.statementId,
  runId: row.runId,
  eventId: row.eventId,
  partyId: row.partyId,
  partyKind: row.partyKind,
  settlementPointId: row.settlementPointId,
  stage: stageNumber[row.stage] as RunStage,
  version: row.version,
  amountMicros: row.amountMicros,
  deliveredWh: row.deliveredWh,
  superseded: row.superseded,
});
