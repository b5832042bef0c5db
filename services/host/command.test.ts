import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { once } from './command.ts';
import type { Database } from './room.ts';
import { type TestHost, testHost } from './testing.ts';

describe('a command happens once', () => {
  let host: TestHost;
  let database: Database;
  beforeAll(async () => {
    host = await testHost({ rooms: [] });
    database = await host.database('registry');
  });
  afterAll(() => host?.stop());
  let work = 0;
  const send = (commandId: string, content = 'c', organisation = 'org', discom = 'BRPL') =>
    database.tx((tx) =>
      once(tx, { discom, organisation, commandId, verb: 'Make', content }, async () => ({ id: `made-${++work}` })),
    );

  test('the first outcome again for the same id and content', async () => {
    expect(await send('a')).toEqual({ outcome: { id: 'made-1' }, repeated: false });
    expect(await send('a')).toEqual({ outcome: { id: 'made-1' }, repeated: true });
  });
  test('other content under the same id is refused', async () => {
    await expect(send('a', 'other')).rejects.toMatchObject({ kind: 'conflict', code: 'id_reused', field: 'command_id' });
  });
  test('ids belong to their organisation and DISCOM', async () => {
    expect((await send('a', 'other', 'org2')).repeated).toBe(false);
    expect((await send('a', 'other', 'org', 'TPDDL')).repeated).toBe(false);
  });
  test('ten equal commands at once do the work once', async () => {
    const before = work;
    const answers = await Promise.all(Array.from({ length: 10 }, () => send('race')));
    expect(work).toBe(before + 1);
    expect(new Set(answers.map((answer) => answer.outcome.id)).size).toBe(1);
    expect(answers.filter((answer) => !answer.repeated)).toHaveLength(1);
  });
  test('a missing id is refused', () => expect(send('')).rejects.toMatchObject({ code: 'command_id_missing' }));
  test('a command that failed leaves nothing behind', async () => {
    const failing = database.tx((tx) =>
      once(tx, { discom: 'BRPL', organisation: '', commandId: 'f', verb: 'Make', content: '' }, async () => {
        throw new Error('no');
      }),
    );
    await expect(failing).rejects.toThrow('no');
    const rows = await database.query('select 1 from command where command_id = $1', ['f']);
    expect(rows).toEqual([]);
  });
  test('numbers of the database come as bigint, arrays too', async () => {
    const [row] = await database.query(
      'select 9007199254740993::bigint as n, array[1::bigint, null] as many, $1::bytea as bytes, $2::bigint as big',
      [new Uint8Array([1, 2]), -5n],
    );
    expect(row).toMatchObject({ n: 9007199254740993n, many: [1n, null], big: -5n });
    expect([...(row!.bytes as Uint8Array)]).toEqual([1, 2]);
  });
});
