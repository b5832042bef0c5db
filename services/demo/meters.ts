import type { MessageInitShape } from '@bufbuild/protobuf';
import type { IngestReport, ReadingColumnsSchema } from '../../gen/lachak/v1/metering_pb.ts';
import type { Desk } from './desk.ts';
import { type Loads, readingsCsv, SLOT_MS } from './loads.ts';

const CHUNK_CHARACTERS = 256 * 1024;

/** The head-end hands over history as a file, the way an MDM exports it. */
export async function deliverHistory(
  desk: Desk,
  loads: Loads,
  meterIds: readonly string[],
  until: number,
): Promise<IngestReport> {
  const source = await desk.as('meter_source');
  const slots = Math.round((until - loads.origin) / SLOT_MS);
  const file = async function* () {
    yield { commandId: 'history', fileName: 'history.csv' };
    let text = '';
    for (const part of readingsCsv(loads, meterIds, 0, slots)) {
      text += part;
      if (text.length < CHUNK_CHARACTERS) continue;
      yield { chunk: Buffer.from(text) };
      text = '';
    }
    yield { chunk: Buffer.from(text) };
  };
  return accepted(await desk.metering.importReadings(file(), source));
}

/** A delivery of the day itself: packed columns, all meters at once; `withheld` cells arrive later, if at all. */
export async function deliverDay(
  desk: Desk,
  delivery: { name: string; meterIds: readonly string[]; from: number; to: number; wh: (meter: number, at: number) => number },
): Promise<IngestReport> {
  const { name, meterIds, from, to } = delivery;
  const slots = (to - from) / SLOT_MS;
  const columns = new DataView(new ArrayBuffer(meterIds.length * slots * 4));
  for (let meter = 0; meter < meterIds.length; meter++) {
    for (let slot = 0; slot < slots; slot++) {
      columns.setInt32((meter * slots + slot) * 4, delivery.wh(meter, from + slot * SLOT_MS), true);
    }
  }
  const block: MessageInitShape<typeof ReadingColumnsSchema> = {
    commandId: name,
    startMs: BigInt(from),
    intervalMinutes: SLOT_MS / 60_000,
    slots,
    meterIds: [...meterIds],
    importWh: new Uint8Array(columns.buffer),
  };
  const one = async function* () {
    yield block;
  };
  return accepted(await desk.metering.putReadings(one(), await desk.as('meter_source')));
}

function accepted(report: IngestReport): IngestReport {
  if (report.rejected > 0n) throw new Error(`metering rejected ${report.rejected} readings: ${report.findings[0]?.message}`);
  return report;
}
