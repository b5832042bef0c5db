import type { MicroRupees } from '../domain/money.ts';
import type { Queryable, Tx } from '../host/room.ts';
import type { Scope } from '../host/scope.ts';
import type { PartyKind } from './statement.ts';
import type { RunRow } from './store.ts';
import type { Stage } from './terms.ts';

export type StatementRow = {
  readonly statementId: string;
  readonly runId: string;
  readonly eventId: string;
  readonly partyId: string;
  readonly partyKind: PartyKind;
  readonly settlementPointId: string;
  readonly organisationId: string;
  readonly amountMicros: MicroRupees;
  readonly deliveredWh: bigint;
  readonly stage: Stage;
  readonly version: number;
  readonly superseded: boolean;
};

const columns = `s.statement_id as "statementId", s.run_id as "runId", s.event_id as "eventId", s.party_id as "partyId",
  s.party_kind as "partyKind", s.settlement_point_id as "settlementPointId", s.organisation_id as "organisationId",
  s.amount_micros as "amountMicros", s.delivered_wh as "deliveredWh", r.stage, r.version, e.newest_run <> s.run_id as superseded`;
const joined = `statement s join run r on r.discom = s.discom and r.run_id = s.run_id join event e on e.discom = s.discom and e.event_id = s.event_id`;
// A consumer sees what is to the participant; an organisation its own statement and those of its participants.
const within = `($2::text is null or (s.party_kind = 'PARTICIPANT' and s.party_id = $2))
  and ($3::text is null or (s.party_kind <> 'COUNTERPARTY' and s.organisation_id = $3))`;

export const putStatements = (
  tx: Tx,
  { discom, runId, eventId }: RunRow,
  rows: readonly Omit<StatementRow, 'runId' | 'eventId' | 'stage' | 'version' | 'superseded'>[],
) =>
  tx.query(
    `insert into statement (discom, run_id, event_id, statement_id, party_id, party_kind, settlement_point_id, organisation_id, amount_micros, delivered_wh)
     select $1, $2, $3, * from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[])`,
    [
      discom,
      runId,
      eventId,
      rows.map((row) => row.statementId),
      rows.map((row) => row.partyId),
      rows.map((row) => row.partyKind),
      rows.map((row) => row.settlementPointId),
      rows.map((row) => row.organisationId),
      rows.map((row) => row.amountMicros),
      rows.map((row) => row.deliveredWh),
    ],
  );

export async function getStatement(
  db: Queryable,
  { discom, organisation, participant }: Scope,
  statementId: string,
): Promise<StatementRow | null> {
  const [row] = await db.query<StatementRow>(
    `select ${columns} from ${joined} where s.discom = $1 and ${within} and s.statement_id = $4`,
    [discom, participant, organisation, statementId],
  );
  return row ?? null;
}

export type Wanted = {
  readonly eventId: string;
  readonly partyId: string;
  readonly withSuperseded: boolean;
  readonly search: string;
  readonly after: string;
  readonly size: number;
};
/** By party, as people look for them; a page's token is `<party>/<statement>` of its last row. */
export const listStatements = (
  db: Queryable,
  { discom, organisation, participant }: Scope,
  wanted: Wanted,
): Promise<StatementRow[]> =>
  db.query<StatementRow>(
    `select ${columns} from ${joined} where s.discom = $1 and ${within}
       and ($4 = '' or s.event_id = $4) and ($5 = '' or s.party_id = $5) and ($6 or e.newest_run = s.run_id)
       and ($7 = '' or position(lower($7) in lower(s.party_id || ' ' || s.settlement_point_id || ' ' || s.statement_id)) > 0)
       and (s.party_id collate "C", s.statement_id) > (split_part($8, '/', 1), split_part($8, '/', 2))
     order by s.party_id collate "C", s.statement_id limit $9`,
    [
      discom,
      participant,
      organisation,
      wanted.eventId,
      wanted.partyId,
      wanted.withSuperseded,
      wanted.search,
      wanted.after,
      wanted.size,
    ],
  );

/** Whether a run pays through this organisation: what it may see of the run at all. */
export async function concerns(db: Queryable, discom: string, runId: string, organisationId: string): Promise<boolean> {
  const rows = await db.query(`select 1 from statement where discom = $1 and run_id = $2 and organisation_id = $3 limit 1`, [
    discom,
    runId,
    organisationId,
  ]);
  return rows.length > 0;
}
