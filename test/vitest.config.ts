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
      {
        test: {
          name: 'servers',
          root: ROOT,
          maxWorkers: Math.min(2, ALL_PROCESSORS),
          include: SERVERS,
          exclude: [...EXCLUDE, ...HOUSES],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'houses',
          root: ROOT,
          include: HOUSES,
          exclude: EXCLUDE,
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
