import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** How a process ended, and what it printed. */
export type End = { readonly signal: NodeJS.Signals | null; readonly output: string; readonly errors: string };

/** Runs a compiled program of this folder, which falls where `fault` says (services/host/faults.ts); empty: nowhere. */
export function runTill(fault: string, program: string, ...args: readonly string[]): Promise<End> {
  const path = fileURLToPath(new URL(`../../dist/test/faults/${program}.js`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: npm run build makes it`);
  const made = spawn(process.execPath, [path, ...args], { env: { ...process.env, LACHAK_FAULT: fault } });
  const text = { output: '', errors: '' };
  made.stdout.on('data', (part) => {
    text.output += part;
  });
  made.stderr.on('data', (part) => {
    text.errors += part;
  });
  return new Promise((done) => made.once('close', (_, signal) => done({ signal, ...text })));
}
