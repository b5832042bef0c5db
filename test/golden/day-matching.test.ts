import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { coreBytes } from '../../services/host/core-file.ts';
import { answerCase, type BaselineAnswer } from '../../services/performance/baseline.ts';
import { type Kernel, loadKernel } from '../../services/performance/kernel.ts';
import { readReadings } from '../../services/performance/readings-csv.ts';
import { readRequest } from '../../services/performance/request.ts';
import { noRows, type Rows, type Series, seriesOf } from '../../services/performance/series.ts';
import { describeWithFixtures, fixture } from '../fixtures.ts';

type GoldenCase = { readonly id: string; readonly expected: Readonly<Record<string, unknown>> };
type GoldenFile = {
  readonly method: string;
  readonly readings?: string[];
  readonly cases?: GoldenCase[];
  readonly expected?: GoldenCase['expected'];
};

/** Methods that other kernels answer. */
const OTHER = ['caltrack_hourly_towt', 'simple_cdh_hdh', 'p2p'];

describeWithFixtures('golden day-matching vectors', ['golden', 'data/lcl', 'data/citylearn', 'data/opsd'], () => {
  const files = readdirSync(fixture('golden')!)
    .filter((name) => name.endsWith('.json'))
    .map((name) => ({ name, golden: JSON.parse(readFileSync(fixture('golden', name)!, 'utf8')) as GoldenFile }));
  const covered = files.filter(({ golden }) => !OTHER.includes(golden.method));
  const left = files.filter(({ golden }) => OTHER.includes(golden.method));
  console.log(`golden: ${covered.length} files here; not covered here: ${left.map(({ name }) => name).join(', ')}`);

  let kernel: Kernel;
  const series = new Map<string, Series>(); // meter ids differ between the sets
  beforeAll(async () => {
    kernel = await loadKernel(coreBytes());
    await readSeries(
      covered.map(({ golden }) => golden),
      series,
    );
  });

  describe.each(covered)('$name', ({ golden }) => {
    const requests = readRequest(golden);
    const expected = golden.cases?.map((entry) => entry.expected) ?? [golden.expected!];

    test.each(requests.map((request, i) => [request.id, request, expected[i]!] as const))('%s', (_, request, wanted) => {
      const own = request.meterIds.map((id) => request.inline ?? series.get(id)!);
      const answer = answerCase(kernel, request, own);
      expect(differences(wanted, answer)).toEqual([]);
      expect(Object.keys(answer).sort()).toEqual(['id', ...Object.keys(wanted)].sort());
    });
  });
});

/** Reads every file that some golden file names, once. */
async function readSeries(golden: readonly GoldenFile[], into: Map<string, Series>): Promise<void> {
  const wanted = new Map<string, Rows>();
  for (const { inline, meterIds } of golden.flatMap((file) => readRequest(file))) {
    if (!inline) for (const id of meterIds) wanted.set(id, noRows());
  }
  for (const file of new Set(golden.flatMap(({ readings }) => readings ?? [])))
    await readReadings(fixture('data', file)!, wanted);
  for (const [id, rows] of wanted) into.set(id, seriesOf(rows));
}

/** Texts, flags and integers exactly; other numbers within 1e-9 relative or 1e-6 Wh. */
function differences(wanted: unknown, got: unknown, path = ''): string[] {
  if (typeof wanted === 'number' && typeof got === 'number') {
    const near = Math.abs(wanted - got) <= Math.max(1e-6, 1e-9 * Math.abs(wanted));
    const same = /_rounded$|scores_wh|actual_wh|actual_total_wh|missing_actual|^\.meters_/.test(path) ? wanted === got : near;
    return same ? [] : [`${path}: ${got}, expected ${wanted}`];
  }
  if (typeof wanted === 'object' && wanted !== null && typeof got === 'object' && got !== null) {
    const keys = path === '' ? Object.keys(wanted) : [...new Set([...Object.keys(wanted), ...Object.keys(got)])];
    return keys.flatMap((key) => differences((wanted as BaselineAnswer)[key], (got as BaselineAnswer)[key], `${path}.${key}`));
  }
  return Object.is(wanted, got) ? [] : [`${path}: ${JSON.stringify(got)}, expected ${JSON.stringify(wanted)}`];
}
