import { invalid } from '../domain/outcome.ts';
import { roomNames } from './arrows.ts';
import { EXIT, EXIT_CODES, explain, readWords, settingFlags, settingsHelp, suggestion } from './cli.ts';
import { isApart, loadConfig, printConfig } from './config.ts';
import { missing } from './expect.ts';
import { expectApart, type Host, type Start, startHost } from './host.ts';
import { openLog } from './log.ts';
import type { RoomMaker, RoomName } from './room.ts';
import { dependenciesAnswer } from './waiting.ts';

const HELP = `lachak start [ROOM…] [options]

Runs the rooms named, or all of them, in this process until it is told to stop (Ctrl-C, SIGTERM). Everything is kept in one folder,
which one process at a time may use; a start in the same folder goes on where the last one ended, however it ended.

`;

/** Closing must be over within this, wall time, however badly a part hangs. */
const STOP_WITHIN_MS = 9500;

/** `lachak start`: resolves with the exit code once it has been told to stop and has stopped. */
export async function startCommand(
  argv: readonly string[],
  loadRooms: (names: readonly RoomName[]) => Promise<readonly RoomMaker[]>,
): Promise<number> {
  const { values, positionals } = readWords(argv, settingFlags);
  if (values.help) {
    process.stdout.write(`${HELP}Rooms: ${roomNames.join(', ')}\n\n${settingsHelp()}\n\n${EXIT_CODES}\n`);
    return EXIT.done;
  }
  const { config } = loadConfig(values, process.env);
  const names = chosen(positionals);
  const log = openLog(config);
  const began = performance.now();
  const told = untilTold();
  // Loading the rooms keeps this thread busy for a second: PostgreSQL starts beside it.
  const rooms = new Promise<void>((next) => setImmediate(next)).then(() => loadRooms(names));
  rooms.catch(() => {}); // startHost waits for it, and tells
  const host = await whenPossible({ config, rooms, log }, told);
  if (!host) return EXIT.done;
  const lines = [
    ...[...host.announced].map(([what, address]) => `${what.padEnd(8)} ${address}`),
    `data     ${config.folder}`,
    `token    lachak token --role operator --discom YOURS --folder ${config.folder}`,
    `ready    ${(await rooms).length} rooms in ${((performance.now() - began) / 1000).toFixed(1)} s; Ctrl-C stops`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);

  const reason = await told;
  log.info({ reason }, 'stopping');
  const late = setTimeout(() => {
    log.error('some parts did not stop in time');
    process.exit(EXIT.no);
  }, STOP_WITHIN_MS);
  await host.stop();
  clearTimeout(late);
  if (reason instanceof Error) {
    const { message, exit } = explain(reason);
    process.stderr.write(`lachak: ${message}\n`);
    return exit === EXIT.done ? EXIT.bug : exit;
  }
  return EXIT.done;
}

/** Rooms apart wait for what they stand on; a house of its own says at once what is missing. Null: told to stop first. */
async function whenPossible(start: Start, told: Promise<unknown>): Promise<Host | null> {
  const { config, rooms, log } = start;
  const enough = new AbortController();
  void told.then(() => enough.abort());
  for (;;) {
    if (isApart(config)) {
      expectApart(config);
      const names = (await rooms).map(({ name }) => name);
      if (!(await dependenciesAnswer(config, names, log, enough.signal))) return null;
    }
    try {
      return await startHost(start);
    } catch (error) {
      log.debug({ error }, 'start failed');
      // It went away again while the rooms were made.
      if (!isApart(config) || missing(error) === null) throw error;
    }
  }
}

/** `lachak config`: what holds, and who said so. */
export async function configCommand(argv: readonly string[]): Promise<number> {
  const { values } = readWords(argv, settingFlags);
  if (values.help)
    process.stdout.write(
      `lachak config [options]\n\nPrints every setting, its value and where it was said; secrets are masked.\n\n${settingsHelp()}\n`,
    );
  else process.stdout.write(`${printConfig(loadConfig(values, process.env))}\n`);
  return EXIT.done;
}

function chosen(words: readonly string[]): readonly RoomName[] {
  const unknown = words.find((word) => !roomNames.includes(word as RoomName));
  if (unknown !== undefined)
    throw invalid('usage', `there is no room ${unknown}${suggestion(unknown, roomNames)}; rooms: ${roomNames.join(', ')}`);
  return words.length === 0 ? roomNames : (words as readonly RoomName[]);
}

/** A signal, or a bug that nobody caught: either ends the run cleanly. A second signal ends it at once. */
function untilTold(): Promise<NodeJS.Signals | Error> {
  return new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => {
        done(signal);
        process.once(signal, () => process.exit(128 + 2));
      });
    }
    process.once('uncaughtException', done);
    process.once('unhandledRejection', (reason) => done(reason instanceof Error ? reason : new Error(String(reason))));
  });
}
