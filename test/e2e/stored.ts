import { Catalogue } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Enrolment } from '../../gen/lachak/v1/enrolment_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { Settlement } from '../../gen/lachak/v1/settlement_pb.ts';
import { sha256Hex } from '../../services/host/ids.ts';
import type { House } from '../faults/house.ts';
import { homes, meterIds } from '../faults/town.ts';

const TABLES = ['areas', 'organisations', 'participants', 'connections', 'meters', 'settlement_points', 'resources'];

/** One digest over all that a house has stored for its DISCOM: readings with every version, records, consents, events, statements. */
export async function storedIn(house: House): Promise<string> {
  const operator = await house.as('operator');
  const page = { size: 1000 };
  const parts: unknown[] = [];
  const export_ = house.connect(Metering).exportReadings({ meterIds: [...meterIds] }, operator);
  const readings: Uint8Array[] = [];
  for await (const { chunk } of export_) readings.push(chunk);
  parts.push(sha256Hex(Buffer.concat(readings)));
  for (const table of TABLES) parts.push(await house.connect(Registry).listRecords({ table, page }, operator));
  parts.push(await house.connect(Catalogue).listProgrammes({ page }, operator));
  for (const { id } of homes) {
    parts.push(await house.connect(Enrolment).listConsents({ participantId: `p-${id}` }, operator));
    parts.push(await house.connect(Enrolment).listEnrolments({ participantId: `p-${id}` }, operator));
  }
  parts.push(await house.connect(Dispatch).listEvents({ page }, operator));
  parts.push(await house.connect(Settlement).listStatements({ withSuperseded: true, page }, operator));
  parts.push(await house.connect(Settlement).getBalances({}, operator));
  return sha256Hex(JSON.stringify(parts, (_, value) => (typeof value === 'bigint' ? `${value}n` : value)));
}
