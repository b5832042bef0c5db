import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(`${ROOT}README.md`, 'utf8');
const scripts = (JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { scripts: object }).scripts;
const help = (...argv: string[]): string =>
  execFileSync(process.execPath, [`${ROOT}dist/services/main.js`, ...argv, '--help'], { encoding: 'utf8' });

test('every file the README links to is there', () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path]) => path!);
  expect(links.length).toBeGreaterThan(20);
  expect(links.filter((path) => !existsSync(ROOT + path))).toEqual([]);
});

test('every npm script it names is in package.json', () => {
  const named = [...readme.matchAll(/npm run (\w+)/g)].map(([, name]) => name!);
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

test('what was built runs as it is: npx makes a command executable only when it sees the folder for the first time', () => {
  expect(execFileSync(`${ROOT}dist/services/main.js`, ['--version'], { encoding: 'utf8' })).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('every command and flag it shows is one the command knows', { timeout: 120_000 }, () => {
  const known = help();
  const told = new Map<string, string>(); // each command is asked once
  for (const [line, command, rest] of readme.matchAll(
    /lachak (start|account|token|config|verify|baseline|allocate|demo|backup|restore)\b([^\n`]*)/g,
  )) {
    expect(known, line).toContain(`  ${command} `);
    const says = told.get(command!) ?? help(command!);
    told.set(command!, says);
    for (const [flag] of rest!.matchAll(/--[a-z-]+/g)) expect(says, line).toContain(flag);
  }
});
