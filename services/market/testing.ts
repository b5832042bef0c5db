import { readFileSync } from 'node:fs';
import { vi } from 'vitest';
import { allocateCommand } from './allocate-cli.ts';

/** The core as built. */
export const core = (): Uint8Array => new Uint8Array(readFileSync(new URL('../../dist/core/core.wasm', import.meta.url)));

/** `lachak allocate …`: its exit code and what it printed. */
export async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation(((text: string, done?: () => void) => {
    out += text;
    done?.();
    return true;
  }) as never);
  const complain = vi.spyOn(process.stderr, 'write').mockImplementation(((text: string) => {
    err += text;
    return true;
  }) as never);
  try {
    return { code: await allocateCommand(args, core), out, err };
  } finally {
    write.mockRestore();
    complain.mockRestore();
  }
}
