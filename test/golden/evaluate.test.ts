import { expect, test } from 'vitest';
import { evaluate } from '../../services/evaluate/evaluation.ts';
import { readQuestion } from '../../services/evaluate/question-cli.ts';
import { coreBytes } from '../../services/performance/core-file.ts';
import { estimator } from '../../services/performance/estimate.ts';
import { loadKernel } from '../../services/performance/kernel.ts';
import { describeWithFixtures, fixture } from '../fixtures.ts';

const READINGS = 'data/lcl/readings.csv.gz';
const EVENTS = 'data/lcl/events.csv';

describeWithFixtures('100 London homes, 2013', [READINGS, EVENTS, 'data/lcl/meters.csv'], () => {
  const methods = '10of10-ratio,10of10,high5of10-ratio,high5of10';
  const ask = async (flags: Record<string, string>) => {
    const question = await readQuestion([fixture(READINGS)!], { methods, ...flags });
    return evaluate(question, estimator({ kernel: await loadKernel(coreBytes()) }));
  };

  test('what selection and clamping pay for nothing is what others measured', { timeout: 120_000 }, async () => {
    const found = await ask({ zone: 'UTC', from: '2013-02-01' });
    // Source: facts, baselines §4.8; other days and another adjustment window, so within two points.
    const published = {
      high5of10: [0.446, 0.377, 0.309],
      'high5of10-ratio': [0.398, 0.331, 0.24],
      '10of10': [0.243, 0.181, 0.048],
      '10of10-ratio': [0.219, 0.161, 0.02],
    };
    for (const { name, all, verdict } of found.methods) {
      const [clamped, alone, portfolio] = published[name as keyof typeof published];
      expect(Math.abs(all.clamped! - clamped!), name).toBeLessThan(0.02);
      expect(Math.abs(all.alone! - alone!), name).toBeLessThan(0.02);
      expect(Math.abs(all.falseCredit!.value - portfolio!), name).toBeLessThan(0.02);
      expect(verdict).toMatchObject({ red: name.startsWith('high'), recommended: name === '10of10-ratio' });
    }
  });

  test('homes on dynamic tariffs are well below their baseline in High-price events, the others near it', {
    timeout: 120_000,
  }, async () => {
    const found = await ask({ zone: 'Europe/London', 'event-days': fixture(EVENTS)!, methods: '10of10-ratio' });
    const high = found.methods[0]!.responses.filter(({ sort }) => sort === 'High');
    const [std, tou] = ['Std', 'ToU'].map((name) => high.find(({ category }) => category === name)!.response!);
    expect(tou!.value).toBeGreaterThan(0.1);
    expect(tou!.low).toBeGreaterThan(0.05);
    expect(Math.abs(std!.value)).toBeLessThan(0.05);
    expect(std!.high).toBeLessThan(tou!.low);
  });
});
