export type MeterIndex = {
  /** Index of an id, which is a new one when it was not there. */
  find(bytes: Uint8Array, from: number, to: number): number;
  /** Where the comma behind the id is, when it is a likely one; else −1. */
  likely(bytes: Uint8Array, from: number): number;
  /** Index of the likely one. */
  taken(): number;
};

/**
 * Meter ids by their bytes: FNV-1a into buckets, so that a known id costs no string. Files come meter by meter or interval by interval: the
 * id is most often the last one again, or the one that followed the last one before.
 */
export function meterIndex(ids: string[]): MeterIndex {
  const buckets = new Map<number, number[]>();
  const spelled: Uint8Array[] = [];
  const followers: number[] = [];
  let last = -1;
  let guess = -1;
  /** Where an id would end that begins at `from`; −1 = it is another one. */
  const endOf = (index: number, bytes: Uint8Array, from: number): number => {
    const known = spelled[index]!;
    for (let i = 0; i < known.length; i++) if (known[i] !== bytes[from + i]) return -1;
    return from + known.length;
  };
  const next = (index: number): number => {
    if (last >= 0) followers[last] = index;
    last = index;
    return index;
  };
  return {
    likely: (bytes, from) => {
      if (last < 0) return -1;
      guess = followers[last]!;
      let to = guess < 0 ? -1 : endOf(guess, bytes, from);
      if (to === -1 || bytes[to] !== COMMA) {
        guess = last;
        to = endOf(guess, bytes, from);
      }
      return to !== -1 && bytes[to] === COMMA ? to : -1;
    },
    // The same again is followed by what followed it before.
    taken: () => (guess === last ? last : next(guess)),
    find: (bytes, from, to) => {
      if (last >= 0 && endOf(last, bytes, from) === to) return last;
      if (last >= 0 && followers[last]! >= 0 && endOf(followers[last]!, bytes, from) === to) return next(followers[last]!);
      let hash = 0x811c9dc5;
      for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
      const bucket = buckets.get(hash) ?? [];
      let found = bucket.find((index) => endOf(index, bytes, from) === to);
      if (found === undefined) {
        found = ids.push(textOf(bytes, from, to)) - 1;
        spelled.push(bytes.slice(from, to));
        followers.push(-1);
        bucket.push(found);
        buckets.set(hash, bucket);
      }
      return next(found);
    },
  };
}

const COMMA = 44;
const decoder = new TextDecoder();
/** At most the first 500 bytes: what is longer is only ever shown. */
export const textOf = (bytes: Uint8Array, from: number, to: number): string =>
  decoder.decode(bytes.subarray(from, Math.min(to, from + 500)));
