import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Refusal } from '../domain/outcome.ts';
import { sha256 } from '../host/ids.ts';
import type { Findings } from './findings.ts';
import { type DayLaid, type DayToLay, layDay } from './lay.ts';
import { columnsOf, type MemberColumns } from './members.ts';
import type { ReadFile } from './reader.ts';
import { dayRoot } from './root-service.ts';

/** Lays days, several at a time, and reads files of CSV. */
export type Crew = {
  /** How many days are worth having under way at a time. */
  readonly hands: number;
  /** Throws Refusal `laying_interrupted` where thread after thread ended over it. */
  lay(day: DayToLay): Promise<DayLaid>;
  /** As `readingsReader`, beside what brings the pieces. Throws what spoils the file, or Refusal `reading_interrupted`. */
  read(pieces: AsyncIterable<Uint8Array>): Promise<FileRead>;
  stop(): Promise<void>;
};
export type FileRead = { readonly file: ReadFile; readonly found: Pick<Findings, 'first' | 'counts'> };

/** What a thread is asked; each has one answer, in order. */
export type Question =
  | { readonly verb: 'lay'; readonly day: Omit<DayToLay, 'members'>; readonly members: MemberColumns }
  | { readonly verb: 'read'; readonly file: number; readonly piece: Uint8Array }
  | { readonly verb: 'end'; readonly file: number }
  | { readonly verb: 'leave'; readonly file: number };
export type Answer =
  | { readonly said: DayLaid | FileRead | null }
  | { readonly refused: Pick<Refusal, 'kind' | 'code' | 'message' | 'field'> }
  | { readonly error: string };

// Threads run compiled code also when this file is read as TypeScript.
const THREAD = import.meta.url.endsWith('.ts')
  ? new URL('../../dist/services/metering/crew-service-thread.js', import.meta.url)
  : new URL('./crew-service-thread.js', import.meta.url);
/** Cells of a day below which a thread is not worth its message. */
const CELLS_LEAST = 1 << 15;
/** What of a file may wait to be read: enough that neither side waits for the other, and no more memory than that. */
const AHEAD_BYTES = 1 << 23;
/** A thread that ends over a day may have been ended by something else; when a second one does, it is the day. */
const TRIES = 2;

/** Threads start when the first large day or file comes, and stay: one a processor, for the main thread then only waits. */
export function openCrew(hands = availableParallelism()): Crew {
  const threads = new Set<Thread>();
  let files = 0;
  let stopped = false;
  const free = (): Thread => {
    const idlest = [...threads].sort((a, b) => a.asked.length - b.asked.length)[0];
    if (idlest && (idlest.asked.length === 0 || threads.size >= hands)) return idlest;
    const thread = openThread(() => threads.delete(thread));
    threads.add(thread);
    return thread;
  };
  const layBeside = async ({ members: told, ...day }: DayToLay): Promise<DayLaid> => {
    const members = columnsOf(told);
    for (let tries = 1; ; tries++)
      try {
        return (await free().ask({ verb: 'lay', day, members })) as DayLaid;
      } catch (error) {
        if (!(error instanceof ThreadEnded)) throw error;
        if (tries < TRIES && !stopped) continue;
        throw new Refusal(
          'unavailable',
          'laying_interrupted',
          `${tries === 1 ? 'a thread' : `${tries} threads`} ended while laying ${day.name.day} of shard ${day.name.shard} (${error.message}); nothing was stored: send it again`,
        );
      }
  };
  return {
    hands,
    lay: async (day) => (day.name.slots * day.name.meters < CELLS_LEAST ? layDay(day, { sha256, dayRoot }) : layBeside(day)),
    read: async (pieces) => {
      const thread = free();
      const file = ++files;
      try {
        await sendAhead(pieces, (piece) => thread.ask({ verb: 'read', file, piece }, [piece.buffer as ArrayBuffer]));
        return (await thread.ask({ verb: 'end', file })) as FileRead;
      } catch (error) {
        thread.ask({ verb: 'leave', file }).catch(() => {}); // a thread that is gone has left it
        if (!(error instanceof ThreadEnded)) throw error;
        throw new Refusal(
          'unavailable',
          'reading_interrupted',
          `the thread that read the file ended (${error.message}); nothing was stored: send it again`,
        );
      }
    },
    stop: async () => {
      stopped = true;
      await Promise.all([...threads].map(({ worker }) => worker.terminate()));
    },
  };
}

/** Sends each piece, as a copy of its own, without waiting for the one before, but never too much at a time. */
async function sendAhead(pieces: AsyncIterable<Uint8Array>, send: (piece: Uint8Array) => Promise<unknown>): Promise<void> {
  const ahead: { readonly bytes: number; readonly sent: Promise<unknown> }[] = [];
  let waiting = 0;
  for await (const piece of pieces) {
    const sent = send(new Uint8Array(piece));
    sent.catch(() => {}); // awaited in its turn
    ahead.push({ bytes: piece.length, sent });
    waiting += piece.length;
    while (waiting > AHEAD_BYTES) {
      const first = ahead.shift()!;
      await first.sent;
      waiting -= first.bytes;
    }
  }
  for (const { sent } of ahead) await sent;
}

class ThreadEnded extends Error {}

/** What it was asked and has not answered, in order: a thread does one after the other. */
type Asked = { done(said: DayLaid | FileRead | null): void; fail(error: Error): void };
type Thread = {
  readonly worker: Worker;
  readonly asked: Asked[];
  ask(question: Question, transfer?: ArrayBuffer[]): Promise<DayLaid | FileRead | null>;
};

function openThread(gone: () => void): Thread {
  const worker = new Worker(THREAD);
  // An idle thread keeps no process alive; one at work is waited for by its call.
  worker.unref();
  const asked: Asked[] = [];
  let ended: ThreadEnded | null = null;
  const failAll = (why: string): void => {
    ended ??= new ThreadEnded(why);
    gone();
    for (const { fail } of asked.splice(0)) fail(ended);
  };
  worker.on('message', (answer: Answer) => {
    const { done, fail } = asked.shift()!;
    if (asked.length === 0) worker.unref();
    if ('said' in answer) done(answer.said);
    else if ('error' in answer) fail(new Error(answer.error));
    else fail(new Refusal(answer.refused.kind, answer.refused.code, answer.refused.message, answer.refused.field));
  });
  worker.on('error', (error) => failAll(error.message));
  worker.on('exit', (code) => failAll(`exit ${code}`));
  return {
    worker,
    asked,
    ask: (question, transfer) =>
      new Promise((done, fail) => {
        // A message to a thread that has ended is never answered.
        if (ended !== null) {
          fail(ended);
          return;
        }
        worker.ref();
        asked.push({ done, fail });
        worker.postMessage(question, transfer ?? []);
      }),
  };
}
