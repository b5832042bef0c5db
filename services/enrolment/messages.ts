import {
  Backup as BackupOnWire,
  Consent_Basis,
  type Consent as ConsentMessage,
  Purpose as PurposeOnWire,
} from '../../gen/lachak/v1/enrolment_pb.ts';
import type { LegalBasis, Purpose } from '../domain/consent.ts';
import type { Act } from './act.ts';
import type { Backup } from './admission.ts';
import type { ConsentRow, EnrolmentRow } from './store.ts';

/** What a person signed, out of the request; ids and times of the request are not read. */
export const readAct = (draft: ConsentMessage): Act => ({
  purpose: purposes[draft.purpose] ?? null,
  basis: bases[draft.basis] ?? 'CONSENT',
  participantId: draft.participantId,
  connectionId: draft.connectionId,
  resourceIds: draft.resourceIds,
  readingsFromDay: draft.readingsFromDay,
  expiresAt: draft.expiresAtMs === 0n ? null : Number(draft.expiresAtMs),
  evidence: {
    kind: draft.evidence?.kind ?? '',
    reference: draft.evidence?.reference ?? '',
    digest: draft.evidence?.digest ?? '',
  },
});

export const readBackup = (backup: BackupOnWire): Backup | null => backups[backup] ?? null;

export const consentMessage = (row: ConsentRow) => ({
  consentId: row.consentId,
  participantId: row.participantId,
  connectionId: row.connectionId,
  organisationId: row.organisationId,
  purpose: PurposeOnWire[row.purpose],
  programmeId: row.programmeId,
  resourceIds: [...row.resourceIds],
  readingsFromDay: row.readingsFromDay,
  givenAtMs: BigInt(row.givenAt),
  expiresAtMs: BigInt(row.expiresAt ?? 0),
  evidence: row.evidence,
  withdrawnAtMs: BigInt(row.withdrawnAt ?? 0),
  basis: Consent_Basis[row.basis],
});

export const enrolmentMessage = (row: EnrolmentRow) => ({
  enrolmentId: row.enrolmentId,
  programmeId: row.programmeId,
  resourceIds: [row.resourceId],
  connectionId: row.connectionId,
  participantId: row.participantId,
  settlementPointId: row.settlementPointId,
  organisationId: row.organisationId,
  backup: BackupOnWire[row.backup],
  dated: { fromMs: BigInt(row.from), toMs: BigInt(row.to ?? 0) },
  termsVersion: row.termsVersion,
});

const purposes: Partial<Record<PurposeOnWire, Purpose>> = {
  [PurposeOnWire.CONTROL]: 'CONTROL',
  [PurposeOnWire.READINGS]: 'READINGS',
  [PurposeOnWire.BILLING]: 'BILLING',
};
const bases: Partial<Record<Consent_Basis, LegalBasis>> = {
  [Consent_Basis.CONSENT]: 'CONSENT',
  [Consent_Basis.CONTRACT]: 'CONTRACT',
  [Consent_Basis.REGULATION]: 'REGULATION',
};
const backups: Partial<Record<BackupOnWire, Backup>> = {
  [BackupOnWire.NO_BACKUP]: 'NO_BACKUP',
  [BackupOnWire.INVERTER]: 'INVERTER',
  [BackupOnWire.DIESEL]: 'DIESEL',
};
