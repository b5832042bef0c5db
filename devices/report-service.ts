import type { Instant } from '../services/domain/interval.ts';

/** What a device last said of its power, for those who watch. */
export type Report = {
  readonly discom: string;
  readonly deviceId: string;
  readonly resourceId: string;
  readonly at: Instant;
  readonly powerW: number | null;
  readonly registerWh: number | null;
  readonly online: boolean;
  readonly source: string;
};

const MOST_WAITING = 5000;

/** Reports fan out live; a watcher that does not keep up loses the oldest, never the newest, and that is counted. */
export function reportHub(lost: (count: number) => void) {
  const watchers = new Set<{ discom: string; waiting: Report[]; wake: () => void }>();
  return {
    publish: (report: Report): void => {
      for (const watcher of watchers) {
        if (watcher.discom !== report.discom) continue;
        if (watcher.waiting.push(report) > MOST_WAITING) {
          watcher.waiting.shift();
          lost(1);
        }
        watcher.wake();
      }
    },
    /** Until `signal` aborts. */
    watch: async function* (discom: string, signal: AbortSignal): AsyncGenerator<Report[], void> {
      const watcher = { discom, waiting: [] as Report[], wake: () => {} };
      watchers.add(watcher);
      const hurry = () => watcher.wake();
      signal.addEventListener('abort', hurry);
      try {
        while (!signal.aborted) {
          if (watcher.waiting.length > 0) yield watcher.waiting.splice(0, 500);
          else
            await new Promise<void>((wake) => {
              watcher.wake = wake;
            });
        }
      } finally {
        signal.removeEventListener('abort', hurry);
        watchers.delete(watcher);
      }
    },
  };
}
export type ReportHub = ReturnType<typeof reportHub>;
