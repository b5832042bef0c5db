import type { Record as RegistryRecord } from '../../gen/lachak/v1/registry_pb.ts';
import { type Dated, Register } from '../../gen/lachak/v1/types_pb.ts';
import type { Deps, Tx } from '../host/room.ts';
import { keepRecord } from './places-store.ts';

/** Keeps what this room needs of the registry: meters with their place in the tiles, connections, the feeder tree, who runs what. */
export function follow({ facts }: Deps): void {
  facts.follow('registry', {
    registryChanged: async (tx, { records }, { discom }) => {
      for (const { record } of records) await keep(tx, discom, record);
    },
  });
}

async function keep(tx: Tx, discom: string, record: RegistryRecord['record']): Promise<void> {
  switch (record.case) {
    case 'meter': {
      const meter = record.value;
      return keepRecord(tx, 'meter', ['discom', 'meter_id', 'from_ms'], {
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
      });
    }
    case 'connection': {
      const connection = record.value;
      return keepRecord(tx, 'connection', ['discom', 'connection_id', 'from_ms'], {
        discom,
        connection_id: connection.connectionId,
        ...dated(connection.dated),
        participant_id: connection.participantId,
        area_id: connection.areaId,
        sanctioned_load_w: connection.sanctionedLoadW,
      });
    }
    case 'area': {
      const { areaId, parentId } = record.value;
      return keepRecord(tx, 'area', ['discom', 'area_id', 'from_ms'], {
        discom,
        area_id: areaId,
        ...dated(record.value.dated),
        parent_id: parentId,
      });
    }
    case 'settlementPoint': {
      const { settlementPointId, connectionId, subMeterId } = record.value;
      return keepRecord(tx, 'settlement_point', ['discom', 'settlement_point_id'], {
        discom,
        settlement_point_id: settlementPointId,
        connection_id: connectionId,
        sub_meter_id: subMeterId,
      });
    }
    case 'resource': {
      const { resourceId, settlementPointId, organisationId } = record.value;
      return keepRecord(tx, 'resource', ['discom', 'resource_id', 'from_ms'], {
        discom,
        resource_id: resourceId,
        ...dated(record.value.dated),
        settlement_point_id: settlementPointId,
        organisation_id: organisationId,
      });
    }
    default:
  }
}

const DEFAULT_ZONE = 'Asia/Kolkata';
const DEFAULT_INTERVAL_MINUTES = 30;

const dated = (of: Dated | undefined): { from_ms: bigint; to_ms: bigint | null } => ({
  from_ms: of?.fromMs ?? 0n,
  to_ms: of && of.toMs !== 0n ? of.toMs : null,
});
