import { readFileSync } from 'node:fs';
import { said } from '../host/cli-testing.ts';
import { allocateCommand } from './allocate-cli.ts';

/** The core as built. */
export const core = (): Uint8Array => new Uint8Array(readFileSync(new URL('../../dist/core/core.wasm', import.meta.url)));

/** `lachak allocate …`: its exit code and what it printed. */
export const run = (...args: string[]) => said(() => allocateCommand(args, core));
