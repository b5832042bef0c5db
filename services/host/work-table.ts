import { newId } from './ids.ts';
import type { Database } from './room.ts';
import { Signal } from './signal.ts';
import type { Held, TaskCarrier } from './work.ts';

const POLL_MS = 500;

/**
 * Tasks in the room's own PostgreSQL, taken with SKIP LOCKED. `sole`: no other process uses this database, so that whoever held a
 * task before is dead.
 */
export function tasksInTable(database: Database, queue: string, sole: boolean, heldMs: number): TaskCarrier {
  const ahead = `clock_timestamp() + interval '${heldMs} milliseconds'`;
  const holder = newId();
  const offered = new Signal();
  const freed = sole
    ? database.query('update task set until = null where queue = $1', [queue]).then(
        () => {},
        () => {}, // then they come free in time
      )
    : Promise.resolve();

  const heldOf = (task: string): Held => ({
    task,
    extend: async () => void (await database.query(`update task set until = ${ahead} where ${mine}`, [queue, task, holder])),
    done: async () => void (await database.query(`delete from task where ${mine}`, [queue, task, holder])),
    release: async () => {
      // Nobody's: a sign of life that is still on its way is not its holder's any more.
      await database.query(`update task set until = null, holder = null where ${mine}`, [queue, task, holder]);
      offered.fire();
    },
  });
  return {
    offer: async (tasks) => {
      const rows = await database.query(
        'insert into task (queue, task) select $1, unnest($2::text[]) on conflict do nothing returning 1',
        [queue, tasks],
      );
      if (rows.length > 0) offered.fire();
    },
    idle: async () => (await database.query('select 1 from task where queue = $1 limit 1', [queue])).length === 0,
    take: async (signal) => {
      await freed;
      const seen = offered.count;
      const [row] = await database.query<{ task: string }>(
        `update task set holder = $2, until = ${ahead} where queue = $1 and task = (
           select task from task where queue = $1 and (until is null or until < clock_timestamp())
           order by task limit 1 for update skip locked)
         returning task`,
        [queue, holder],
      );
      if (row) return heldOf(row.task);
      const wake = () => offered.fire();
      signal.addEventListener('abort', wake, { once: true });
      if (!signal.aborted) await offered.beyond(seen, POLL_MS);
      signal.removeEventListener('abort', wake);
      return null;
    },
  };
}

const mine = 'queue = $1 and task = $2 and holder = $3';
