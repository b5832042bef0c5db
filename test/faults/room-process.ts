import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { RoomName } from '../../services/host/room.ts';
import { lachak } from './house.ts';

const READY_WITHIN_MS = 180_000;

/** `lachak start ROOM` in a process that somebody starts again whenever it was killed, as systemd would. */
export type RoomProcess = {
  readonly room: RoomName;
  /** Resolves when it says it is ready, however often it falls before; throws when it ends by itself. */
  ready(): Promise<void>;
  isReady(): boolean;
  pid(): number;
  kill(): void;
  /** The places it was to kill itself at and has not passed. */
  unstruck(): readonly string[];
  errors(): string;
  /** SIGTERM; null when it ended with 0 within ten seconds, else what it did instead. */
  stop(): Promise<string | null>;
};
export type RoomSetting = {
  readonly room: RoomName;
  readonly configFile: string;
  /** One after the other: the next is armed when the one before has struck. */
  readonly faults: readonly Fault[];
  /** It was killed, by us (`at` null) or at an armed place. */
  readonly fell: (at: Fault | null) => void;
  /** It stands still at the place, and goes on when what the fault says is down. */
  readonly stands: (at: Fault) => Promise<void>;
};
/** At a named place, passed for the n-th time (`place:n`): kill -9 of the room, or of a server while the room stands still there. */
export type Fault = { readonly place: string; readonly server?: string };

export function keepRoom({ room, configFile, faults, fell, stands }: RoomSetting): RoomProcess {
  const ahead = [...faults];
  let errors = '';
  let child: ChildProcess;
  let ready = false;
  let ours = false; // the kill that is under way is ours, not a place's
  let stopping = false;
  let broken: Error | null = null;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const one of waiting) one();
    waiting.clear();
  };
  const start = (): void => {
    ready = false;
    ours = false;
    const [armed] = ahead;
    const env = { ...process.env, LACHAK_FAULT: armed ? `${armed.place}${armed.server ? ':stop' : ''}` : '' };
    const mine = spawn(process.execPath, [lachak, 'start', room, '--config', configFile], { env });
    child = mine;
    if (armed?.server) void whenStopped(mine, armed);
    mine.stderr.on('data', (text) => {
      errors = `${errors}${text}`.slice(-20_000);
    });
    createInterface({ input: mine.stdout }).on('line', (line) => {
      if (!line.startsWith('ready') || child !== mine) return;
      ready = true;
      wake();
    });
    mine.once('close', (code, signal) => {
      ready = false;
      if (stopping) return wake();
      if (signal === 'SIGKILL' && (ours || (ahead[0] && !ahead[0].server))) {
        fell(ours ? null : ahead.shift()!);
        return start();
      }
      broken = new Error(`${room} ended by itself with ${code ?? signal}: ${errors.slice(-3000)}`);
      wake();
    });
  };
  const whenStopped = async (mine: ChildProcess, armed: Fault): Promise<void> => {
    while (mine.exitCode === null && mine.signalCode === null && !stopping) {
      await pause(10);
      if (!standsStill(mine.pid!)) continue;
      ahead.shift();
      await stands(armed);
      mine.kill('SIGCONT');
      return;
    }
  };
  start();
  return {
    room,
    isReady: () => ready,
    pid: () => child.pid!,
    ready: async () => {
      for (const late = Date.now() + READY_WITHIN_MS; !ready; ) {
        if (broken) throw broken;
        if (Date.now() > late) throw new Error(`${room} is not ready after ${READY_WITHIN_MS} ms: ${errors.slice(-3000)}`);
        await new Promise<void>((done) => {
          waiting.add(done);
          setTimeout(done, 200);
        });
      }
    },
    kill: () => {
      ours = true;
      child.kill('SIGKILL');
    },
    unstruck: () => ahead.map(({ place }) => `${room} at ${place}`),
    errors: () => errors,
    stop: async () => {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return broken?.message ?? null;
      const gone = new Promise((done) => child.once('close', done));
      child.kill('SIGTERM');
      child.kill('SIGCONT');
      const last = setTimeout(() => child.kill('SIGKILL'), 12_000);
      await gone;
      clearTimeout(last);
      return child.exitCode === 0 ? null : `${room} ended with ${child.exitCode ?? child.signalCode}: ${errors.slice(-1000)}`;
    },
  };
}

function standsStill(pid: number): boolean {
  try {
    return /\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false; // it is gone
  }
}
