import { Consent_Basis, type Consent as ConsentMessage, Purpose } from '../../gen/lachak/v1/enrolment_pb.ts';
import type { Record as RegistryRecord } from '../../gen/lachak/v1/registry_pb.ts';
import { type Dated, Register } from '../../gen/lachak/v1/types_pb.ts';
import type { Consent, LegalBasis } from '../domain/consent.ts';
import { grouped } from '../domain/grouped.ts';
import { deviceRegister } from '../domain/source.ts';
import type { Deps } from '../host/room.ts';
import { keepConsent, keepEnrolled, withdrawConsent } from './consents-store.ts';
import { markPlaces } from './known-store.ts';
import { keepRecords } from './places-store.ts';

/**
 * Keeps what this room needs: meters with their place in the tiles, connections, the feeder tree; and who may be shown readings. `stir`
 * hears of meters that may be read by a device.
 */
export function follow({ facts }: Deps, stir: () => void): void {
  facts.follow('registry', {
    registryChanged: async (tx, { records }, { discom }) => {
      const kept = grouped(
        records.flatMap(({ record }) => rowOf(discom, record) ?? []),
        ({ table }) => table,
      );
      for (const [table, rows] of kept)
        await keepRecords(
          tx,
          table,
          ['discom', `${table}_id`, 'from_ms'],
          rows.map(({ row }) => row),
        );
      if (kept.size > 0) await markPlaces(tx, discom);
      if (records.some(({ record }) => record.case === 'meter' && deviceRegister(record.value.source) !== null))
        tx.afterCommit(stir);
    },
  });
  facts.follow('enrolment', {
    consentGiven: async (tx, consent, { discom }) => {
      if (consent.purpose === Purpose.READINGS) await keepConsent(tx, discom, consentOf(consent));
    },
    consentWithdrawn: (tx, { consentId, withdrawnAtMs }, { discom }) =>
      withdrawConsent(tx, discom, consentId, Number(withdrawnAtMs)),
    resourceEnrolled: (tx, enrolment, { discom }) => keepEnrolled(tx, discom, enrolment),
  });
}

type Row = { readonly table: 'meter' | 'connection' | 'area'; readonly row: Readonly<Record<string, unknown>> };

function rowOf(discom: string, record: RegistryRecord['record']): Row | null {
  switch (record.case) {
    case 'meter': {
      const meter = record.value;
      const row = {
        discom,
        meter_id: meter.meterId,
        ...dated(meter.dated),
        connection_id: meter.connectionId,
        shard: meter.shard,
        ordinal: meter.ordinal,
        zone: meter.zone || DEFAULT_ZONE,
        interval_minutes: meter.intervalMinutes || DEFAULT_INTERVAL_MINUTES,
        factor: meter.factor || 1,
        has_import: meter.registers.length === 0 || meter.registers.includes(Register.IMPORT),
        has_export: meter.registers.includes(Register.EXPORT),
        parent_meter_id: meter.parentMeterId,
        source: meter.source,
      };
      return { table: 'meter', row };
    }
    case 'connection': {
      const connection = record.value;
      const row = {
        discom,
        connection_id: connection.connectionId,
        ...dated(connection.dated),
        participant_id: connection.participantId,
        area_id: connection.areaId,
        sanctioned_load_w: connection.sanctionedLoadW,
      };
      return { table: 'connection', row };
    }
    case 'area': {
      const { areaId, parentId, dated: of } = record.value;
      return { table: 'area', row: { discom, area_id: areaId, ...dated(of), parent_id: parentId } };
    }
    default:
      return null;
  }
}

const DEFAULT_ZONE = 'Asia/Kolkata';
const DEFAULT_INTERVAL_MINUTES = 30;

const dated = (of: Dated | undefined): { from_ms: bigint; to_ms: bigint | null } => ({
  from_ms: of?.fromMs ?? 0n,
  to_ms: of && of.toMs !== 0n ? of.toMs : null,
});

const consentOf = (message: ConsentMessage): Consent => ({
  consentId: message.consentId,
  basis: Consent_Basis[message.basis] as LegalBasis,
  participantId: message.participantId,
  connectionId: message.connectionId,
  organisationId: message.organisationId,
  purpose: 'READINGS',
  programmeId: message.programmeId,
  resourceIds: [],
  readingsFromDay: message.readingsFromDay,
  givenAt: Number(message.givenAtMs),
  expiresAt: message.expiresAtMs === 0n ? null : Number(message.expiresAtMs),
  withdrawnAt: message.withdrawnAtMs === 0n ? null : Number(message.withdrawnAtMs),
});
