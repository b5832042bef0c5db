import { vi } from 'vitest';
import { explain } from './cli.ts';

export type Said = { readonly code: number; readonly out: string; readonly err: string };

/** A command as main.ts runs it, in this process: its exit code and what it printed; what it throws is told. */
export async function said(command: () => number | Promise<number>): Promise<Said> {
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
    return { code: await command(), out, err };
  } catch (error) {
    const { message, exit } = explain(error);
    return { code: exit, out, err: message };
  } finally {
    write.mockRestore();
    complain.mockRestore();
  }
}
