/** Texts that a file says again and again, meter ids or stamps, by index. */
export type Texts = {
  /** One behind the other, each with a comma: those that follow one another lie beside one another. */
  spelled: DataView;
  /** Where each begins, and the next one will. */
  places: Int32Array;
  /** What followed it last time; −1 = nothing yet. */
  followers: Int32Array;
  count: number;
  last: number;
  /** The last one was the one before it again. */
  again: boolean;
  readonly buckets: Map<number, number[]>;
};

export const noTexts = (): Texts => ({
  spelled: new DataView(new ArrayBuffer(1 << 10)),
  places: new Int32Array(64),
  followers: new Int32Array(64),
  count: 0,
  last: -1,
  again: false,
  buckets: new Map(),
});

/**
 * Index of the text that is likely to come, if it stands at `from`, a comma behind it, and ends before `end`; else −1. Files come meter by meter or interval by
 * interval: it is most often the last one again, or the one that followed the last one before. What it was last time is tried first.
 */
export function likely(texts: Texts, view: DataView, from: number, end: number): number {
  const { last, again } = texts;
  if (last < 0) return -1;
  if (again && stands(texts, last, view, from, end)) return last;
  const next = texts.followers[last]!;
  if (next >= 0 && stands(texts, next, view, from, end)) {
    texts.again = false;
    texts.last = next;
    return next;
  }
  if (again || !stands(texts, last, view, from, end)) return -1;
  texts.again = true;
  return last;
}

/** Whether it is the last one again, as it was the last time: the first that `likely` asks, worth asking without a call. */
export const standsAgain = (texts: Texts, view: DataView, from: number, end: number): boolean =>
  texts.again && stands(texts, texts.last, view, from, end);

/** Four bytes at a time, the last four of them perhaps once more; what is shorter is looked up. */
function stands({ spelled, places }: Texts, index: number, view: DataView, from: number, end: number): boolean {
  const place = places[index]!;
  const tail = places[index + 1]! - place - 4;
  if (tail < 0 || from + tail + 4 > end) return false;
  for (let i = 0; i < tail; i += 4) if (view.getInt32(from + i) !== spelled.getInt32(place + i)) return false;
  return view.getInt32(from + tail) === spelled.getInt32(place + tail);
}

/** Bytes of a text, its comma among them. */
export const lengthOf = ({ places }: Texts, index: number): number => places[index + 1]! - places[index]!;

/** Index of the text in [from, to): by its hash (FNV-1a), so that a known text costs no string. One that is new gets the next index. */
export function indexOf(texts: Texts, bytes: Uint8Array, from: number, to: number): number {
  const { last } = texts;
  if (last >= 0 && isIt(texts, last, bytes, from, to)) return last;
  const next = last < 0 ? -1 : texts.followers[last]!;
  const found = next >= 0 && isIt(texts, next, bytes, from, to) ? next : byHash(texts, bytes, from, to);
  // The same again is followed by what followed it before.
  if (last >= 0) texts.followers[last] = found;
  texts.last = found;
  return found;
}

function byHash(texts: Texts, bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  const bucket = texts.buckets.get(hash) ?? [];
  for (const index of bucket) if (isIt(texts, index, bytes, from, to)) return index;
  if (bucket.push(texts.count) === 1) texts.buckets.set(hash, bucket);
  return add(texts, bytes, from, to);
}

function isIt({ spelled, places }: Texts, index: number, bytes: Uint8Array, from: number, to: number): boolean {
  const shift = places[index]! - from;
  if (places[index + 1]! - 1 !== to + shift) return false;
  for (let at = from; at < to; at++) if (spelled.getUint8(at + shift) !== bytes[at]) return false;
  return true;
}

function add(texts: Texts, bytes: Uint8Array, from: number, to: number): number {
  const index = texts.count++;
  const place = texts.places[index]!;
  const end = place + to - from + 1;
  if (end > texts.spelled.byteLength) {
    const more = new Uint8Array(2 * end);
    more.set(new Uint8Array(texts.spelled.buffer));
    texts.spelled = new DataView(more.buffer);
  }
  if (texts.count === texts.places.length) {
    texts.places = widened(texts.places);
    texts.followers = widened(texts.followers);
  }
  for (let at = from; at < to; at++) texts.spelled.setUint8(place + at - from, bytes[at]!);
  texts.spelled.setUint8(end - 1, COMMA);
  texts.places[texts.count] = end;
  texts.followers[index] = -1;
  return index;
}

const widened = (column: Int32Array): Int32Array => {
  const more = new Int32Array(2 * column.length);
  more.set(column);
  return more;
};

const COMMA = 44;
const decoder = new TextDecoder();
/** At most the first 500 bytes: what is longer is only ever shown. */
export const textOf = (bytes: Uint8Array, from: number, to: number): string =>
  decoder.decode(bytes.subarray(from, Math.min(to, from + 500)));
