import { toJson } from '@bufbuild/protobuf';
import { ProgrammeSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import type { Record as RegistryRecord } from '../../gen/lachak/v1/registry_pb.ts';
import type { Deps } from '../host/room.ts';
import { occupantChanged } from './acts-service.ts';
import { type Learned, learn, learnProgramme } from './learned-store.ts';
import * as store from './store.ts';

/** Learns programmes and topology; a change of occupant ends what the former one agreed to. */
export function follow(deps: Deps): void {
  deps.facts.follow('catalogue', {
    programmePublished: (tx, programme, fact) =>
      learnProgramme(tx, fact.discom, {
        programmeId: programme.programmeId,
        version: programme.version,
        validFrom: Number(programme.validFromMs),
        programme: toJson(ProgrammeSchema, programme),
      }),
  });
  deps.facts.follow('registry', {
    registryChanged: async (tx, { records }, fact) => {
      const learned = learnedOf(records);
      await learn(tx, fact.discom, learned);
      for (const { connection_id, participant_id, from_ms } of learned.connections) {
        await store.lockConnection(tx, fact.discom, connection_id);
        await occupantChanged(deps, tx, fact.discom, connection_id, participant_id, from_ms);
      }
    },
  });
}

function learnedOf(records: readonly RegistryRecord[]): Learned {
  const dated = (link: { fromMs: bigint; toMs: bigint } | undefined) => ({
    from_ms: Number(link?.fromMs ?? 0n),
    to_ms: link && link.toMs !== 0n ? Number(link.toMs) : null,
  });
  const of = <C extends NonNullable<RegistryRecord['record']['case']>>(kind: C) =>
    records.flatMap(({ record }) =>
      record.case === kind ? [record.value as Extract<RegistryRecord['record'], { case: C }>['value']] : [],
    );
  return {
    areas: of('area').map((area) => ({ area_id: area.areaId, ...dated(area.dated), parent_id: area.parentId })),
    connections: of('connection').map((connection) => ({
      connection_id: connection.connectionId,
      ...dated(connection.dated),
      participant_id: connection.participantId,
      area_id: connection.areaId,
      tariff_category: connection.tariffCategory,
      sanctioned_load_w: Number(connection.sanctionedLoadW),
      protected: connection.protected,
    })),
    points: of('settlementPoint').map((point) => ({
      settlement_point_id: point.settlementPointId,
      connection_id: point.connectionId,
    })),
    resources: of('resource').map((resource) => ({
      resource_id: resource.resourceId,
      ...dated(resource.dated),
      settlement_point_id: resource.settlementPointId,
      organisation_id: resource.organisationId,
      kind: resource.kind,
    })),
  };
}
