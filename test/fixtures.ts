import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The folder of shared vectors and readings: LACHAK_FIXTURES, by default `../shared` beside the checkout. */
export const FIXTURES = resolve(ROOT, process.env.LACHAK_FIXTURES ?? '../shared');

/** The path of a fixture, or null when it is not there. */
export function fixture(...path: string[]): string | null {
  const place = join(FIXTURES, ...path);
  return existsSync(place) ? place : null;
}

/** A suite that needs fixtures: runs when all of them are there, else says "not run" and counts as skipped. */
export function describeWithFixtures(name: string, needs: readonly string[], suite: () => void): void {
  const absent = needs.filter((need) => fixture(need) === null);
  if (absent.length === 0) {
    describe(name, suite);
    return;
  }
  console.log(`not run: ${name}: ${absent.join(', ')} not found in ${FIXTURES} (set LACHAK_FIXTURES)`);
  describe.skip(`${name} (not run: no fixtures)`, () => {
    test(`needs ${absent.join(', ')}`, () => {});
  });
}
