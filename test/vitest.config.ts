import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const EXCLUDE = ['dist/**', 'node_modules/**', '**/node_modules/**'];
/** Suites that start servers or a browser: two at once would fight for the two cores and for time. */
const SERVERS = ['test/e2e/**/*.test.ts', 'test/faults/**/*.test.ts', 'test/servers/**/*.test.ts', 'test/browser/**/*.test.ts'];

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
          // By itself vitest leaves one processor free, which of two is half of them.
          maxWorkers: Math.max(1, availableParallelism()),
          include: ['**/*.test.ts'],
          exclude: [...EXCLUDE, ...SERVERS],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'servers',
          root: ROOT,
          include: SERVERS,
          exclude: EXCLUDE,
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
