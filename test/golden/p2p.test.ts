import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { readCases } from '../../services/market/case.ts';
import { readObject } from '../../services/market/fields.ts';
import { readJson } from '../../services/market/json.ts';
import { loadTradeKernel, type TradeKernel } from '../../services/market/kernel.ts';
import { answerCase } from '../../services/market/per-block-paise.ts';
import { coreBytes } from '../../services/performance/core-file.ts';
import { describeWithFixtures, fixture } from '../fixtures.ts';

type GoldenCase = { readonly id: string; readonly expected: Readonly<Record<string, unknown>> };

describeWithFixtures('golden P2P settlements', ['golden/p2p-settlement.json'], () => {
  const text = readFileSync(fixture('golden', 'p2p-settlement.json')!, 'utf8');
  const golden = (JSON.parse(text) as { cases: GoldenCase[] }).cases;
  const cases = readCases(readObject(readJson(text), 'the request'));
  let kernel: TradeKernel;
  beforeAll(async () => {
    kernel = await loadTradeKernel(coreBytes());
  });

  test('all are here', () => {
    expect(cases.map(({ id }) => id)).toEqual(golden.map(({ id }) => id));
    expect(golden.length).toBeGreaterThanOrEqual(16);
  });

  test.each(cases.map((entry, i) => [entry.id, entry, golden[i]!.expected] as const))('%s', (id, entry, expected) => {
    const answer = answerCase(kernel, entry);
    const own = Object.fromEntries(Object.keys(expected).map((name) => [name, answer[name]]));
    expect(own).toEqual(expected);
    const beside = Object.keys(answer).filter((name) => !(name in expected));
    expect(beside).toEqual(['id', 'stranded_wh', 'stranded_wh_by_block', 'status', 'awaiting_data', 'indicative']);
    expect(answer.id).toBe(id);
  });

  test('money sums to zero in every block, and the missing register is named', () => {
    for (const entry of cases) {
      const answer = answerCase(kernel, entry);
      for (const { meters, pools } of answer.blocks as {
        meters: Record<string, { net_paise: number }>;
        pools: Record<string, number>;
      }[]) {
        const nets = Object.values(meters).reduce((all, { net_paise }) => all + net_paise, 0);
        expect(nets + Object.values(pools).reduce((all, paise) => all + paise, 0)).toBe(0);
      }
      const missing = entry.id === 'p2p-open-no-meter-data';
      expect([answer.status, answer.awaiting_data]).toEqual(
        missing ? ['AWAITING_DATA', [{ block: 0, meter_id: 'S', register: 'export_wh' }]] : ['COMPLETE', []],
      );
    }
  });
});
