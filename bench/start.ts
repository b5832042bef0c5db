import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/*
 * How long from the command to `ready`, all rooms on embedded PostgreSQL: in a new folder (the database is made), and in one that was
 * there? Beside it what Node itself needs to say anything, the floor of every command.
 * Repeat: npm run bench -- start
 */
const MAIN = fileURLToPath(new URL('../services/main.js', import.meta.url));
const RUNS = 3;

export async function startBench(print: (line: string) => void): Promise<void> {
  const [fresh, again]: [number[], number[]] = [[], []];
  const floor: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const folder = mkdtempSync(join(tmpdir(), 'lachak-bench-'));
    try {
      floor.push(await untilLine(spawn(process.execPath, ['-e', 'console.log("ready")'])));
      fresh.push(await started(folder));
      again.push(await started(folder));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const best = (list: number[]) => Math.min(...list).toFixed(0);
  const all = (list: number[]) => list.map((ms) => ms.toFixed(0)).join(', ');
  print(
    `start: ready in ${best(fresh)} ms in a new folder (${all(fresh)}), ${best(again)} ms in an old one (${all(again)}); ` +
      `bare Node ${best(floor)} ms: ${(Number(best(again)) / Number(best(floor))).toFixed(0)}× that (goal ≤ 3000 ms; ${cpus()[0]?.model.trim()}, Node ${process.version})`,
  );
}

async function started(folder: string): Promise<number> {
  const ports = ['--gateway-port', '0', '--mqtt-port', '0', '--ocpp-port', '0'];
  const child = spawn(process.execPath, [MAIN, 'start', '--folder', folder, ...ports], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    return await untilLine(child);
  } finally {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  }
}

async function untilLine(child: ChildProcess): Promise<number> {
  const began = performance.now();
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith('ready')) return performance.now() - began;
  }
  throw new Error('it ended before it was ready');
}
