import type { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import type { MeterDayRef } from '../../gen/lachak/v1/performance_pb.ts';
import { batches, grouped } from '../domain/grouped.ts';
import type { CivilDay } from '../domain/zone.ts';
import type { Client } from '../host/room.ts';
import type { Plain } from './results.ts';
import type * as store from './store.ts';

export type MeterDayName = { readonly meterId: string; readonly day: CivilDay };

/** What proves each of these meter-days, as known at the run's cut-off, by `meter/day`; asked for a day at a time, in columns. */
export async function meterDayRefs(
  metering: Client<typeof Metering>,
  run: store.Run,
  names: readonly MeterDayName[],
): Promise<Map<string, Plain<MeterDayRef>>> {
  const found = new Map<string, Plain<MeterDayRef>>();
  const wanted = [...new Map(names.map((name) => [`${name.meterId}/${name.day}`, name])).values()];
  const byDay = [...grouped(wanted, ({ day }) => day)].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const days of fewEnough(byDay)) {
    const meterIds = [...new Set(days.flatMap(([, named]) => named.map(({ meterId }) => meterId)))];
    const places = new Map(meterIds.map((meterId, place) => [meterId, place]));
    const asked = days.map(([day, named]) => ({ day, meters: named.map(({ meterId }) => places.get(meterId)!) }));
    const { columns } = await metering.getMeterDays(
      { meterIds, days: asked, asOfMs: BigInt(run.asOf) },
      { discom: run.discom, deadlineMs: 60_000 },
    );
    const { digests, sources, handOffs } = columns ?? NO_COLUMNS;
    const inOrder = days.flatMap(([, named]) => named);
    if (digests.length !== 32 * inOrder.length || sources.length !== inOrder.length)
      throw new Error(
        `metering did not answer for ${inOrder.length} meter-days from ${days[0]![0]} on: it must be of the same release`,
      );
    for (const [i, { meterId, day }] of inOrder.entries()) {
      const digest = Buffer.from(digests.subarray(32 * i, 32 * (i + 1))).toString('hex');
      const by = digest === ABSENT ? NOBODY : (handOffs[sources[i]!] ?? NOBODY);
      const { handOff, signer, receivedAtMs } = by;
      found.set(`${meterId}/${day}`, { meterId, day, digest: digest === ABSENT ? '' : digest, handOff, signer, receivedAtMs });
    }
  }
  return found;
}

const NO_COLUMNS = { digests: new Uint8Array(0), sources: [], handOffs: [] };
const ABSENT = '0'.repeat(64);
const NOBODY = { handOff: '', signer: '', receivedAtMs: 0n };
/** In one question; a digest is 32 bytes. */
const METER_DAYS_MOST = 16_384;

/** Days in order, as many together as one question takes; a day of more meters than that is asked for in parts. */
function fewEnough<T>(days: readonly (readonly [CivilDay, readonly T[]])[]): [CivilDay, readonly T[]][][] {
  const questions: [CivilDay, readonly T[]][][] = [];
  let room = 0;
  for (const [day, all] of days)
    for (const part of batches(all, METER_DAYS_MOST)) {
      if (part.length > room) {
        questions.push([]);
        room = METER_DAYS_MOST;
      }
      questions.at(-1)!.push([day, part]);
      room -= part.length;
    }
  return questions;
}
