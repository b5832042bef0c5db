import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Clock as ClockService } from '../../gen/lachak/v1/host_pb.ts';
import type { Instant } from '../domain/interval.ts';
import type { Deps, RoomMaker } from './room.ts';
import { type TestHost, testHost } from './testing.ts';

const start = Date.parse('2026-05-01T00:00:00Z');
const MINUTE = 60_000;
const nowhere = new URL('file:///nonexistent/');
const erased = (participantId: string) =>
  ({ case: 'personErased', value: { $typeName: 'lachak.v1.PersonErased', participantId } }) as const;

describe('a stepped clock', () => {
  let host: TestHost;
  const diary: string[] = [];
  const planned: Instant[] = [];
  const at = (minutes: number) => start + minutes * MINUTE;
  const note = (clock: Deps['clock'], what: string) => diary.push(`${(clock.now() - start) / MINUTE} ${what}`);
  const rooms: RoomMaker[] = [
    {
      name: 'registry',
      migrations: nowhere,
      make: ({ clock, facts, database }) => {
        clock.wake('alarm', {
          next: async () => planned[0] ?? null,
          run: async () => {
            note(clock, 'alarm');
            planned.shift();
            await database.tx((tx) => facts.publish(tx, { discom: 'BRPL', key: 'k', body: erased(String(clock.now())) }));
          },
        });
        return { bindings: [], start: async () => {}, stop: async () => {} };
      },
    },
    {
      name: 'enrolment',
      migrations: nowhere,
      make: ({ clock, facts }) => {
        facts.follow('registry', {
          personErased: async (tx, _, fact) => {
            expect(Number(fact.atMs)).toBe(clock.now());
            tx.afterCommit(() => note(clock, 'heard'));
          },
        });
        clock.onStep('simulator', async () => void note(clock, 'simulator'));
        return { bindings: [], start: async () => {}, stop: async () => {} };
      },
    },
  ];
  beforeAll(async () => {
    host = await testHost({ rooms, clock: { start } });
  });
  afterAll(() => host?.stop());

  test('stops at every due instant; what follows from it happens before time moves on', async () => {
    planned.push(at(5), at(7));
    await host.advanceTo(at(10));
    const lines = diary.filter((line) => !line.endsWith('simulator'));
    expect(lines).toEqual(['5 alarm', '5 heard', '7 alarm', '7 heard']);
    expect(diary.filter((line) => line === '5 simulator').length).toBeGreaterThanOrEqual(1);
    expect(diary.at(-1)).toBe('10 simulator');
    expect(host.clock.now()).toBe(at(10));
  });

  test('a step cap gives simulators their ticks', async () => {
    diary.length = 0;
    await host.advanceTo(at(20), 4 * MINUTE);
    expect(new Set(diary)).toEqual(new Set(['10 simulator', '14 simulator', '18 simulator', '20 simulator']));
  });

  test('operators move it over gRPC, others may not, and it never goes back', async () => {
    const clock = host.connect(ClockService);
    const as = await host.token('operator');
    const readings: number[] = [];
    for await (const reading of clock.advance({ untilMs: BigInt(at(30)), maxStepMs: BigInt(5 * MINUTE) }, { as })) {
      readings.push((Number(reading.nowMs) - start) / MINUTE);
    }
    expect(readings).toEqual([25, 30, 30]);
    expect((await clock.get({}, { as })).nowMs).toBe(BigInt(at(30)));
    await expect(clock.get({}, { as: await host.token('consumer') })).rejects.toMatchObject({ code: 'scope_missing' });
    const back = clock.advance({ untilMs: BigInt(start) }, { as })[Symbol.asyncIterator]();
    await expect(back.next()).rejects.toMatchObject({ code: 'clock_goes_forward', field: 'until_ms' });
  });

  test('a restarted process goes on at the same instant', async () => {
    const { folder } = host;
    await host.host.stop();
    const again = await testHost({ rooms, clock: { start }, folder });
    expect(again.clock.now()).toBe(at(30));
    await again.stop();
    host = await testHost({ rooms, clock: { start }, folder });
  });

  test('work that never finishes being due is named, not looped over for ever', async () => {
    host.clock.wake('stuck', { next: async () => start, run: async () => {} });
    await expect(host.settled()).rejects.toThrow('test.stuck says it is still due');
  });
});

test('a clock that follows the wall runs what is due, and is not stepped', async () => {
  let due: Instant | null = null;
  let ran = () => {};
  const done = new Promise<void>((resolve) => {
    ran = resolve;
  });
  const host = await testHost({ rooms: [], clock: 'system' });
  const waker = host.clock.wake('soon', {
    next: async () => due,
    run: async () => {
      due = null;
      ran();
    },
  });
  due = Date.now() + 20;
  waker.stir();
  await done;
  const stream = host.connect(ClockService).advance({ untilMs: 1n }, { as: await host.token('operator') });
  await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'clock_not_stepped' });
  await host.stop();
});
