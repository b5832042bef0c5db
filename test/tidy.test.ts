import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { arrows as declared } from '../services/host/arrows.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The market so far only thinks: it serves nothing and follows nobody, so no process runs it. */
const arrows: Readonly<Record<string, readonly string[]>> = { ...declared, market: [] };

/** service.ts and store.ts, whole or by subject: `follow-service.ts`, `store-links.ts`. */
const speaksOrRemembers = /(^|\/)([a-z]+-)?(service|store)(-[a-z]+)?\.ts$/;
/** Files that neither only think, nor speak, nor remember: each has its reason. */
const exceptions: readonly [RegExp, string][] = [
  [
    /^services\/(host|gateway|demo|doctor|backup|state|potential)\//,
    'the process, the HTTP door, the story told with them, the look at what they stand on, its way into a backup and back; studies',
  ],
  [/^services\/(main|roster|verify)\.ts$/, 'the command'],
  [/^devices\/(mqtt|ocpp|simulated)\//, 'drivers and simulators speak over sockets'],
  [/-cli\.ts$/, 'commands read files and print'],
  [/^services\/performance\/(kernel|[a-z]+-file|readings-csv)\.ts$/, 'WebAssembly memory, and files read into it'],
  [/^services\/market\/kernel\.ts$/, 'WebAssembly memory'],
  [/(^|\/)(testing|fake-[a-z-]+)\.ts$|\.test\.ts$/, 'tests, and what they stand on'],
];
/** Packages a thinking file may use: codecs of the contract are as pure as arithmetic. */
const purePackages = /^@bufbuild\/protobuf(\/|$)/;

type Source = { readonly path: string; readonly room: string; readonly text: string; readonly imports: readonly string[] };
const sources = [...filesIn('services'), ...filesIn('devices')].map(read);
const rooms = sources.filter(({ room }) => room in arrows);

describe('the house is tidy', () => {
  test('no room imports another room, only domain, host and the contracts', () => {
    const wrong = rooms.flatMap(({ path, room, imports }) =>
      imports.filter((to) => roomOf(to) in arrows && roomOf(to) !== room).map((to) => `${path} imports ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  test('domain imports nothing, host no room', () => {
    const wrong = sources.flatMap(({ path, room, imports }) => {
      const outside = (to: string) => (room === 'domain' ? roomOf(to) !== 'domain' : room === 'host' && roomOf(to) in arrows);
      return path.endsWith('.test.ts') ? [] : imports.filter(outside).map((to) => `${path} imports ${to}`);
    });
    expect(wrong).toEqual([]);
  });

  test('calls and facts follow the arrows', () => {
    const wrong = rooms.flatMap(({ path, room, text }) => {
      if (path.endsWith('.test.ts')) return [];
      const called = [...text.matchAll(/connect\((\w+)\)/g)].map((found) => found[1]!.replace(/Service$/, '').toLowerCase());
      const followed = [...text.matchAll(/\.follow\(\s*'(\w+)'/g)].map((found) => found[1]!);
      return [...called, ...followed]
        .filter((to) => to in arrows && to !== room && !arrows[room]!.includes(to))
        .map((to) => `${path}: ${room} → ${to}`);
    });
    expect(wrong).toEqual([]);
  });

  test('files that think have no clock, no chance, no waiting and no machine', () => {
    const wrong = sources.flatMap(({ path, text, imports }) => {
      if (speaksOrRemembers.test(path) || exceptions.some(([place]) => place.test(path))) return [];
      const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      const foreign = imports
        .filter((to) => !to.includes('/') || to.startsWith('node:') || to.startsWith('@'))
        .filter((to) => !purePackages.test(to));
      const words = [/\basync\b/, /\bawait\b/, /\bDate\.now\b/, /\bnew Date\(\)/, /\bMath\.random\b/, /\bprocess\./].filter(
        (word) => word.test(code),
      );
      return [...foreign.map((to) => `${path} imports ${to}`), ...words.map((word) => `${path} says ${word.source}`)];
    });
    expect(wrong).toEqual([]);
  });

  test('no file but a test passes 350 lines', () => {
    const long = sources.filter(({ path, text }) => !path.endsWith('.test.ts') && text.split('\n').length > 350);
    expect(long.map(({ path, text }) => `${path}: ${text.split('\n').length}`)).toEqual([]);
  });

  test('what is exported, and every file, has a name that says something', () => {
    const banned = new Set([
      'data',
      'info',
      'manager',
      'helper',
      'helpers',
      'util',
      'utils',
      'process',
      'handle',
      'job',
      'impl',
      'dsm',
    ]);
    const vague = (name: string) => name.split(/[-_.]|(?<=[a-z0-9])(?=[A-Z])/).some((word) => banned.has(word.toLowerCase()));
    const wrong = sources.flatMap(({ path, text }) => {
      const names = [...text.matchAll(/^export (?:async )?(?:const|function\*?|class|type) (\w+)/gm)].map((found) => found[1]!);
      const file = path.split('/').at(-1)!;
      return [
        ...(vague(file) ? [path] : []),
        ...names.filter((name) => vague(name) || /^I[A-Z][a-z]/.test(name)).map((name) => `${path}: ${name}`),
      ];
    });
    expect(wrong).toEqual([]);
  });

  test('nothing is left to do in a comment', () => {
    expect(sources.filter(({ text }) => /\b(TODO|FIXME|XXX)\b/.test(text)).map(({ path }) => path)).toEqual([]);
  });
});

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder)).flatMap((name) => {
    const path = `${folder}/${name}`;
    // The console is a web page with its own build; it has no room's rules.
    if (path === 'services/gateway/console') return [];
    return statSync(join(ROOT, path)).isDirectory() ? filesIn(path) : name.endsWith('.ts') ? [path] : [];
  });
}

function read(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const found = [...text.matchAll(/^(?:import|export)\b[^;]*?\bfrom '([^']+)'|\bimport\('([^']+)'\)/gm)].map(
    (match) => (match[1] ?? match[2])!,
  );
  const imports = found.map((to) =>
    to.startsWith('.')
      ? relative(ROOT, join(ROOT, path, '..', to))
          .split(sep)
          .join('/')
      : to,
  );
  return { path, room: roomOf(path), text, imports };
}

function roomOf(path: string): string {
  return path.startsWith('devices/') ? 'devices' : path.startsWith('services/') ? path.split('/')[1]! : path;
}
