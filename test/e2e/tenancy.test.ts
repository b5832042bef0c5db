import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type DescMessage, type DescMethod, type DescService, getOption, hasOption, toJson } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Access } from '../../gen/lachak/v1/access_pb.ts';
import { Catalogue } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Enrolment } from '../../gen/lachak/v1/enrolment_pb.ts';
import { Clock } from '../../gen/lachak/v1/host_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Performance } from '../../gen/lachak/v1/performance_pb.ts';
import { Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { Settlement } from '../../gen/lachak/v1/settlement_pb.ts';
import { allow, Role as WireRole } from '../../gen/lachak/v1/types_pb.ts';
import { DAY } from '../../services/domain/interval.ts';
import type { CallOptions, Role } from '../../services/host/room.ts';
import { evening } from '../faults/evening.ts';
import { endServer, type House } from '../faults/house.ts';
import { tour } from '../faults/tour.ts';
import { at, CALENDAR, DAY_OF_EVENT, EVENT, homes, PROGRAMME } from '../faults/town.ts';
import { storedIn } from './stored.ts';

// A house in which one DISCOM has lived through an event. Everybody else tries every verb with the names of its things.
const services: readonly DescService[] = [
  Access,
  Catalogue,
  Registry,
  Enrolment,
  Devices,
  Metering,
  Dispatch,
  Performance,
  Settlement,
  Clock,
];
const methods = services.flatMap((service) => service.methods);
const nameOf = (method: DescMethod): string => `${method.parent.name}.${method.name}`;
const ROLES: readonly Role[] = ['operator', 'aggregator', 'cpo', 'consumer', 'verifier', 'meter_source'];
const rolesOf = (method: DescMethod): readonly string[] =>
  hasOption(method, allow) ? getOption(method, allow).map((role) => WireRole[role].toLowerCase()) : [];

const folder = mkdtempSync(join(tmpdir(), 'lachak-tenancy-'));
const story = evening();
let house: House;
let before: string;
/** Names of things that are there, by the field that names them. */
let known: Readonly<Record<string, string>>;

beforeAll(async () => {
  const plan = { folder, clockStart: at(6), faults: [], blows: [], devicesUp: story.devicesUp };
  ({ house } = await tour(story.acts, plan));
  const operator = await house.as('operator');
  const { statements } = await house.connect(Settlement).listStatements({ eventId: EVENT }, operator);
  known = {
    programme_id: PROGRAMME,
    calendar_id: CALENDAR,
    event_id: EVENT,
    participant_id: 'p-1',
    participant_ids: 'p-1',
    party_id: 'p-1',
    connection_id: 'k-1',
    connection_ids: 'k-1',
    settlement_point_id: 'sp-1',
    settlement_point_ids: 'sp-1',
    meter_id: 'm-1',
    meter_ids: 'm-1',
    resource_id: 'r-1',
    resource_ids: 'r-1',
    device_id: 'd-1',
    area_id: 'f-1',
    area_ids: 'f-1',
    consent_id: story.acknowledged.consents.values().next().value!,
    enrolment_id: story.acknowledged.enrolments.values().next().value!,
    run_id: statements[0]!.runId,
    statement_id: statements[0]!.statementId,
  };
  before = await storedIn(house);
});
afterAll(async () => {
  await story.close();
  await house?.stop();
  endServer(folder);
  rmSync(folder, { recursive: true, force: true });
});

/** Fields that name nothing of anybody's, but without which a verb would not look. */
const plain: Readonly<Record<string, unknown>> = {
  table: 'connections',
  purpose: 'billing',
  cycle: '2026-05',
  day: DAY_OF_EVENT,
  days: [DAY_OF_EVENT],
  start_ms: BigInt(at(0)),
  end_ms: BigInt(at(0) + DAY),
  interval_minutes: 30,
  all_shards: true,
  size: 1000,
  with_superseded: true,
  with_readings: true,
};
/** Moving the one clock is no DISCOM's secret, and waiting for an event's end is no test. */
const notTried = new Set(['Clock.Advance', 'Devices.WatchReports']);

/** A request that names what `names` says, wherever a field of that name stands. */
function requestOf(schema: DescMessage, names: Readonly<Record<string, string>>, commandId: string): object {
  const members: Record<string, unknown> = {};
  for (const field of schema.fields) {
    const value = names[field.name] ?? plain[field.name];
    if (field.fieldKind === 'enum') members[field.localName] = 1;
    else if (field.name === 'command_id') members[field.localName] = commandId;
    else if (field.fieldKind === 'message') members[field.localName] = requestOf(field.message, names, commandId);
    else if (field.fieldKind === 'list' && field.listKind === 'message')
      members[field.localName] = field.message.oneofs.length > 0 ? [] : [requestOf(field.message, names, commandId)];
    else if (value !== undefined && (field.fieldKind === 'list' || !Array.isArray(value)))
      members[field.localName] = field.fieldKind === 'list' ? [value].flat() : value;
  }
  return schema.oneofs.length > 0 ? {} : create(schema, members as never);
}

/** What a caller gets to see: the answer as JSON, or the refusal. */
async function tried(
  method: DescMethod,
  names: Readonly<Record<string, string>>,
  commandId: string,
  as: CallOptions,
): Promise<string> {
  const client = house.connect(method.parent) as Record<string, (request: unknown, options: CallOptions) => unknown>;
  const request = requestOf(method.input, names, commandId);
  const show = (answer: unknown) => {
    const chunk = (answer as { chunk?: Uint8Array }).chunk;
    return chunk ? Buffer.from(chunk).toString() : JSON.stringify(toJson(method.output, answer as never));
  };
  try {
    const answer = client[method.localName]!(method.methodKind === 'client_streaming' ? oneOf(request) : request, as);
    if (method.methodKind !== 'server_streaming') return show(await answer);
    const shown: string[] = [];
    for await (const part of answer as AsyncIterable<unknown>) shown.push(show(part));
    return shown.join('\n');
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return `refused: ${code}: ${message}`;
  }
}

async function* oneOf<T>(message: T): AsyncIterable<T> {
  yield message;
}

describe.each(methods.filter((method) => !notTried.has(nameOf(method))).map((method) => [nameOf(method), method] as const))(
  '%s',
  (name, method) => {
    test.each(['operator', 'verifier', 'aggregator', 'consumer'] as const)(
      'tells a %s of another DISCOM about its things what it would tell of things that are not there',
      async (role) => {
        const whose = {
          discom: 'TPDDL',
          organisation: role === 'aggregator' ? 'coolhomes' : '',
          participant: role === 'consumer' ? 'p-1' : '',
        };
        const as = { ...(await house.as(role, whose)), deadlineMs: 5000 };
        const absent = Object.fromEntries(
          Object.entries(known).map(([field, id]) => [field, id === whose.participant ? id : `${id.replace(/-.*/, '')}-absent`]),
        );
        const [there, nowhere] = [
          await tried(method, known, `sweep-${name}-${role}-1`, as),
          await tried(method, absent, `sweep-${name}-${role}-2`, as),
        ];
        expect(there, 'a bug, not a refusal').not.toMatch(/^refused: (undefined|unavailable)/);
        expect(ours(nowhere, whose.participant)).toEqual([]);
        expect(faceless(there, known)).toBe(faceless(nowhere, absent));
      },
    );

    test('refuses every role it is not for', async () => {
      for (const role of ROLES.filter((role) => !rolesOf(method).includes(role))) {
        const whose = { organisation: 'coolhomes', participant: 'p-1' };
        const told = await tried(method, known, `sweep-${name}-${role}`, { ...(await house.as(role, whose)), deadlineMs: 5000 });
        expect(told, role).toMatch(/^refused: role_missing/);
      }
    });
  },
);

/** Names of the first DISCOM's things that stand in an answer to a question that named none of them. */
const ours = (told: string, self: string): string[] =>
  [
    ...Object.values(known),
    ...homes.flatMap(({ id }) => [`p-${id}`, `k-${id}`, `sp-${id}`, `m-${id}`, `r-${id}`, `d-${id}`]),
  ].filter((id) => id !== self && new RegExp(`(?<![\\w-])${id}(?![\\w-])`).test(told));

/** Without the names the caller gave, and without what is derived from them. */
function faceless(told: string, names: Readonly<Record<string, string>>): string {
  const given = [...new Set(Object.values(names))].sort((a, b) => b.length - a.length);
  const unnamed = told
    .replace(/sweep-[\w.-]+/g, '…')
    .replace(/[a-z]+-[a-z2-7]{20}/g, '…')
    .replace(/"secret":"[^"]+"/g, '"secret":"…"')
    .replace(/[0-9a-f]{64}/g, '…');
  return given.reduce((text, id) => text.replaceAll(id, '…'), unnamed);
}

test('the sweep can tell: their own operator gets other answers to the same questions', async () => {
  const as = await house.as('operator');
  const absent = Object.fromEntries(Object.keys(known).map((field) => [field, 'absent']));
  const same: string[] = [];
  for (const method of methods) {
    if (!/^(Get|List|Read|Export)/.test(method.name) || !rolesOf(method).includes('operator')) continue;
    const [there, nowhere] = [await tried(method, known, '', as), await tried(method, absent, '', as)];
    if (faceless(there, known) === faceless(nowhere, absent) && ours(nowhere, '').length === 0) same.push(nameOf(method));
  }
  // These name nobody's things.
  expect(same.sort()).toEqual([
    'Access.ListAccounts',
    'Catalogue.ListPresets',
    'Clock.Get',
    'Devices.GetEndpoints',
    'Settlement.GetIssuer',
  ]);
});

test('a consumer sees nothing of the neighbours', async () => {
  const as = await house.as('consumer', { participant: 'p-2' });
  for (const method of methods) {
    if (notTried.has(nameOf(method)) || !rolesOf(method).includes('consumer') || !/^(Get|List)/.test(method.name)) continue;
    const told = await tried(method, known, 'neighbour', as);
    const seen = homes.flatMap(({ id }) => (id === '2' ? [] : [`p-${id}`, `k-${id}`, `sp-${id}`, `m-${id}`]));
    if (told.startsWith('refused')) continue;
    expect(
      seen.filter((id) => told.includes(`"${id}"`)),
      nameOf(method),
    ).toEqual([]);
  }
});

test('after all that, everything of the first DISCOM is as it was', async () => {
  expect(await storedIn(house)).toBe(before);
});
