import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { PersonSchema, RecordSchema, type Record as RegistryRecord } from '../../gen/lachak/v1/registry_pb.ts';
import { DatedSchema } from '../../gen/lachak/v1/types_pb.ts';
import type { Row } from './intake.ts';

/** The record without what is stored beside it: dates, particulars, place. */
export function bodyOf({ record }: RegistryRecord): Uint8Array {
  const bare = create(RecordSchema);
  if (record.case === 'participant') {
    const { person: _, ...value } = record.value;
    bare.record = { case: 'participant', value };
  } else if (record.case === 'meter') {
    const { dated: _, ...value } = record.value;
    bare.record = { case: 'meter', value: { ...value, shard: 0, ordinal: 0 } };
  } else if (record.case === 'organisation' || record.case === 'settlementPoint' || record.case === undefined) {
    bare.record = record;
  } else {
    const { dated: _, ...value } = record.value;
    bare.record = { case: record.case, value } as RegistryRecord['record'];
  }
  return toBinary(RecordSchema, bare);
}

/** A participant's particulars, if they came along. */
export const personOf = ({ record }: RegistryRecord): Uint8Array | null =>
  record.case === 'participant' && record.value.person ? toBinary(PersonSchema, record.value.person) : null;

/** The record of a stored state, with its dates and the meter's place; never particulars. */
export function toRecord(row: Row & { readonly shard?: number; readonly ordinal?: number }): RegistryRecord {
  const record = fromBinary(RecordSchema, row.body);
  const { record: inner } = record;
  if (inner.case === 'meter') Object.assign(inner.value, { shard: row.shard ?? 0, ordinal: row.ordinal ?? 0 });
  if (inner.case === 'area' || inner.case === 'connection' || inner.case === 'meter' || inner.case === 'resource') {
    inner.value.dated = create(DatedSchema, { fromMs: BigInt(row.from), toMs: BigInt(row.to ?? 0) });
  }
  return record;
}

type Inner = Extract<RegistryRecord['record'], { case: string }>;
/** What is inside the record of a stored state. Throws when the noun is another: a bug. */
export function valueIn<C extends Inner['case']>(
  row: Row & { readonly shard?: number; readonly ordinal?: number },
  expected: C,
): Extract<Inner, { case: C }>['value'] {
  const { record } = toRecord(row);
  if (record.case !== expected) throw new Error(`${row.noun} ${row.id} holds a ${record.case}`);
  return record.value as never; // of the case just checked, which the compiler does not follow
}
