import type { DescMethod, DescService } from '@bufbuild/protobuf';
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

/** One verb of a room as an HTTP route. Path parameters, query and body together are the request message in proto3 JSON. */
export type Route = {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly service: DescService;
  readonly rpc: DescMethod;
  readonly summary: string;
};

const route = (method: Route['method'], path: string, service: DescService, rpc: DescMethod, summary: string): Route => ({
  method,
  path,
  service,
  rpc,
  summary,
});

/** The JSON API, in the order in which a programme lives. Streams, uploads and downloads are in transfers.ts. */
export const routes: readonly Route[] = [
  route('GET', '/presets', Catalogue, Catalogue.method.listPresets, 'Named presets of terms'),
  route('GET', '/programmes', Catalogue, Catalogue.method.listProgrammes, 'Programmes, newest versions'),
  route('POST', '/programmes', Catalogue, Catalogue.method.publishProgramme, 'Publish a programme, or its next version'),
  route(
    'GET',
    '/programmes/:programmeId',
    Catalogue,
    Catalogue.method.getProgramme,
    'One programme (version=N for an older one)',
  ),
  route('GET', '/calendars/:calendarId', Catalogue, Catalogue.method.getCalendar, 'Holidays and excluded days'),
  route('PUT', '/calendars/:calendarId', Catalogue, Catalogue.method.putCalendar, 'The whole calendar: a new version'),

  route('POST', '/registry', Registry, Registry.method.register, 'Register records, all or the good ones'),
  route('GET', '/registry/:table', Registry, Registry.method.listRecords, 'Records of a table as of an instant'),
  route(
    'GET',
    '/settlement-points/:settlementPointId',
    Registry,
    Registry.method.getSettlementPoint,
    'One settlement point and all that hangs on it',
  ),
  route('GET', '/persons/:participantId', Registry, Registry.method.getPerson, 'Personal particulars (audited)'),
  route('POST', '/persons/:participantId/erasure', Registry, Registry.method.erasePerson, 'Destroy the key of the particulars'),

  route('POST', '/consents', Enrolment, Enrolment.method.giveConsent, 'Record a consent and the evidence of the act'),
  route('GET', '/consents', Enrolment, Enrolment.method.listConsents, 'Consents of a participant or connection'),
  route('POST', '/consents/:consentId/withdrawal', Enrolment, Enrolment.method.withdrawConsent, 'Withdraw a consent, at once'),
  route(
    'GET',
    '/consents/:consentId/withdrawal',
    Enrolment,
    Enrolment.method.getWithdrawal,
    'Has the withdrawal reached everyone?',
  ),
  route('POST', '/enrolments', Enrolment, Enrolment.method.enrol, 'Enrol resources of one connection'),
  route('GET', '/enrolments', Enrolment, Enrolment.method.listEnrolments, 'Who is in which programme'),
  route('POST', '/enrolments/:enrolmentId/end', Enrolment, Enrolment.method.endEnrolment, 'End an enrolment'),

  route('POST', '/devices', Devices, Devices.method.provisionDevice, 'Make a device known; its secret is shown once'),
  route('GET', '/devices', Devices, Devices.method.listDevices, 'Devices and whether they are online'),
  route('GET', '/endpoints', Devices, Devices.method.getEndpoints, 'Where devices connect'),

  route('POST', '/supply', Metering, Metering.method.putSupply, 'Supply status of areas or connections'),
  route('GET', '/meters/:meterId/series', Metering, Metering.method.getSeries, 'One meter as known at an instant'),

  route('POST', '/events', Dispatch, Dispatch.method.scheduleEvent, 'Schedule an event'),
  route('GET', '/events', Dispatch, Dispatch.method.listEvents, 'Events, newest first'),
  route('GET', '/events/:eventId', Dispatch, Dispatch.method.getEvent, 'One event with its status'),
  route('POST', '/events/:eventId/change', Dispatch, Dispatch.method.changeEvent, 'Move, shorten or retarget an event'),
  route('POST', '/events/:eventId/cancel', Dispatch, Dispatch.method.cancelEvent, 'Cancel an event'),
  route(
    'GET',
    '/events/:eventId/instructions',
    Dispatch,
    Dispatch.method.listInstructions,
    'Instructions and notices, searchable',
  ),
  route('GET', '/instructions', Dispatch, Dispatch.method.listInstructions, 'Instructions and notices of a participant'),
  route(
    'POST',
    '/events/:eventId/answer',
    Dispatch,
    Dispatch.method.answer,
    '"I will", "not this time", or leave a running event',
  ),
  route('GET', '/events/:eventId/commitment', Dispatch, Dispatch.method.getCommitment, 'What was frozen at gate closure'),

  route(
    'GET',
    '/events/:eventId/curves',
    Performance,
    Performance.method.getCurves,
    'Baseline, metered, delivered: portfolio or one point',
  ),

  route('POST', '/events/:eventId/runs', Settlement, Settlement.method.openRun, 'Settle now instead of at the cut-off'),
  route('GET', '/events/:eventId/runs', Settlement, Settlement.method.listRuns, 'Settlement runs of an event'),
  route('GET', '/runs/:runId', Settlement, Settlement.method.getRun, 'One settlement run'),
  route('GET', '/statements', Settlement, Settlement.method.listStatements, 'Statements by event or party'),
  route('GET', '/statements/:statementId', Settlement, Settlement.method.getStatement, 'One statement, payload and signature'),
  route('POST', '/cycles/:cycle/close', Settlement, Settlement.method.closeCycle, 'Close a billing cycle'),
  route('GET', '/balances', Settlement, Settlement.method.getBalances, 'Ledger balances; they sum to zero'),
  route('GET', '/log', Settlement, Settlement.method.listLog, 'The evidence log'),
  route('GET', '/clock', Clock, Clock.method.get, 'Domain time; in a simulation it is not the wall’s'),
  route('GET', '/accounts', Access, Access.method.listAccounts, 'Who may sign in'),
  route('PUT', '/accounts/users/:userId', Access, Access.method.putUser, 'Make or change a person’s account'),
  route(
    'PUT',
    '/accounts/clients/:clientId',
    Access,
    Access.method.putClient,
    'Make a machine’s account or give it a new secret',
  ),
  route('GET', '/issuer', Settlement, Settlement.method.getIssuer, 'Who signs statements, and with which key'),
];
