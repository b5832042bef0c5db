import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const EXCLUDE = ['dist/**', 'node_modules/**', '**/node_modules/**'];
/** Suites that start servers or a browser. */
const SERVERS = ['test/e2e/**/*.test.ts', 'test/faults/**/*.test.ts', 'test/servers/**/*.test.ts', 'test/browser/**/*.test.ts'];
/** Those of them that start whole houses, several processes each: two at once would fight for two processors and for time. */
const HOUSES = ['test/e2e/{apart,demo}.test.ts', 'test/faults/{carriers,house,runs,workers}.test.ts'];
// By itself vitest leaves one processor free, which of two is half of them.
const ALL_PROCESSORS = Math.max(1, availableParallelism());

export default defineConfig({
  test: {
    root: ROOT,
    passWithNoTests: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        test: {
          name: 'rooms',
          root: ROOT,
          maxWorkers: ALL_PROCESSORS,
          include: ['**/*.test.ts'],
          exclude: [...EXCLUDE, ...SERVERS],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      withServers('servers', Math.min(2, ALL_PROCESSORS), 1, { include: SERVERS, exclude: [...EXCLUDE, ...HOUSES] }),
      withServers('houses', 1, 2, { include: HOUSES, exclude: EXCLUDE }),
    ],
  },
});

/** Suites that wait for servers to start; each group after the one before. */
function withServers(name: string, maxWorkers: number, groupOrder: number, files: { include: string[]; exclude: string[] }) {
  return {
    test: { name, root: ROOT, maxWorkers, ...files, testTimeout: 180_000, hookTimeout: 180_000, sequence: { groupOrder } },
  };
}
