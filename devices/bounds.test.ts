import { expect, test } from 'vitest';
import { unheard, withSample } from './live.ts';
import { type Report, reportHub } from './report-service.ts';

const report = (at: number): Report => ({
  discom: 'BRPL',
  deviceId: 'ac',
  resourceId: 'r',
  at,
  powerW: 1,
  registerWh: null,
  online: true,
  source: 'meter',
});

test('a watcher that takes nothing costs 5000 reports of memory: the oldest go, and are counted', async () => {
  let lost = 0;
  const hub = reportHub((count) => {
    lost += count;
  });
  const stopping = new AbortController();
  const reports = hub.watch('BRPL', stopping.signal);
  const first = reports.next();
  hub.publish(report(0));
  expect((await first).value).toEqual([report(0)]);
  for (let at = 1; at <= 12_000; at++) hub.publish(report(at));
  expect(lost).toBe(7000);
  const taken: number[] = [];
  while (taken.at(-1) !== 12_000) for (const { at } of (await reports.next()).value!) taken.push(at);
  expect([taken.length, taken[0]]).toEqual([5000, 7001]);
  stopping.abort();
  await reports.return();
});

test('a device that floods is known by its latest thousand samples', () => {
  let live = unheard;
  for (let at = 1; at <= 5000; at++) live = withSample(live, { at, powerW: 1, registerWh: null, source: 'meter', serving: true });
  expect(live.samples.length).toBe(1024);
  expect(live.samples.at(-1)!.at).toBe(5000);
  // What comes late into a full memory is not squeezed in.
  expect(withSample(live, { at: 10, powerW: 1, registerWh: null, source: 'meter', serving: true }).samples.length).toBe(1024);
});
