import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { coreBytes } from '../services/host/core-file.ts';
import { loadKernel } from '../services/performance/kernel.ts';
import { CELLS, DAYS, EVENT_SLOTS, METERS, SLOTS, specOf, WINDOW_SLOTS } from './kernel-input.ts';

/*
 * A share of the meters in a memory of its own, read from the file into it; then a run whenever it is told the terms, and a copy of the
 * totals when it is asked for them.
 */
const { file, first, meters } = workerData as { file: string; first: number; meters: number };
const { batch } = await loadKernel(coreBytes());
const door = batch.open({ meters, days: DAYS, eventSlots: EVENT_SLOTS, windowSlots: WINDOW_SLOTS, width: 2 });
const fd = openSync(file, 'r');
for (const [block, column] of [...door.history, door.actual].entries())
  for (let row = 0; row < SLOTS; row++)
    readSync(fd, column.subarray(row * meters, (row + 1) * meters), 0, meters * 2, (block * CELLS + row * METERS + first) * 2);
closeSync(fd);
parentPort!.on('message', ([select, x, asked]: ['all' | 'high', number, boolean]) => {
  const { baselineTotalWh, deliveredTotalWh } = batch.run(specOf(select, x));
  parentPort!.postMessage(asked ? [baselineTotalWh.slice(), deliveredTotalWh.slice()] : null);
});
parentPort!.postMessage('ready');
