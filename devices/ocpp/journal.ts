import type { Logger } from 'pino';
import type { Instant } from '../../services/domain/interval.ts';
import type { DeviceKey } from '../driver.ts';
import type { ChargingMemory } from './station.ts';

/** The rest (heartbeats, status, configuration) proves nothing later. */
const KEPT = new Set(['StartTransaction', 'StopTransaction', 'MeterValues', 'SetChargingProfile', 'ClearChargingProfile']);
const FLUSH_MS = 200;
const MOST_WAITING = 5000;

/** Keeps the frames that sessions and proofs rest on, in batches, off the path of the answer. */
export function journal(memory: ChargingMemory, now: () => Instant, lost: (count: number) => void, log: Logger) {
  let waiting: Parameters<ChargingMemory['keepFrames']>[0][number][] = [];
  let timer: NodeJS.Timeout | null = null;
  const flush = async (): Promise<void> => {
    if (timer) clearTimeout(timer);
    timer = null;
    const batch = waiting;
    waiting = [];
    await memory.keepFrames(batch).catch((error) => {
      lost(batch.length);
      log.error({ frames: batch.length, error }, 'frames were not kept');
    });
  };
  return {
    passed: ({ discom, deviceId }: DeviceKey, sent: boolean, action: string, text: string): void => {
      const empty = sent && action === 'MeterValues'; // our answer to them says nothing
      if (!KEPT.has(action) || empty) return;
      if (waiting.length >= MOST_WAITING) {
        lost(1);
        return;
      }
      waiting.push({ discom, deviceId, at: now(), sent, action, text });
      timer ??= setTimeout(() => void flush(), FLUSH_MS);
    },
    flush,
  };
}
