import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Deps, RoomMaker, RoomName } from './room.ts';
import { type TestHost, testHost } from './testing.ts';

const nowhere = new URL('file:///nonexistent/');
const erased = (participantId: string) =>
  ({ case: 'personErased', value: { $typeName: 'lachak.v1.PersonErased', participantId } }) as const;
let host: TestHost;
let deps: Deps;
let heard = (_: string) => {};
const room = (name: RoomName, ups: RoomName[]): RoomMaker => ({
  name,
  migrations: nowhere,
  make: (d) => {
    if (name === 'registry') deps = d;
    for (const up of ups)
      d.facts.follow(up, {
        personErased: async (tx, { participantId }) => {
          if (name === 'enrolment') tx.afterCommit(() => heard(participantId));
        },
      });
    return { bindings: [], start: async () => {}, stop: async () => {} };
  },
});
beforeAll(async () => {
  host = await testHost({
    rooms: [
      room('catalogue', []),
      room('registry', ['catalogue']),
      room('enrolment', ['registry', 'catalogue']),
      room('metering', ['registry', 'enrolment']),
      room('dispatch', ['registry', 'enrolment', 'catalogue', 'devices']),
      room('performance', ['registry', 'enrolment', 'catalogue', 'dispatch']),
    ],
  });
});
afterAll(() => host?.stop());
const stat = (l: number[]) => {
  l.sort((a, b) => a - b);
  return `p50 ${l[l.length >> 1]!.toFixed(2)} p95 ${l[Math.floor(l.length * 0.95)]!.toFixed(2)} max ${l.at(-1)!.toFixed(1)}`;
};
test('latency', async () => {
  const lat: number[] = [];
  const sett: number[] = [];
  const steps: number[] = [];
  for (let i = 0; i < 300; i++) {
    const done = new Promise<void>((ok) => {
      heard = () => ok();
    });
    await deps.database.tx((tx) => deps.facts.publish(tx, { discom: 'BRPL', key: `k${i % 40}`, body: erased(`${i}`) }));
    const t = performance.now();
    await done;
    lat.push(performance.now() - t);
  }
  for (let i = 0; i < 200; i++) {
    await deps.database.tx((tx) => deps.facts.publish(tx, { discom: 'BRPL', key: `k${i % 40}`, body: erased(`${i}`) }));
    const t = performance.now();
    await host.settled();
    sett.push(performance.now() - t);
  }
  let at = host.clock.now();
  for (let i = 0; i < 200; i++) {
    const t = performance.now();
    at += 60_000;
    await host.advanceTo(at);
    steps.push(performance.now() - t);
  }
  console.log('LAT commit→handler', stat(lat), '| settle after a fact', stat(sett), '| empty step', stat(steps));
  expect(1).toBe(1);
}, 60_000);
