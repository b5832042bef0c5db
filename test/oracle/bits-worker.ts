import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { bitsOf } from './bits.ts';

/* As a worker: { core, from, to }. As a program: CORE FROM TO. */
if (parentPort) {
  const { core, from, to } = workerData as { core: Uint8Array; from: number; to: number };
  parentPort.postMessage(await bitsOf(core, from, to));
} else {
  const [core, from, to] = process.argv.slice(2);
  console.log(await bitsOf(readFileSync(core!), Number(from), Number(to)));
}
