import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { run } from '../../services/market/testing.ts';
import { describeWithFixtures, fixture } from '../fixtures.ts';

type Answer = { readonly id: string } & Readonly<Record<string, unknown>>;
type Golden = { readonly id: string; readonly expected: Readonly<Record<string, unknown>> };

describeWithFixtures('golden P2P settlements, as lachak allocate --request prints them', ['golden/p2p-settlement.json'], () => {
  const file = fixture('golden', 'p2p-settlement.json')!;
  const golden = (JSON.parse(readFileSync(file, 'utf8')) as { cases: Golden[] }).cases;
  let results: Answer[];
  beforeAll(async () => {
    const { code, out, err } = await run('--request', file);
    expect([code, err]).toEqual([0, '']);
    results = JSON.parse(out).results;
  });

  test('all are answered, in order', () => {
    expect(results.map(({ id }) => id)).toEqual(golden.map(({ id }) => id));
    expect(golden.length).toBeGreaterThanOrEqual(16);
  });

  test.each(golden.map(({ id, expected }, i) => [id, i, expected] as const))('%s', (_, i, expected) => {
    const own = Object.fromEntries(Object.keys(expected).map((name) => [name, results[i]![name]]));
    expect(own).toEqual(expected);
    const beside = Object.keys(results[i]!).filter((name) => !(name in expected));
    expect(beside).toEqual(['id', 'stranded_wh', 'stranded_wh_by_block', 'status', 'awaiting_data', 'indicative']);
  });

  test('money sums to zero in every block', () => {
    for (const { blocks } of results) {
      for (const { meters, pools } of blocks as {
        meters: Record<string, { net_paise: number }>;
        pools: Record<string, number>;
      }[]) {
        const nets = Object.values(meters).reduce((all, { net_paise }) => all + net_paise, 0);
        expect(Object.values(pools).reduce((all, paise) => all + paise, nets)).toBe(0);
      }
    }
  });

  test('the one missing register is named and marked', () => {
    const marked = results.filter(({ status }) => status === 'AWAITING_DATA');
    expect(marked.map(({ id, awaiting_data }) => [id, awaiting_data])).toEqual([
      ['p2p-open-no-meter-data', [{ block: 0, meter_id: 'S', register: 'export_wh' }]],
    ]);
  });
});
