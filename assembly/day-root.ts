/*
 * The evidence of one day of one shard: the digest of every meter-day, and the Merkle root over them. What the bytes of a meter-day are is
 * said in services/domain/meter-day.ts: a head, then a line `<import Wh>,<export Wh>,<quality>` per slot, missing values empty. They are
 * written here straight from the columns, a meter at a time; sixteen after one another, for so many values share a cache line, and those
 * then are hashed four abreast.
 */
import { MISSING } from './columns';
import { blocksOf, hashPadded, pad, treeRoot } from './sha256';
import { beginLanes, compressLanes, digestLane } from './sha256-lanes';

const TOGETHER: i32 = 16;
/** Of each text that waits to be hashed, where it lies and its blocks. */
const TEXT = memory.data(64, 16);
const BLOCKS = memory.data(64, 16);
/** Of each number below 1000, its line where it is a VALID import and nothing is exported; in the last byte how long it is. Made at the first call. */
const LINES = memory.data(8000, 16);

/** Bytes a line can have: two signs, two numbers of ten digits, a quality of three, two commas and the line's end. */
export const LINE_BYTES_MOST: i32 = 28;
const LINE_END: u8 = 0x0a;
const COMMA: u8 = 0x2c;
const MINUS: u8 = 0x2d;
const ZERO: u8 = 0x30;
const VALID: u32 = 1;
/** ",,1" and ",,0" with their line end: no export and VALID; nothing at all. */
const VALID_REST: u32 = 0x0a312c2c;
const EMPTY_LINE: u32 = 0x0a302c2c;
const REST_BYTES: usize = 4;

/**
 * in   importWh  i32 [slots][meters]  Wh; -2^31 = missing
 *      exportWh  i32 [slots][meters]  likewise
 *      quality   u8  [slots][meters]
 *      names     u8                   the head's first line, the four below the meter's id, then each meter's id and a line end; only a zero
 *                                     byte = there is no such meter
 *      texts     u8                   scratch for sixteen texts, each with the longest head, a full line per slot and a block more
 * out  leaves    u8  [meters][32]     digests of the meter-days that have a reading, in order
 *
 * Answers how many those are.
 */
export function dayDigests(importWh: usize, exportWh: usize, quality: usize, slots: i32, meters: i32, names: usize, texts: usize,
  leaves: usize): i32 {
  if (load<u64>(LINES) == 0) fillLines();
  const below = after(names, 1);
  let name = after(below, 4);
  let text = texts;
  let waiting = 0;
  let count = 0;
  for (let meter = 0; meter < meters; meter++) {
    if (load<u8>(name) == 0) name++;
    else {
      const id = name;
      name = after(id, 1);
      const head = copied(below, copied(id, copied(names, text, 1), 1), 4);
      const end = slotLines(importWh, exportWh, quality, meter, meters, slots * meters, head);
      if (end != 0) text = waits(waiting++, text, end);
    }
    if (waiting == TOGETHER || meter == meters - 1) {
      digests(waiting, leaves + (<usize>count << 5));
      count += waiting;
      waiting = 0;
      text = texts;
    }
  }
  return count;
}

/** As `dayDigests`; the root over them lies where the first of them lay. */
export function dayRoot(importWh: usize, exportWh: usize, quality: usize, slots: i32, meters: i32, names: usize, texts: usize,
  leaves: usize): i32 {
  const count = dayDigests(importWh, exportWh, quality, slots, meters, names, texts, leaves);
  treeRoot(leaves, count);
  return count;
}

/** Where so many lines end. */
function after(at: usize, lines: i32): usize {
  while (lines > 0) if (load<u8>(at++) == LINE_END) lines--;
  return at;
}

/** Copies so many lines; answers where the copy ends. */
function copied(from: usize, to: usize, lines: i32): usize {
  while (lines > 0) {
    const byte = load<u8>(from++);
    store<u8>(to++, byte);
    if (byte == LINE_END) lines--;
  }
  return to;
}

/** Writes the slots of a meter; answers where they end, or 0 = no slot has a quality, so there is no reading. */
function slotLines(importWh: usize, exportWh: usize, quality: usize, meter: i32, meters: i32, cells: i32, head: usize): usize {
  let at = head;
  let seen: u32 = 0;
  for (let cell: usize = meter; cell < <usize>cells; cell += meters) {
    const imported = load<i32>(importWh + (cell << 2));
    const exported = load<i32>(exportWh + (cell << 2));
    const said: u32 = load<u8>(quality + cell);
    seen |= said;
    if (exported == MISSING && imported >= 0 && said == VALID) at = natural(at, imported) + REST_BYTES;
    else if (exported == MISSING && imported == MISSING) {
      store<u32>(at, EMPTY_LINE);
      at += REST_BYTES;
    } else at = line(at, imported, exported, said);
  }
  return seen == 0 ? 0 : at;
}

function line(at: usize, imported: i32, exported: i32, said: u32): usize {
  if (imported != MISSING) at = integer(at, imported);
  store<u8>(at++, COMMA);
  if (exported != MISSING) at = integer(at, exported);
  store<u8>(at++, COMMA);
  at = natural(at, said);
  store<u8>(at, LINE_END);
  return at + 1;
}

function integer(at: usize, value: i32): usize {
  if (value >= 0) return natural(at, value);
  store<u8>(at, MINUS);
  return natural(at + 1, -value);
}

/** Its digits; behind what it answers as their end stands the rest of a VALID line, and up to eight bytes from there are written over. */
@inline
function natural(at: usize, value: u32): usize {
  return value < 1000 ? small(at, value) : large(at, value);
}

@inline
function small(at: usize, value: u32): usize {
  const whole = load<u64>(LINES + (<usize>value << 3));
  store<u64>(at, whole);
  return at + <usize>(whole >> 56) - REST_BYTES;
}

function large(at: usize, value: u32): usize {
  const thousands = value / 1000;
  at = thousands < 1000 ? small(at, thousands) : large(at, thousands);
  // Three digits more: zeros move what the rest has as its line up to where seven bytes end.
  const whole = load<u64>(LINES + (<usize>(value - thousands * 1000) << 3));
  const shift = 56 - (whole >> 56 << 3);
  store<u64>(at, (whole << shift) | (0x3030 & ((<u64>1 << shift) - 1)));
  return at + 3;
}

function fillLines(): void {
  for (let value: u32 = 0; value < 1000; value++) {
    let whole: u64 = VALID_REST;
    let bytes: u64 = REST_BYTES;
    for (let rest = value; rest > 0 || bytes == REST_BYTES; rest /= 10, bytes++) whole = (whole << 8) | (ZERO + rest % 10);
    store<u64>(LINES + (<usize>value << 3), whole | (bytes << 56));
  }
}

/** Pads a text and notes it; answers where the next one has its place. */
function waits(nth: i32, text: usize, end: usize): usize {
  const bytes = <i32>(end - text);
  const blocks = blocksOf(bytes);
  pad(text, bytes);
  store<usize>(TEXT + (<usize>nth << 2), text);
  store<i32>(BLOCKS + (<usize>nth << 2), blocks);
  return text + (<usize>blocks << 6);
}

/** Of the texts that wait, into `leaves`. */
function digests(count: i32, leaves: usize): void {
  let i = 0;
  if (ASC_FEATURE_SIMD) for (; i + 4 <= count; i += 4) four(<usize>i << 2, leaves + (<usize>i << 5));
  for (; i < count; i++)
    hashPadded(load<usize>(TEXT + (<usize>i << 2)), load<i32>(BLOCKS + (<usize>i << 2)), leaves + (<usize>i << 5));
}

/** Four texts, each as long as it is: a lane that is done goes on for nothing. */
function four(from: usize, leaves: usize): void {
  let most = 0;
  for (let lane: usize = 0; lane < 16; lane += 4) most = max(most, load<i32>(BLOCKS + from + lane));
  beginLanes();
  for (let block = 0; block < most; block++) {
    const at: usize = <usize>block << 6;
    compressLanes(load<usize>(TEXT + from) + at, load<usize>(TEXT + from, 4) + at, load<usize>(TEXT + from, 8) + at, load<usize>(TEXT + from, 12) + at);
    for (let lane = 0; lane < 4; lane++)
      if (load<i32>(BLOCKS + from + (<usize>lane << 2)) == block + 1) digestLane(lane, leaves + (<usize>lane << 5));
  }
}
