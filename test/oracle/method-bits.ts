import { type Kernel, MISSING } from '../../services/performance/kernel.ts';
import { range, splitMix } from './control.ts';

/** What a core says of a made-up meter, charge point and group of this seed: regressions, sessions, means, byte for byte. */
export function methodBytes({ weather, sessions, control }: Kernel, seed: number): Uint8Array[] {
  const next = splitMix(BigInt(seed));
  const column = (length: number, most: number, gaps: boolean) =>
    Int32Array.from({ length }, () => (gaps && next(20) === 0 ? MISSING : next(most) - (gaps ? 100 : 0)));
  const rows = 600;
  const terms = {
    ...{
      scale: 9000,
      edges: Int32Array.from([15, 22, 28, 35], (edge) => edge * 9000),
      hot: 216_000,
      cold: 150_000,
      leastRows: 20,
    },
    ...{ occupiedShare: { num: 13, den: 20 }, neighbour: 1 as const },
  };
  const hours = {
    ...{ wh: column(rows, 5000, true), heat: column(rows, 400_000, true) },
    ...{ hour: Uint8Array.from({ length: rows }, () => next(168)), month: Uint8Array.from({ length: rows }, () => next(12)) },
  };
  const model = weather.fitMonths(terms, [next(12), next(12)], hours);
  const degrees = weather.degreeHours(
    { scale: 9000, cooling: 216_000, heating: 150_000 },
    { days: 30, slots: 8, wh: column(240, 5000, true), heat: column(240, 400_000, true), eventHeat: column(8, 400_000, true) },
  );
  const charged = sessions.unsteered({
    ...{ sessions: 6, blocks: 40, blockMs: 900_000, energy: column(6, 20_000, false), power: column(240, 11_000, false) },
    ...{ allowed: column(240, 900_001, false), metered: column(240, 3000, false), site: column(40, 30_000, false) },
  });
  const persons = 60;
  const group = control.compare({
    ...{ persons, slots: 4, days: 7, matched: seed % 2 === 0, seed: BigInt(seed), draws: 199, rank: 10 },
    ...{
      role: Uint8Array.from(range(persons), (p) => Number(p % 5 < 2)),
      stratum: Uint8Array.from(range(persons), (p) => p % 2),
    },
    event: column(4 * persons, 3000, false),
    pre: BigInt64Array.from({ length: 4 * persons }, () => BigInt(next(20_000))),
  });
  const columns = [
    ...[weather.predict(terms, model, hours), ...Object.values(model), ...Object.values(degrees)],
    ...[charged.baseline, charged.short, charged.flags],
    Float64Array.from(
      [group.means!.impact, group.means!.interval ?? [], group.means!.controls, group.means!.treatedBefore].flat(),
    ),
  ];
  return columns.map((one) => new Uint8Array(one.buffer, one.byteOffset, one.byteLength));
}
