import { readFileSync, rmSync } from 'node:fs';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ProgrammeSchema, type TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Answer_Outcome as Outcome } from '../../gen/lachak/v1/devices_pb.ts';
import { Dispatch, EventState, InstructionState, CohortMember_Role as Role } from '../../gen/lachak/v1/dispatch_pb.ts';
import { ConsentSchema, EnrolmentRecordSchema, Purpose } from '../../gen/lachak/v1/enrolment_pb.ts';
import { RegistryChangedSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Direction, Proof, ProofSource } from '../../gen/lachak/v1/types_pb.ts';
import { HOUR, MINUTE } from '../domain/interval.ts';
import type { Refusal } from '../domain/outcome.ts';
import { sha256Hex } from '../host/ids.ts';
import type { CallOptions, Client } from '../host/room.ts';
import { type TestHost, testHost } from '../host/testing.ts';
import { fakeDevices, fakeMetering } from './fake-rooms.ts';
import { room } from './service.ts';

const MIDNIGHT = Date.parse('2026-05-01T18:30:00Z'); // 2 May in Kolkata
/** 19:00–21:00 in Kolkata, so many days later. */
const evening = (day: number) => ({ start: MIDNIGHT + day * 24 * HOUR + 19 * HOUR, end: MIDNIGHT + day * 24 * HOUR + 21 * HOUR });
const wire = ({ start, end }: { start: number; end: number }) => ({ startMs: BigInt(start), endMs: BigInt(end) });

describe('dispatch, on a real PostgreSQL', () => {
  let host: TestHost;
  let dispatch: Client<typeof Dispatch>;
  let operator: CallOptions;
  let asRoom: CallOptions;
  const devices = fakeDevices();
  const metering = fakeMetering();
  let n = 0;
  const next = () => `c${n++}`;

  const publish = (
    ...[room, key, body]: [
      Parameters<TestHost['facts']['publish']>[0],
      string,
      Parameters<TestHost['facts']['publish']>[1]['body'],
    ]
  ) => host.facts.publish(room, { discom: 'BRPL', key, body });
  const programme = (programmeId: string, over: { holdout?: { sharePpm: number; rotationDays: number } } = {}) => {
    const terms: MessageInitShape<typeof TermsSchema> = {
      direction: Direction.SHED,
      kinds: ['AC', 'CHARGER', 'BEHAVIOURAL'],
      zone: 'Asia/Kolkata',
      settlementIntervalMinutes: 15,
      noticeMinutes: 60,
      gateClosureMinutes: 120,
      ...over,
    };
    const value = create(ProgrammeSchema, { programmeId, version: 1, termsDigest: sha256Hex(programmeId), terms });
    return publish('catalogue', programmeId, { case: 'programmePublished', value });
  };
  /** A home on one meter, with the kinds named, all consents given, enrolled. */
  const home = async (
    id: string,
    programmeId: string,
    { kinds = ['AC'], device = 'd', organisationId = 'agg', isProtected = false, areaId = 'tx-1' } = {},
  ) => {
    const participantId = `p-${id}`;
    const connectionId = `conn-${id}`;
    const settlementPointId = `sp-${id}`;
    const resources = kinds.map((kind) => ({ kind, resourceId: `${kind.toLowerCase()}-${id}` }));
    const value = create(RegistryChangedSchema, {
      records: [
        { record: { case: 'connection', value: { connectionId, participantId, areaId, protected: isProtected } } },
        { record: { case: 'meter', value: { meterId: `m-${id}`, connectionId, shard: 3 } } },
        { record: { case: 'settlementPoint', value: { settlementPointId, connectionId } } },
        ...resources.map(({ kind, resourceId }) => ({
          record: {
            case: 'resource' as const,
            value: {
              resourceId,
              settlementPointId,
              organisationId,
              kind,
              ratedW: kind === 'BEHAVIOURAL' ? 0n : 2000n,
              deviceId: kind === 'BEHAVIOURAL' ? '' : `${device}-${resourceId}`,
            },
          },
        })),
      ],
    });
    await publish('registry', connectionId, { case: 'registryChanged', value });
    for (const purpose of [Purpose.CONTROL, Purpose.READINGS, Purpose.BILLING]) {
      const consent = create(ConsentSchema, {
        consentId: `consent-${Purpose[purpose]}-${id}`,
        participantId,
        connectionId,
        organisationId,
        purpose,
        programmeId,
        resourceIds: purpose === Purpose.CONTROL ? resources.map((r) => r.resourceId) : [],
        readingsFromDay: purpose === Purpose.READINGS ? '2026-01-01' : '',
        givenAtMs: 1n,
      });
      await publish('enrolment', connectionId, { case: 'consentGiven', value: consent });
    }
    for (const { resourceId } of resources) {
      const record = create(EnrolmentRecordSchema, {
        enrolmentId: `enrolment-${resourceId}`,
        programmeId,
        resourceIds: [resourceId],
        connectionId,
        participantId,
        settlementPointId,
        organisationId,
        dated: { fromMs: 1n },
      });
      await publish('enrolment', connectionId, { case: 'resourceEnrolled', value: record });
    }
  };
  const schedule = (eventId: string, programmeId: string, window: { start: number; end: number }, more = {}) =>
    dispatch.scheduleEvent({ commandId: next(), eventId, programmeId, window: wire(window), ...more }, operator);
  const states = async (eventId: string) => {
    const { instructions } = await dispatch.listInstructions({ eventId, page: { size: 1000 } }, operator);
    return Object.fromEntries(instructions.map((row) => [row.resourceId, InstructionState[row.state]]).sort());
  };
  const lineOf = async (eventId: string, resourceId: string) =>
    (await dispatch.listInstructions({ eventId, search: resourceId }, operator)).instructions[0]!;
  const refused = (call: Promise<unknown>) =>
    call.then(
      () => 'not refused',
      (refusal: Refusal) => refusal.code,
    );
  const facts = async (eventId: string) => {
    await host.settled(); // numbered, hence listed
    return (await host.facts.of('dispatch')).filter((fact) => fact.key === eventId);
  };

  beforeAll(async () => {
    host = await testHost({ rooms: [devices.room, metering.room, room], clock: { start: MIDNIGHT } });
    dispatch = host.connect(Dispatch);
    operator = { as: await host.token('operator') };
    asRoom = { discom: 'BRPL' };
  });
  afterAll(async () => {
    await host?.stop();
    if (host) rmSync(host.folder, { recursive: true, force: true }); // a restarted host leaves the folder it was given
  });

  test('the whole life of an event: committed before it opens, noticed, instructed, answered, ended', async () => {
    await programme('summer');
    await home('a', 'summer', { kinds: ['AC', 'BEHAVIOURAL'] });
    await home('b', 'summer', { kinds: ['BEHAVIOURAL'] });
    await home('c', 'summer', { device: 'dead' });
    await home('d', 'summer', { device: 'stubborn' });
    await home('e', 'summer', { isProtected: true });
    await home('f', 'summer');
    metering.typical.set('m-a', 1500);
    metering.typical.set('m-b', 900);
    metering.dark.add('conn-f');
    await host.settled();
    const window = evening(0);
    const event = await schedule('life', 'summer', window, { targetW: { values: [5000n] }, reason: 'hot evening' });
    expect(event).toMatchObject({ state: EventState.SCHEDULED, gateClosureMs: BigInt(window.start - 2 * HOUR) });

    await host.advanceTo(window.start - 2 * HOUR);
    const commitment = await dispatch.getCommitment({ eventId: 'life', allShards: true }, asRoom);
    expect(commitment.members.map((member) => [member.settlementPointId, member.expectedW])).toEqual([
      ['sp-a', 900n + 60n], // 60 % of 1500 W, then a tenth of what is left
      ['sp-b', 90n],
      ['sp-c', 1200n], // no readings: 60 % of the rating
      ['sp-d', 1200n],
    ]);
    expect(commitment.members[0]).toMatchObject({
      meterId: 'm-a',
      shard: 3,
      role: Role.CHOSEN,
      resourceIds: ['ac-a', 'behavioural-a'],
      readingsConsentId: 'consent-READINGS-a',
      readingsFromDay: '2026-01-01',
      billingConsentId: 'consent-BILLING-a',
    });
    expect(sha256Hex(commitment.canonical)).toBe(commitment.digest);
    expect(JSON.parse(commitment.canonical)).toMatchObject({ terms_digest: sha256Hex('summer'), members: [{}, {}, {}, {}] });
    expect((await dispatch.getCommitment({ eventId: 'life', shard: 2 }, asRoom)).members).toEqual([]);

    await host.advanceTo(window.start - HOUR);
    expect(new Set(Object.values(await states('life')))).toEqual(new Set(['NOTIFIED']));
    const bina = { as: await host.token('consumer', { participant: 'p-b' }) };
    await dispatch.answer({ commandId: next(), eventId: 'life', settlementPointId: 'sp-b', will: true }, bina);

    await host.advanceTo(window.start - 5 * MINUTE);
    await host.settled();
    expect(await states('life')).toEqual({
      'ac-a': 'APPLIED',
      'ac-c': 'ISSUED',
      'ac-d': 'FAILED',
      'behavioural-a': 'NOTIFIED',
      'behavioural-b': 'ACKNOWLEDGED',
    });
    expect(devices.applied.find((state) => state.resourceId === 'ac-a')).toMatchObject({
      valid: wire(window),
      setpointDeltaC: 3,
      hasMaxPower: false,
    });

    await host.advanceTo(window.start + 20 * MINUTE);
    await devices.answer(
      devices.applied.find((state) => state.resourceId === 'ac-a')!,
      Outcome.APPLIED,
      Proof.L3_MEASURED,
      ProofSource.DEVICE_METER,
    );
    await host.settled();
    expect(await lineOf('life', 'ac-a')).toMatchObject({
      state: InstructionState.CONFIRMED,
      proof: Proof.L3_MEASURED,
      proofSource: ProofSource.DEVICE_METER,
    });
    expect(await dispatch.getEvent({ eventId: 'life' }, operator)).toMatchObject({
      state: EventState.ACTIVE,
      status: { targetW: 5000n, committedW: 3450n, confirmedW: 900n, estimatedW: 990n, settlementPoints: 4, resources: 5 },
    });

    await host.advanceTo(window.end);
    expect(await dispatch.getEvent({ eventId: 'life' }, operator)).toMatchObject({
      state: EventState.ENDED,
      window: wire(window),
    });
    expect(await states('life')).toMatchObject({ 'ac-a': 'RELEASED', 'ac-d': 'FAILED', 'behavioural-b': 'RELEASED' });
    // A late word changes nothing any more.
    await devices.answer(devices.applied[0]!, Outcome.APPLIED, Proof.L2_APPLIED);
    await host.settled();
    expect((await lineOf('life', 'ac-a')).state).toBe(InstructionState.RELEASED);
    const told = await facts('life');
    expect(told.map((fact) => fact.body.case)).toEqual([
      'eventScheduled',
      'eventCommitted',
      'instructionIssued',
      'instructionIssued',
      'eventEnded',
    ]);
    expect(Number(told[1]!.atMs)).toBeLessThan(window.start);
    const days = await dispatch.getEventDays(
      { settlementPointIds: ['sp-a', 'sp-b', 'sp-f'], span: wire({ start: MIDNIGHT, end: MIDNIGHT + 48 * HOUR }) },
      asRoom,
    );
    expect(days.days.map((day) => [day.settlementPointId, day.day, day.reason])).toEqual([
      ['sp-a', '2026-05-02', 'event'],
      ['sp-b', '2026-05-02', 'event'],
    ]);
  });

  test('a consent withdrawn between selection and instruction: no instruction is written', async () => {
    await programme('withdrawal');
    await home('w1', 'withdrawal');
    await home('w2', 'withdrawal');
    await host.settled();
    const window = evening(1);
    await schedule('withdrawn', 'withdrawal', window);
    await host.advanceTo(window.start - HOUR);
    expect(await states('withdrawn')).toEqual({ 'ac-w1': 'NOTIFIED', 'ac-w2': 'NOTIFIED' });
    const withdrawal = (id: string) =>
      publish('enrolment', `conn-${id}`, {
        case: 'consentWithdrawn',
        value: {
          $typeName: 'lachak.v1.ConsentWithdrawn',
          consentId: `consent-CONTROL-${id}`,
          participantId: `p-${id}`,
          connectionId: `conn-${id}`,
          purpose: Purpose.CONTROL,
          programmeId: 'withdrawal',
          withdrawnAtMs: BigInt(host.clock.now()),
        },
      });
    await withdrawal('w1');
    await host.advanceTo(window.start);
    expect(await states('withdrawn')).toEqual({ 'ac-w1': 'WITHHELD', 'ac-w2': 'APPLIED' });
    expect((await lineOf('withdrawn', 'ac-w1')).reason).toBe('consent withdrawn');
    expect(devices.applied.filter((state) => state.eventId === 'withdrawn').map((state) => state.resourceId)).toEqual(['ac-w2']);
    // While it runs, a withdrawal releases the device at once. The cohort stays for measurement.
    await withdrawal('w2');
    await host.settled();
    const stopped = await lineOf('withdrawn', 'ac-w2');
    expect(stopped.state).toBe(InstructionState.WITHHELD);
    expect(devices.released).toContain(stopped.instructionId);
    expect((await dispatch.getCommitment({ eventId: 'withdrawn', allShards: true }, asRoom)).members).toHaveLength(2);
    const uses = await (await host.database('dispatch')).query(
      'select resource_id, act, consent_id, outcome from consent_use where event_id = $1 order by at_ms, resource_id',
      ['withdrawn'],
    );
    expect(uses.map((use) => Object.values(use))).toEqual([
      ['ac-w1', 'notice', 'consent-CONTROL-w1', 'permitted'],
      ['ac-w2', 'notice', 'consent-CONTROL-w2', 'permitted'],
      ['ac-w2', 'issue', 'consent-CONTROL-w2', 'permitted'],
    ]);
    await host.advanceTo(window.end);
  });

  test('opt-out and override win at once, and late words of the device do not undo them', async () => {
    await programme('leaving');
    await home('o1', 'leaving');
    await home('o2', 'leaving');
    await host.settled();
    const window = evening(2);
    await schedule('left', 'leaving', window);
    await host.advanceTo(window.start + 15 * MINUTE);
    const asha = { as: await host.token('consumer', { participant: 'p-o1' }) };
    const ravi = { as: await host.token('consumer', { participant: 'p-o2' }) };
    expect(await refused(dispatch.answer({ commandId: next(), eventId: 'left', resourceId: 'ac-o1', will: false }, ravi))).toBe(
      'instruction_unknown',
    );
    await dispatch.answer({ commandId: next(), eventId: 'left', resourceId: 'ac-o1', will: false, reason: 'guests' }, asha);
    const [one, two] = ['ac-o1', 'ac-o2'].map((id) => devices.applied.findLast((state) => state.resourceId === id)!);
    await devices.answer(two!, Outcome.OVERRIDDEN);
    await devices.answer(two!, Outcome.APPLIED, Proof.L2_APPLIED);
    await devices.answer(one!, Outcome.APPLIED, Proof.L2_APPLIED);
    await host.settled();
    expect(await states('left')).toEqual({ 'ac-o1': 'OPTED_OUT', 'ac-o2': 'OVERRIDDEN' });
    expect(await lineOf('left', 'ac-o1')).toMatchObject({ reason: 'guests' });
    expect(devices.released).toContain(one!.instructionId);
    await host.advanceTo(window.end);
    expect(await states('left')).toEqual({ 'ac-o1': 'OPTED_OUT', 'ac-o2': 'OVERRIDDEN' });
  });

  test('cancelled while running, the whole intervals that passed are settled; before it opens, nothing', async () => {
    await programme('stop');
    await home('s1', 'stop');
    await host.settled();
    const window = evening(3);
    await schedule('stopped', 'stop', window);
    await host.advanceTo(window.start + 40 * MINUTE);
    const cancelled = await dispatch.cancelEvent({ commandId: next(), eventId: 'stopped', reason: 'grid is fine' }, operator);
    expect(cancelled).toMatchObject({
      state: EventState.ENDED,
      window: wire({ start: window.start, end: window.start + 30 * MINUTE }),
      planned: wire(window),
    });
    await host.settled();
    const ended = (await facts('stopped')).at(-1)!;
    expect(ended.body.value).toMatchObject({
      state: EventState.ENDED,
      window: wire({ start: window.start, end: window.start + 30 * MINUTE }),
    });
    expect(devices.released).toContain((await lineOf('stopped', 'ac-s1')).instructionId);

    const tomorrow = evening(4);
    await schedule('dropped', 'stop', tomorrow);
    await host.advanceTo(tomorrow.start - 90 * MINUTE);
    expect(await dispatch.cancelEvent({ commandId: next(), eventId: 'dropped' }, operator)).toMatchObject({
      state: EventState.CANCELLED,
    });
    expect(await states('dropped')).toEqual({ 'ac-s1': 'RELEASED' });
    expect(await refused(dispatch.cancelEvent({ commandId: next(), eventId: 'dropped' }, operator))).toBe('event_over');
    const { days } = await dispatch.getEventDays(
      { settlementPointIds: ['sp-s1'], span: wire({ start: MIDNIGHT, end: MIDNIGHT + 200 * HOUR }) },
      asRoom,
    );
    expect(days.map((day) => day.eventId)).toEqual(['stopped']);
  });

  test('after gate closure an event can only be shortened, and devices are told', async () => {
    await programme('short');
    await home('h1', 'short');
    await host.settled();
    const window = evening(5);
    await schedule('shorter', 'short', window);
    const moved = { start: window.start + HOUR, end: window.end + HOUR };
    const change = (to: { start: number; end: number }) =>
      dispatch.changeEvent({ commandId: next(), eventId: 'shorter', window: wire(to) }, operator);
    expect((await change(moved)).planned).toMatchObject(wire(moved));
    await change(window);
    await host.advanceTo(window.start + 20 * MINUTE);
    expect(await refused(change({ ...window, end: window.end + HOUR }))).toBe('only_shortening');
    expect(await refused(change({ ...window, end: window.start + 15 * MINUTE }))).toBe('only_shortening');
    const shorter = { ...window, end: window.start + 45 * MINUTE };
    await change(shorter);
    await host.settled();
    expect(devices.applied.at(-1)).toMatchObject({ resourceId: 'ac-h1', valid: wire(shorter) });
    await host.advanceTo(window.end);
    expect(await dispatch.getEvent({ eventId: 'shorter' }, operator)).toMatchObject({
      state: EventState.ENDED,
      window: wire(shorter),
      planned: wire(window),
    });
  });

  test('the process is gone and comes back in the middle: the event goes on, nothing is told twice', async () => {
    await programme('again');
    await home('k1', 'again');
    await home('k2', 'again');
    await host.settled();
    const window = evening(6);
    await schedule('survivor', 'again', window);
    await host.advanceTo(window.start - 5 * MINUTE);
    const before = await dispatch.getCommitment({ eventId: 'survivor', allShards: true }, asRoom);
    const database = await host.database('dispatch');
    // As if killed between telling the devices and noting it.
    await database.query(`update instruction set errand = 'apply' where event_id = 'survivor'`);
    await host.host.stop();
    host = await testHost({ rooms: [devices.room, metering.room, room], folder: host.folder });
    dispatch = host.connect(Dispatch);
    operator = { as: await host.token('operator') };
    await host.settled();
    expect((await dispatch.getCommitment({ eventId: 'survivor', allShards: true }, asRoom)).digest).toBe(before.digest);
    const told = devices.applied.filter((state) => state.eventId === 'survivor');
    expect(new Set(told.map((state) => state.instructionId)).size).toBe(2);
    await host.advanceTo(window.end);
    expect((await facts('survivor')).map((fact) => fact.body.case)).toEqual([
      'eventScheduled',
      'eventCommitted',
      'instructionIssued',
      'instructionIssued',
      'eventEnded',
    ]);
  });

  test('an outage or a new protection before instructions go out withholds them', async () => {
    await programme('dark');
    await home('d1', 'dark');
    await home('d2', 'dark');
    await home('d3', 'dark');
    await host.settled();
    const window = evening(11);
    await schedule('darkened', 'dark', window);
    await host.advanceTo(window.start - HOUR);
    metering.dark.add('conn-d1');
    const protectedNow = create(RegistryChangedSchema, {
      records: [
        {
          record: {
            case: 'connection',
            value: {
              connectionId: 'conn-d2',
              participantId: 'p-d2',
              areaId: 'tx-1',
              protected: true,
              dated: { fromMs: BigInt(host.clock.now()) },
            },
          },
        },
      ],
    });
    await publish('registry', 'conn-d2', { case: 'registryChanged', value: protectedNow });
    await host.advanceTo(window.start);
    expect(await states('darkened')).toEqual({ 'ac-d1': 'WITHHELD', 'ac-d2': 'WITHHELD', 'ac-d3': 'APPLIED' });
    expect([(await lineOf('darkened', 'ac-d1')).reason, (await lineOf('darkened', 'ac-d2')).reason]).toEqual([
      'no supply',
      'protected connection',
    ]);
    await host.advanceTo(window.end);
  });

  test('nobody was running at gate closure and the window has opened: cancelled, never committed after the fact', async () => {
    await programme('missed');
    await home('z1', 'missed');
    await host.settled();
    const window = evening(12);
    await schedule('missed-gate', 'missed', window);
    const database = await host.database('dispatch');
    const late = host.clock.now() - HOUR;
    await database.query(`update event set start_ms = $1, gate_closure_ms = $1 where event_id = 'missed-gate'`, [late]);
    await host.advanceTo(host.clock.now() + MINUTE);
    expect(await dispatch.getEvent({ eventId: 'missed-gate' }, operator)).toMatchObject({
      state: EventState.CANCELLED,
      reason: 'not committed before the window opened',
    });
    expect((await facts('missed-gate')).map((fact) => fact.body.case)).toEqual(['eventScheduled', 'eventEnded']);
  });

  test('a devices room that is away is asked again, within the window', async () => {
    await programme('patience');
    await home('q1', 'patience');
    await host.settled();
    const window = evening(13);
    await schedule('patient', 'patience', window);
    devices.goAway(true);
    await host.advanceTo(window.start + 3 * MINUTE);
    expect(await states('patient')).toEqual({ 'ac-q1': 'ISSUED' });
    devices.goAway(false);
    await host.advanceTo(window.start + 5 * MINUTE);
    expect(await states('patient')).toEqual({ 'ac-q1': 'APPLIED' });
    await host.advanceTo(window.end);
  });

  test('a holdout is drawn, measured and left alone; the draw can be redone from the commitment', async () => {
    await programme('fair', { holdout: { sharePpm: 500_000, rotationDays: 30 } });
    for (let i = 0; i < 12; i++) await home(`x${i}`, 'fair');
    await host.settled();
    const window = evening(14);
    await schedule('drawn', 'fair', window);
    await host.advanceTo(window.start);
    const { members, holdoutSeed } = await dispatch.getCommitment({ eventId: 'drawn', allShards: true }, asRoom);
    const held = members.filter((member) => member.role === Role.HOLDOUT).map((member) => member.settlementPointId);
    expect(held).toEqual(
      members
        .map((member) => member.settlementPointId)
        .filter((id) => Number.parseInt(sha256Hex(`${holdoutSeed}\n${id}`).slice(0, 12), 16) / 2 ** 48 < 0.5),
    );
    expect(held.length).toBeGreaterThan(0);
    const asked = Object.keys(await states('drawn'));
    expect(asked.length + held.length).toBe(12);
    expect(held.filter((id) => asked.includes(id.replace('sp-', 'ac-')))).toEqual([]);
    await host.advanceTo(window.end);
  });

  test('a watcher sees every change until the end, with measured power where meters are live', async () => {
    await programme('watch');
    await home('v1', 'watch');
    await host.settled();
    const window = evening(15);
    await schedule('watched', 'watch', window);
    const seen: { state: number; byState: Record<string, number>; measuredW: bigint; liveMeters: number }[] = [];
    const watching = (async () => {
      for await (const status of dispatch.watchEvent({ eventId: 'watched' }, { ...operator, deadlineMs: 60_000 })) {
        seen.push({
          state: status.state,
          byState: status.resourcesByState,
          measuredW: status.measuredW,
          liveMeters: status.liveMeters,
        });
      }
    })();
    const until = (what: (last: (typeof seen)[number]) => boolean) =>
      expect
        .poll(() => seen.some(what), {
          timeout: 10_000,
          message: () => JSON.stringify(seen, (_, v) => (typeof v === 'bigint' ? String(v) : v)),
        } as never)
        .toBe(true);
    await host.advanceTo(window.start - 6 * MINUTE);
    devices.report('ac-v1', 1400);
    await until((last) => last.liveMeters === 1);
    await host.advanceTo(window.start + 10 * MINUTE);
    devices.report('ac-v1', 500);
    await until((last) => last.measuredW === 900n && last.state === EventState.ACTIVE);
    expect(await lineOf('watched', 'ac-v1')).toMatchObject({ liveW: 500n, liveAtMs: BigInt(window.start + 10 * MINUTE) });
    await host.advanceTo(window.end);
    await watching;
    expect(seen.at(-1)).toMatchObject({ state: EventState.ENDED, byState: { RELEASED: 1 } });
  });

  test('everyone sees and touches only their own; foreign events do not exist', async () => {
    const rival = { as: await host.token('aggregator', { organisation: 'rival' }) };
    const agg = { as: await host.token('aggregator', { organisation: 'agg' }) };
    const other = { as: await host.token('operator', { discom: 'TPDDL' }) };
    const bina = { as: await host.token('consumer', { participant: 'p-b' }) };
    for (const as of [rival, other]) {
      expect(await refused(dispatch.getEvent({ eventId: 'life' }, as))).toBe('event_unknown');
      expect((await dispatch.listEvents({}, as)).events).toEqual([]);
      expect((await dispatch.listInstructions({}, as)).instructions).toEqual([]);
      expect(await refused(dispatch.answer({ commandId: next(), eventId: 'life', resourceId: 'ac-a', will: false }, as))).toBe(
        'instruction_unknown',
      );
    }
    expect(await refused(dispatch.cancelEvent({ commandId: next(), eventId: 'life' }, other))).toBe('event_unknown');
    expect(await refused(dispatch.getCommitment({ eventId: 'life' }, other))).toBe('commitment_unknown');
    expect((await dispatch.listEvents({}, bina)).events.map((event) => event.eventId)).toEqual(['life']);
    expect((await dispatch.listInstructions({}, bina)).instructions.map((row) => row.resourceId)).toEqual(['behavioural-b']);
    const all = (await dispatch.listEvents({}, agg)).events.map((event) => event.eventId);
    expect(all).toContain('life');
    const first = await dispatch.listEvents({ page: { size: 3 } }, operator);
    const second = await dispatch.listEvents({ page: { size: 100, token: first.nextPageToken } }, operator);
    expect([...first.events, ...second.events].map((event) => event.eventId)).toEqual(all);
    const rows = (await dispatch.listInstructions({ eventId: 'life' }, operator)).instructions;
    expect(rows.map((row) => row.resourceId)).toEqual(rows.map((row) => row.resourceId).sort());
    const some = await dispatch.listInstructions({ eventId: 'life', page: { size: 2 } }, operator);
    const others = await dispatch.listInstructions({ eventId: 'life', page: { size: 100, token: some.nextPageToken } }, operator);
    expect([...some.instructions, ...others.instructions]).toEqual(rows);
    expect(await refused(schedule('late', 'summer', evening(0)))).toBe('gate_closure_passed');
    expect(await refused(schedule('nowhere', 'unknown', evening(20)))).toBe('programme_unknown');
    expect(await refused(schedule('astray', 'summer', evening(20), { areaIds: ['tx-99'] }))).toBe('area_unknown');
    const twice = { commandId: 'same', programmeId: 'summer', window: wire(evening(20)) };
    const made = await dispatch.scheduleEvent(twice, operator);
    expect((await dispatch.scheduleEvent(twice, operator)).eventId).toBe(made.eventId);
    expect(await refused(dispatch.scheduleEvent({ ...twice, reason: 'other' }, operator))).toBe('id_reused');
  });

  test('the example of ROOM.md holds', async () => {
    const example = JSON.parse(/```json\n([\s\S]*?)```/.exec(readFileSync(new URL('./ROOM.md', import.meta.url), 'utf8'))![1]!);
    await programme('example');
    for (const id of example.homes) await home(id, 'example');
    await host.settled();
    const window = evening(16);
    await schedule('shown', 'example', window, { targetW: { values: [BigInt(example.target_w)] } });
    await host.advanceTo(window.start);
    expect(Object.keys(await states('shown'))).toHaveLength(example.chosen);
    expect(Number((await dispatch.getEvent({ eventId: 'shown' }, operator)).status!.committedW)).toBe(example.committed_w);
    await host.advanceTo(window.end);
  });

  test('opt-outs of a season are counted: events left with every resource, not overridden, not cancelled', async () => {
    await programme('counted');
    await home('n1', 'counted');
    await home('n2', 'counted', { kinds: ['AC', 'CHARGER'] });
    await home('n3', 'counted', { kinds: ['BEHAVIOURAL'] });
    await host.settled();
    const leaveAt = async (eventId: string, day: number, resourceIds: string[], cancelled = false) => {
      const window = evening(day);
      await schedule(eventId, 'counted', window);
      await host.advanceTo(window.start - 30 * MINUTE);
      for (const resourceId of resourceIds) {
        await dispatch.answer({ commandId: next(), eventId, resourceId, will: false }, operator);
      }
      expect(await refused(dispatch.getOptOuts({ eventId, shard: 3 }, asRoom))).toBe('event_not_over');
      if (cancelled) await dispatch.cancelEvent({ commandId: next(), eventId }, operator);
      else await host.advanceTo(window.end);
    };
    const counted = async (eventId: string, shard = 3) =>
      (await dispatch.getOptOuts({ eventId, shard }, asRoom)).optOuts.map((left) => [left.settlementPointId, left.thisSeason]);

    const today = Math.floor((host.clock.now() - MIDNIGHT) / (24 * HOUR)) + 1;
    await leaveAt('count-1', today, ['ac-n1', 'ac-n2', 'behavioural-n3']);
    await leaveAt('count-2', today + 1, ['ac-n1', 'behavioural-n3'], true);
    await leaveAt('count-3', today + 2, ['ac-n1', 'ac-n2', 'charger-n2']);
    expect(await counted('count-3')).toEqual([
      ['sp-n1', 2],
      ['sp-n2', 1],
    ]);
    // The charger stayed in the first one; what came after it does not change its answer.
    expect(await counted('count-1')).toEqual([
      ['sp-n1', 1],
      ['sp-n3', 1],
    ]);
    expect(await counted('count-1', 4)).toEqual([]);
    expect(await refused(dispatch.getOptOuts({ eventId: 'count-2', shard: 3 }, asRoom))).toBe('event_not_over');
  });

  test('an event whose step fails again and again holds up no instruction of another', async () => {
    await programme('trouble');
    await programme('peace');
    await home('t1', 'trouble');
    await home('t2', 'peace');
    await host.settled();
    const window = evening(40);
    await schedule('a-trouble', 'trouble', window);
    await schedule('b-peace', 'peace', window);
    await host.advanceTo(window.start - HOUR);
    metering.cursed.add('conn-t1');
    await host.advanceTo(window.start - MINUTE).catch(() => {}); // the conductor says what does not settle
    expect(await states('b-peace')).toEqual({ 'ac-t2': 'APPLIED' });
    expect(await states('a-trouble')).toEqual({ 'ac-t1': 'NOTIFIED' });
    metering.cursed.clear();
    await host.advanceTo(window.start);
    expect(await states('a-trouble')).toEqual({ 'ac-t1': 'APPLIED' });
    await host.advanceTo(window.end);
  });
});
