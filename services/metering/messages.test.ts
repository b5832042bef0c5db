import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ReadingColumnsSchema } from '../../gen/lachak/v1/metering_pb.ts';
import { bytesOf } from './messages-service.ts';

const bytes = fc.oneof(fc.uint8Array({ maxLength: 9 }), fc.uint8Array({ minLength: 100, maxLength: 300 }));
const block = fc.record({
  ...{ commandId: fc.string(), startMs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), intervalMinutes: fc.nat() },
  ...{ slots: fc.nat(), meterIds: fc.array(fc.string(), { maxLength: 4 }), importWh: bytes, exportWh: bytes, quality: bytes },
  knownAtMs: fc.bigInt({ min: 0n, max: 2n ** 62n }),
});
/** Field 200, a varint: what a later release may send. */
const UNKNOWN = Uint8Array.of(0xc0, 0x0c, 7);

it('a block is known by the bytes that protobuf writes, those of fields not known here among them', () => {
  fc.assert(
    fc.property(block, fc.boolean(), (said, foreign) => {
      const written = toBinary(ReadingColumnsSchema, create(ReadingColumnsSchema, said));
      const received = fromBinary(ReadingColumnsSchema, foreign ? Buffer.concat([UNKNOWN, written]) : written);
      expect(Buffer.concat(bytesOf(received))).toEqual(Buffer.from(toBinary(ReadingColumnsSchema, received)));
    }),
  );
});
