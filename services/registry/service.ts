import { createHash } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { PersonErasedSchema, RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import {
  type ErasePersonRequest,
  ErasePersonRequestSchema,
  type GetPersonRequest,
  type GetSettlementPointRequest,
  type ImportCsvRequest,
  ImportMode,
  type ListRecordsRequest,
  PersonSchema,
  RecordSchema,
  RegisterRequestSchema,
  Registry,
} from '../../gen/lachak/v1/registry_pb.ts';
import { holdsAt } from '../domain/interval.ts';
import { forbidden, invalid, notFound, Refusal } from '../domain/outcome.ts';
import { once } from '../host/command.ts';
import { bind, type Caller, type Deps, type Room, type RoomMaker, type Tx } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { NOUNS } from './entry.ts';
import { openBook, take } from './intake.ts';
import { type Checked, checkLine, csvLines, idTaken, inBatches, type Line } from './lines.ts';
import { bodyOf, personOf, toRecord, valueIn } from './records.ts';
import { areasAbove, giveOrdinals, history, lockRegistry, rowsAsOf, saveStates, statesAround } from './store.ts';
import { auditLook, openPersons } from './store-persons.ts';
import { type Fault, type RecordInit, tables } from './tables.ts';

/** Organisations, participants, connections, meters, settlement points, resources and the feeder tree, every link dated. */
export const room: RoomMaker = { name: 'registry', migrations: new URL('./migrations/', import.meta.url), make: registry };

const BATCH = 5000;
const FACT_RECORDS = 500;
const FINDINGS_TOLD = 1000;
const LARGEST_FILE = 256 * 1024 * 1024;

type ToldFinding = Fault & { readonly line: number };
type Outcome = { accepted: number; refused: number; unchanged: number; findings: ToldFinding[] };
type Bulk = {
  readonly commandId: string;
  readonly mode: ImportMode;
  readonly verb: string;
  readonly content: Uint8Array | string;
};

function registry({ clock, database, facts, folder }: Deps): Room {
  const persons = openPersons(folder);

  /** All lines in one transaction; `lines` is asked again when the database asks for another try. */
  const bulk = async ({ commandId, mode, verb, content }: Bulk, caller: Caller, lines: () => Iterable<Line>) => {
    const { discom, organisation } = caller;
    if (!actsForAll(caller) && organisation === '') throw scopeMissing();
    try {
      const { outcome, repeated } = await database.tx((tx) =>
        once(tx, { discom, organisation, commandId, verb, content }, async () => {
          await lockRegistry(tx, discom);
          const outcome = await takeAll(tx, caller, lines());
          if (outcome.refused > 0 && mode !== ImportMode.KEEP_GOOD) throw new NothingKept(outcome);
          return outcome;
        }),
      );
      return toResponse(outcome, repeated);
    } catch (error) {
      // Nothing happened, so nothing is remembered: the same command may come again with the lines put right.
      if (error instanceof NothingKept) return toResponse({ ...error.outcome, accepted: 0, unchanged: 0 }, false);
      throw error;
    }
  };

  const takeAll = async (tx: Tx, caller: Caller, lines: Iterable<Line>): Promise<Outcome> => {
    const outcome: Outcome = { accepted: 0, refused: 0, unchanged: 0, findings: [] };
    const firstLines = new Map<string, number>();
    const refuse = (line: number, faults: readonly Fault[]) => {
      outcome.refused++;
      for (const fault of faults) if (outcome.findings.length < FINDINGS_TOLD) outcome.findings.push({ line, ...fault });
    };
    for (const batch of inBatches(lines, BATCH)) {
      if (caller.signal.aborted) throw invalid('cancelled', 'the caller hung up');
      const checked: Checked[] = [];
      for (const line of batch) {
        const found =
          'faults' in line
            ? line.faults
            : checkLine(line, actsForAll(caller) ? null : caller.organisation, zoneKnown, firstLines);
        if (Array.isArray(found)) refuse(line.line, found);
        else checked.push(found as Checked);
      }
      await takeBatch(tx, caller, checked, outcome, refuse);
    }
    outcome.findings.sort((a, b) => a.line - b.line);
    return outcome;
  };

  const takeBatch = async (
    tx: Tx,
    caller: Caller,
    batch: readonly Checked[],
    outcome: Outcome,
    refuse: (line: number, faults: Fault[]) => void,
  ) => {
    const { discom } = caller;
    const participants = batch.filter(({ entry }) => entry.noun === 'participants').map(({ entry }) => entry.id);
    const book = openBook(
      await statesAround(
        tx,
        discom,
        batch.map(({ entry }) => entry),
      ),
      await persons.particularsOf(tx, discom, participants),
    );
    const kept = new Map<string, Uint8Array | null>();
    for (const { line, entry, record } of batch) {
      const foreign = actsForAll(caller)
        ? undefined
        : book.states.get(`resources/${entry.id}`)?.find((row) => row.holder !== caller.organisation);
      const person = personOf(record);
      const taken = foreign ? idTaken(entry) : take(book, entry, bodyOf(record), person);
      if (typeof taken === 'object') refuse(line, [taken]);
      else outcome[taken]++;
      if (taken === 'accepted' && entry.noun === 'participants') kept.set(entry.id, person);
    }
    const changed = [...book.changed];
    await saveStates(tx, discom, changed);
    if (kept.size > 0) await persons.keep(tx, discom, kept);
    const meters = new Map(changed.filter(({ noun }) => noun === 'meters').map(({ id, grid }) => [id, grid]));
    const places = await giveOrdinals(tx, discom, meters);
    for (const rows of inBatches(changed, FACT_RECORDS)) {
      const records = rows.map((row) => toRecord({ ...row, ...(row.noun === 'meters' && places.get(row.id)) }));
      const value = create(RegistryChangedSchema, { records });
      await facts.publish(tx, { discom, key: discom, body: { case: 'registryChanged', value } });
    }
  };

  const importCsv = async (requests: AsyncIterable<ImportCsvRequest>, caller: Caller) => {
    const { first, chunks, digest } = await received(requests);
    const table = tables[first.table];
    if (!table) throw invalid('table_unknown', `there is no table "${first.table}"; there are ${NOUNS.join(', ')}`, 'table');
    const content = `${first.table}/${first.mode}/${digest}`;
    return bulk({ commandId: first.commandId, mode: first.mode, verb: 'ImportCsv', content }, caller, () =>
      created(csvLines(table, chunks)),
    );
  };

  const listRecords = async ({ table, areaId, atMs, page, search }: ListRecordsRequest, caller: Caller) => {
    const noun = NOUNS.find((known) => known === table);
    if (!noun) throw invalid('table_unknown', `there is no table "${table}"; there are ${NOUNS.join(', ')}`, 'table');
    const size = page?.size || 100;
    if (size > 1000) throw invalid('page_too_large', `a page has at most 1000 entries, not ${size}`, 'page.size');
    const scope = { discom: caller.discom, organisation: seesAll(caller) ? null : caller.organisation };
    const at = instantOf(atMs);
    const rows = await rowsAsOf(database, scope, { noun, at, area: areaId, search, after: page?.token ?? '', limit: size + 1 });
    if (!rows) throw invalid('area_not_applicable', `${table} do not lie in an area`, 'area_id');
    return { records: rows.slice(0, size).map(toRecord), nextPageToken: rows.length > size ? rows[size - 1]!.id : '' };
  };

  const settlementPoint = async ({ settlementPointId, atMs }: GetSettlementPointRequest, caller: Caller) => {
    const { discom } = caller;
    const at = instantOf(atMs);
    const none = () =>
      notFound('settlement_point_not_found', `there is no settlement point ${settlementPointId}`, 'settlement_point_id');
    const [point] = await history(database, discom, 'settlement_points', 'id', settlementPointId);
    if (!point) throw none();
    const connection = (await history(database, discom, 'connections', 'id', point.parent)).find((row) => holdsAt(row, at));
    const all = (await history(database, discom, 'resources', 'parent', settlementPointId)).filter((row) => holdsAt(row, at));
    const resources =
      seesAll(caller) || caller.participant !== '' ? all : all.filter((row) => row.holder === caller.organisation);
    const theirs =
      seesAll(caller) || (caller.participant !== '' ? connection?.holder === caller.participant : resources.length > 0);
    if (!theirs) throw none();
    const meters =
      point.holder !== ''
        ? await history(database, discom, 'meters', 'id', point.holder)
        : (await history(database, discom, 'meters', 'parent', point.parent)).filter((row) => row.holder === '');
    return {
      settlementPoint: valueIn(point, 'settlementPoint'),
      ...(connection && { connection: valueIn(connection, 'connection') }),
      meters: meters.map((row) => valueIn(row, 'meter')),
      resources: resources.map((row) => valueIn(row, 'resource')),
      areaPath: connection ? await areasAbove(database, discom, connection.parent, at) : [],
    };
  };

  const getPerson = async ({ participantId, purpose }: GetPersonRequest, caller: Caller) => {
    const { discom, organisation, subject } = caller;
    if (purpose.trim() === '') throw invalid('purpose_missing', 'say what the particulars are needed for; it is kept', 'purpose');
    const at = clock.now();
    return database.tx(async (tx) => {
      const theirs = actsForAll(caller) || caller.participant === participantId;
      const found = theirs ? (await persons.particularsOf(tx, discom, [participantId])).get(participantId) : undefined;
      if (found === undefined) throw participantMissing(participantId);
      if (found === 'erased')
        throw notFound('person_erased', `the particulars of ${participantId} were erased`, 'participant_id');
      await auditLook(tx, { discom, participantId, at, subject, organisation, purpose });
      return found === 'none' ? {} : fromBinary(PersonSchema, found);
    });
  };

  const erasePerson = async (request: ErasePersonRequest, { discom, organisation }: Caller) => {
    const { commandId, participantId } = request;
    const command = {
      discom,
      organisation,
      commandId,
      verb: 'ErasePerson',
      content: toBinary(ErasePersonRequestSchema, request),
    };
    const { repeated } = await database.tx((tx) =>
      once(tx, command, async () => {
        await lockRegistry(tx, discom);
        const erased = await persons.erase(tx, discom, participantId, clock.now());
        if (erased === false) throw participantMissing(participantId);
        if (erased)
          await facts.publish(tx, {
            discom,
            key: discom,
            body: { case: 'personErased', value: create(PersonErasedSchema, { participantId }) },
          });
        return {};
      }),
    );
    return { id: participantId, repeatedCommand: repeated };
  };

  const instantOf = (atMs: bigint): number => (atMs === 0n ? clock.now() : Number(atMs));
  const binding = bind(Registry, {
    register: (request, caller) => {
      const { commandId, mode, records } = request;
      const lines = records.map((record, i) => ({ line: i + 1, record }));
      return bulk({ commandId, mode, verb: 'Register', content: toBinary(RegisterRequestSchema, request) }, caller, () => lines);
    },
    importCsv,
    listRecords,
    getSettlementPoint: settlementPoint,
    getPerson,
    erasePerson,
    getLeafSalts: async ({ participantIds }, { discom }) => ({
      salts: await persons.leafSalts(database, discom, participantIds),
    }),
  });
  return { bindings: [binding], start: async () => {}, stop: async () => {} };
}

/** Ends the transaction of an ALL_OR_NONE command that has findings. */
class NothingKept extends Error {
  readonly outcome: Outcome;
  constructor(outcome: Outcome) {
    super('nothing kept');
    this.outcome = outcome;
  }
}

const zoneKnown = (zone: string): boolean => {
  try {
    zoneDays(zone);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
};

const participantMissing = (id: string) => notFound('participant_not_found', `there is no participant ${id}`, 'participant_id');

// An empty organisation would be the DISCOM's own: whoever is not the DISCOM must say whom they act for.
const scopeMissing = () => forbidden('scope_missing', 'the token names no organisation or participant to act for');
const actsForAll = ({ roles }: Caller): boolean => roles.includes('operator');
function seesAll({ roles, organisation, participant }: Caller): boolean {
  if (roles.some((role) => role === 'operator' || role === 'verifier' || role === 'room')) return true;
  if (organisation === '' && participant === '') throw scopeMissing();
  return false;
}

/** The whole file, bounded, with its digest: the command is known by its content before the first line is taken. */
async function received(requests: AsyncIterable<ImportCsvRequest>) {
  let first: { commandId: string; table: string; mode: ImportMode } | null = null;
  const chunks: Uint8Array[] = [];
  const hash = createHash('sha256');
  let size = 0;
  for await (const { commandId, table, mode, chunk } of requests) {
    first ??= { commandId, table, mode };
    size += chunk.length;
    if (size > LARGEST_FILE)
      throw invalid('file_too_large', `a file has at most ${LARGEST_FILE} bytes; split it, keeping the header`, 'chunk');
    hash.update(chunk);
    chunks.push(chunk);
  }
  if (!first) throw invalid('file_missing', 'the first message names command_id, table and mode', 'table');
  return { first, chunks, digest: hash.digest('hex') };
}

function* created(lines: Iterable<Line<RecordInit>>): Generator<Line> {
  for (const line of lines) yield 'record' in line ? { line: line.line, record: create(RecordSchema, line.record) } : line;
}

const toResponse = (outcome: Outcome, repeatedCommand: boolean) => ({
  accepted: BigInt(outcome.accepted),
  refused: BigInt(outcome.refused),
  unchanged: BigInt(outcome.unchanged),
  findings: outcome.findings.map(({ line, column, code, message }) => ({ line: BigInt(line), column, code, message })),
  repeatedCommand,
});
