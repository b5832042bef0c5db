import { type ParseArgsConfig, parseArgs } from 'node:util';
import { invalid, Refusal } from '../domain/outcome.ts';
import { flagOf, variableOf } from './config.ts';
import { settings } from './settings.ts';

/** What the command line answers to the shell. */
export const EXIT = { done: 0, no: 1, usage: 2, notStarted: 3, bug: 70 } as const;

export const EXIT_CODES = `Exit codes: 0 done; 1 the answer is no, or it failed on the way; 2 wrong use of the command line or configuration;
3 could not start (folder in use, port taken, database away); 70 a bug in Lachak.`;

type Options = NonNullable<ParseArgsConfig['options']>;
export type Words = {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
};

/** node:util parseArgs, with its complaints as Refusal `usage`, naming the nearest flag. */
export function readWords(argv: readonly string[], options: Options): Words {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: { help: { type: 'boolean', short: 'h' }, ...options },
      allowPositionals: true,
    });
    return { values: values as Words['values'], positionals };
  } catch (error) {
    const unknown = /Unknown option '(--?[^']*)'/.exec((error as Error).message)?.[1];
    if (unknown === undefined) throw invalid('usage', (error as Error).message);
    throw invalid('usage', `unknown option ${unknown}${suggestion(unknown.replace(/^-+/, ''), Object.keys(options), '--')}`);
  }
}

/** Flags for every setting, and --config. */
export const settingFlags: Options = {
  config: { type: 'string' },
  ...Object.fromEntries(settings.map(({ key }) => [flagOf(key), { type: 'string' as const }])),
};

/** The settings as help text. */
export const settingsHelp = (): string =>
  settings
    .filter(({ says }) => says !== null)
    .map(({ key, allowed, says }) => `  --${flagOf(key).padEnd(32)} ${[says, allowed].filter(Boolean).join(': ')}`)
    .join('\n')
    .concat(`\n  --${'config FILE'.padEnd(32)} the same as JSON: { "gateway": { "port": 8080 } }`)
    .concat(
      `\nEach can come from the file, then the environment (${variableOf('gateway.port')}=8080), then a flag; the last one wins.`,
    );

/** `; did you mean …?`, or nothing when no word is near. */
export function suggestion(word: string, known: readonly string[], prefix = ''): string {
  const near = known.map((candidate) => ({ candidate, far: distance(word, candidate) })).sort((a, b) => a.far - b.far)[0];
  return near && near.far <= Math.max(2, word.length / 3) ? `; did you mean ${prefix}${near.candidate}?` : '';
}

/** What a person is told when a command could not do its work. */
export function explain(error: unknown): { message: string; exit: number } {
  if (error instanceof Refusal) {
    const exit = error.code === 'usage' || error.code === 'config_invalid' ? EXIT.usage : EXIT.notStarted;
    return { message: error.message, exit };
  }
  const { code, address, port, message } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (code === 'EADDRINUSE') {
    return {
      message: `${address}${port ? `:${port}` : ''} is taken by another program; stop it or choose another port (lachak start --help)`,
      exit: EXIT.notStarted,
    };
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENOSPC')
    return { message: message ?? code, exit: EXIT.notStarted };
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === '28P01' || code === '3D000') {
    return {
      message: `the database cannot be used: ${message || `connection refused at ${address}:${port}`}`,
      exit: EXIT.notStarted,
    };
  }
  return { message: (error as Error)?.stack ?? String(error), exit: EXIT.bug };
}

// Levenshtein: how many letters to add, drop or change.
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
