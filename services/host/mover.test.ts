import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { alone } from './duty.ts';
import type { FactEngine } from './facts.ts';
import type { Mover } from './mover.ts';
import type { Database } from './room.ts';
import { Signal } from './signal.ts';
import { steppedClock } from './stepped.ts';

/** A process as its conductor sees it: `dues` falls due, each once; `late` looks are not still yet. */
function another(name: string, told: string[], dues: number[] = [], restless = 0): Mover {
  let at = 0;
  let done = 0;
  let left = restless;
  return {
    stand: async (next) => {
      at = next;
      told.push(`${name} stands at ${next}`);
    },
    runDue: async () => {
      const due = dues.findIndex((one) => one <= at);
      if (due < 0) told.push(`${name} is asked in vain`); // it had said so
      if (due < 0) return false;
      told.push(`${name} does what was due at ${dues.splice(due, 1)}`);
      done++;
      return true;
    },
    settle: async () => {},
    look: async () => ({
      still: left-- <= 0,
      mark: String(done),
      activity: String(done),
      waiting: [`${name} is busy`],
      next: dues.length === 0 ? null : Math.min(...dues),
      nothingDue: dues.every((one) => one > at),
    }),
  };
}

async function conduct(others: Mover[], written: number[] = []) {
  const host = {
    query: async (sql: string, [at]: number[] = []) => {
      if (sql.startsWith('update')) written.push(at!);
      return sql.startsWith('select') ? [{ now_ms: 0n }] : [];
    },
  } as unknown as Database;
  const facts = { handled: new Signal(), lag: async () => ({ settled: true, mark: '', waiting: [] }) } as unknown as FactEngine;
  const calls = { inFlight: () => 0, served: () => 0 };
  const start = await steppedClock(host, 0, pino({ level: 'silent' }), { duty: alone });
  return start({ facts, calls }).conductor(() => others);
}
const advance = async (conductor: Awaited<ReturnType<typeof conduct>>, until: number): Promise<number[]> => {
  const instants: number[] = [];
  for await (const at of conductor.advance(until, 0)) instants.push(at);
  return instants;
};

describe('a stepped clock over several processes', () => {
  test('stops at what is due in any of them; all stand there before one acts; the instant is written down first', async () => {
    const told: string[] = [];
    const written: number[] = [];
    const conductor = await conduct([another('dispatch', told, [20]), another('settlement', told, [10, 20])], written);
    expect(await advance(conductor, 30)).toEqual([10, 20, 30]);
    expect(written).toEqual([10, 20, 30]);
    expect(told).toEqual([
      'dispatch stands at 10',
      'settlement stands at 10',
      'settlement does what was due at 10',
      'dispatch stands at 20',
      'settlement stands at 20',
      'dispatch does what was due at 20',
      'settlement does what was due at 20',
      'dispatch stands at 30',
      'settlement stands at 30',
    ]);
  });

  test('does not move on while one of them is not still', async () => {
    const told: string[] = [];
    const conductor = await conduct([another('dispatch', told, [], 25), another('settlement', told)]);
    expect(await advance(conductor, 10)).toEqual([10]);
    await expect(
      conduct([another('dispatch', told, [], Number.POSITIVE_INFINITY)]).then((stuck) => stuck.settled(50)),
    ).rejects.toMatchObject({ code: 'not_settling', message: expect.stringContaining('dispatch is busy') });
  });
});
