import { MISSING } from '../../services/domain/tile.ts';
import { type DayRoot, dayRoots, type RootCore } from '../../services/metering/day-root.ts';
import type { HashKernel } from '../../services/performance/hash-kernel.ts';
import { splitMix } from './control.ts';

/** The roots of a core's days: in a browser, too, where a module is compiled without blocking. */
export async function openRoots(core: Uint8Array): Promise<DayRoot> {
  const { instance } = await WebAssembly.instantiate(Uint8Array.from(core), {});
  return dayRoots(instance.exports as RootCore);
}

/** What a core says of made-up rows and of a made-up day of this seed: leaves and roots, byte for byte. */
export function evidenceBytes(hashes: HashKernel, dayRoot: DayRoot, seed: number): Uint8Array[] {
  const next = splitMix(BigInt(seed));
  const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => next(256));
  const [count, length] = [1 + next(9), 1 + next(246)];
  const leaves = hashes.leaves(bytes(count * length), length, bytes(32 * count));
  const [slots, meters] = [1 + next(30), 1 + next(40)];
  const exporting = next(2) === 1;
  const wh = (): number => (next(9) === 0 ? MISSING : next(3) === 0 ? next(2 ** 32) - 2 ** 31 : next(1200));
  const columns = {
    ...{ slots, meters },
    importWh: Int32Array.from({ length: slots * meters }, wh),
    exportWh: Int32Array.from({ length: slots * meters }, () => (exporting ? wh() : MISSING)),
    quality: Uint8Array.from({ length: slots * meters }, () => (next(9) === 0 ? next(256) : 1)),
  };
  const ids = Array.from({ length: meters }, (_, i) => (next(9) === 0 ? undefined : `m-${i}`));
  const root = dayRoot({ day: '2026-05-09', zone: 'Asia/Kolkata', intervalMinutes: 15 }, columns, ids);
  return [leaves, hashes.root(leaves), root];
}

declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: Record<string, never>): Promise<{ instance: { exports: unknown } }>;
};
