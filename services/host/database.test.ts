import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from './room.ts';
import { type TestHost, testHost } from './testing.ts';

let host: TestHost;
let database: Database;
beforeAll(async () => {
  host = await testHost({ rooms: [] });
  database = await host.database('registry');
});
afterAll(() => host?.stop());

const all = 'select * from shelf where nth > $1';
/** Runs the statement on as many connections at once as the pool has, so that each has it prepared. */
const everywhere = () =>
  Promise.all(
    Array.from({ length: 8 }, () =>
      database.tx(async (tx) => {
        await tx.query('select pg_sleep(0.02)');
        return tx.query(all, [0]);
      }),
    ),
  );

test.each([
  ['alone', () => database.query(all, [0])],
  ['in a transaction', () => database.tx((tx) => tx.query(all, [0]))],
])('a table that gets a column while statements on it are prepared: %s, the next one has it', async (_how, ask) => {
  await database.query('create table shelf (nth integer)');
  await database.query('insert into shelf values ($1)', [1]);
  for (let i = 0; i < 6; i++) expect((await everywhere())[0]).toEqual([{ nth: 1 }]);
  await database.query("alter table shelf add column name text not null default 'bolts'");
  for (let i = 0; i < 8; i++) expect(await ask()).toEqual([{ nth: 1, name: 'bolts' }]);
  await database.query('drop table shelf');
});

test('a statement is parsed once a connection', async () => {
  await database.tx(async (tx) => {
    for (let i = 0; i < 3; i++) await tx.query('select $1::int + 1 as next', [i]);
    const kept = await tx.query(
      `select generic_plans + custom_plans as runs from pg_prepared_statements where statement like $1`,
      ['select $1::int + 1%'],
    );
    expect(kept).toEqual([{ runs: 3n }]);
  });
});

test('a statement about many rows is planned for so many: one plan for any number of them would compare each with all', async () => {
  await database.query('create table shelf (aisle text, nth text, primary key (aisle, nth))');
  await database.query(`insert into shelf select 'a', i::text from generate_series(1, 2000) as i where i > $1`, [0]);
  await database.query('create index shelf_aisle on shelf (aisle)');
  const many = 'select count(*) as found from shelf where aisle = $1 and nth = any($2)';
  const wanted = Array.from({ length: 3000 }, (_, i) => String(i));
  await database.tx(async (tx) => {
    for (const [ids, found] of [
      [wanted, 2000n],
      [['7'], 1n],
      [wanted, 2000n],
    ] as const)
      for (let i = 0; i < 8; i++) expect(await tx.query(many, ['a', ids])).toEqual([{ found }]);
    const plans = await tx.query(
      'select generic_plans + custom_plans as prepared from pg_prepared_statements where statement = $1',
      [many],
    );
    expect(plans).toEqual([{ prepared: 8n }]);
  });
  await database.query('drop table shelf');
});
