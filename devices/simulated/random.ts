/**
 * Numbers in [0, 1) that depend on the parts alone. Every draw names what it is for, so that no draw moves because another one was
 * added, left out or made at another moment: a device behaves the same however fast the machine is.
 */
export function random(...parts: readonly (string | number)[]): () => number {
  return mulberry32(fnv1a(parts.join('\u0000')));
}

/** One number in [from, to). */
export const between = (from: number, to: number, ...parts: readonly (string | number)[]): number =>
  from + (to - from) * random(...parts)();

/** True for about `share` of all parts. */
export const happens = (share: number, ...parts: readonly (string | number)[]): boolean => random(...parts)() < share;

// Source: T. Ettinger, mulberry32 (public domain): period 2³², passes gjrand; plenty for delays and habits.
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

// Source: FNV-1a, 32 bit.
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
