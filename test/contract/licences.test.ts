import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

// Permissive licences only: whoever takes Lachak may do with it what the Apache licence allows.
const PERMISSIVE = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'Unlicense',
  'CC0-1.0',
  'Python-2.0',
  'PostgreSQL',
  'Zlib',
  'CC-BY-4.0',
  'CC-BY-3.0',
]);
// The bundler's CSS engine: weak copyleft per file, used at build time only, none of it is shipped.
const BUILD_ONLY = new Set(['MPL-2.0']);

type Locked = { version: string; license?: string; dev?: boolean; optionalDependencies?: Record<string, string> };
const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Record<string, Locked>;
};

test('every dependency is under a permissive licence', () => {
  const others = Object.entries(packages)
    .filter(([path]) => path !== '')
    .filter(([, { license = 'none stated', dev = false }]) => !permitted(license, dev))
    .map(([path, { version, license }]) => `${path}@${version}: ${license}`);
  expect(others).toEqual([]);
});

// A lock made where some platforms' packages could not be had lacks them, and then `npm ci` refuses it everywhere.
test('the lock file names the packages of every platform', () => {
  const absent = Object.values(packages)
    .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
    .filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)));
  expect([...new Set(absent)]).toEqual([]);
});

/** SPDX expressions as they occur: `A OR B` needs one, `A AND B` all. */
function permitted(expression: string, dev: boolean): boolean {
  const alternatives = expression.replace(/[()]/g, '').split(' OR ');
  return alternatives.some((alternative) =>
    alternative.split(' AND ').every((licence) => PERMISSIVE.has(licence) || (dev && BUILD_ONLY.has(licence))),
  );
}
