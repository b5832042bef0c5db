import { parentPort } from 'node:worker_threads';
import { sha256 } from '../host/ids.ts';
import type { DayAnswer } from './crew-service.ts';
import { type DayToLay, layDay } from './lay.ts';
import { dayRoot } from './root-service.ts';

/** One of the crew: lays a day at a time, in the order it is asked. */
parentPort!.on('message', (day: DayToLay) => {
  const { answer, transfer } = laid(day);
  parentPort!.postMessage(answer, transfer);
});

function laid(day: DayToLay): { answer: DayAnswer; transfer: ArrayBuffer[] } {
  try {
    const found = layDay(day, { sha256, dayRoot });
    return { answer: { laid: found }, transfer: found.bytes ? [found.bytes.buffer as ArrayBuffer] : [] };
  } catch (error) {
    return { answer: { error: (error as Error).message }, transfer: [] };
  }
}
