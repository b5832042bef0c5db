/*
 * The evidence of one day of one shard: the digest of every meter-day, and the Merkle root over them. What the bytes of a meter-day are is
 * said in services/domain/meter-day.ts: a head, then a line `<import Wh>,<export Wh>,<quality>` per slot, missing values empty. They are
 * written here straight from the columns, sixteen meters abreast, for so many values fill a cache line; then hashed four abreast.
 */
import { MISSING } from './columns';
import { blocksOf, hashPadded, pad, treeRoot } from './sha256';
import { beginLanes, compressLanes, digestLane } from './sha256-lanes';

const ABREAST: i32 = 16;
/** By lane: where its text ends; whether any quality was seen; of those with a reading, the text and its blocks, in order. */
const CURSOR = memory.data(64, 16);
const SEEN = memory.data(64, 16);
const TEXT = memory.data(64, 16);
const BLOCKS = memory.data(64, 16);
/** Of each number below 1000 its digits, then how many they are: made at the first call. */
const DIGITS = memory.data(4000, 16);

/** Bytes a line can have: two signs, two numbers of ten digits, a quality of three, two commas and the line's end. */
export const LINE_BYTES_MOST: i32 = 28;
/** ",,1" and ",,0" with their line end: no export and VALID; nothing at all. */
const VALID_LINE: u32 = 0x0a312c2c;
const EMPTY_LINE: u32 = 0x0a302c2c;

/**
 * in   importWh  i32 [slots][meters]  Wh; -2^31 = missing
 *      exportWh  i32 [slots][meters]  likewise; 0 = no meter has any
 *      quality   u8  [slots][meters]
 *      heads     u8                   a meter's head, then a zero byte, for each; only the zero byte = there is no such meter
 *      texts     u8  [16][room]       scratch; room = a multiple of 64 that holds the longest head, its lines and a block more
 * out  leaves    u8  [meters][32]     digests of the meter-days that have a reading, in order
 *
 * Answers how many those are.
 */
export function dayDigests(importWh: usize, exportWh: usize, quality: usize, slots: i32, meters: i32, heads: usize, texts: usize, room: i32,
  leaves: usize): i32 {
  if (load<u32>(DIGITS) == 0) fillDigits();
  let head = heads;
  let count = 0;
  for (let first = 0; first < meters; first += ABREAST) {
    const lanes = min(ABREAST, meters - first);
    for (let lane = 0; lane < lanes; lane++) head = begin(lane, head, texts + <usize>lane * room);
    for (let slot = 0; slot < slots; slot++) {
      const cell = <usize>slot * meters + first;
      if (exportWh == 0) importLines(importWh + (cell << 2), quality + cell, lanes);
      else bothLines(importWh + (cell << 2), exportWh + (cell << 2), quality + cell, lanes);
    }
    count += digests(lanes, texts, room, leaves + (<usize>count << 5));
  }
  return count;
}

/** As `dayDigests`; the root over them lies where the first of them lay. */
export function dayRoot(importWh: usize, exportWh: usize, quality: usize, slots: i32, meters: i32, heads: usize, texts: usize, room: i32,
  leaves: usize): i32 {
  const count = dayDigests(importWh, exportWh, quality, slots, meters, heads, texts, room, leaves);
  treeRoot(leaves, count);
  return count;
}

/** Lays a meter's head; answers where the next one starts. */
function begin(lane: i32, head: usize, text: usize): usize {
  let at = text;
  let byte = load<u8>(head++);
  for (; byte != 0; byte = load<u8>(head++)) store<u8>(at++, byte);
  store<usize>(CURSOR + (<usize>lane << 2), at);
  store<u32>(SEEN + (<usize>lane << 2), 0);
  return head;
}

/** One slot of some meters side by side. */
function importLines(importWh: usize, quality: usize, lanes: i32): void {
  for (let lane: usize = 0; lane < <usize>lanes; lane++) {
    const cursor = CURSOR + (lane << 2);
    let at = load<usize>(cursor);
    const said = load<u8>(quality + lane);
    const wh = load<i32>(importWh + (lane << 2));
    store<u32>(SEEN + (lane << 2), load<u32>(SEEN + (lane << 2)) | said);
    if (wh != MISSING) at = integer(at, wh);
    if (wh == MISSING || said == 1) {
      store<u32>(at, wh == MISSING ? EMPTY_LINE : VALID_LINE);
      store<usize>(cursor, at + 4);
    } else store<usize>(cursor, ended(at, MISSING, said));
  }
}

function bothLines(importWh: usize, exportWh: usize, quality: usize, lanes: i32): void {
  for (let lane: usize = 0; lane < <usize>lanes; lane++) {
    const cursor = CURSOR + (lane << 2);
    let at = load<usize>(cursor);
    const said = load<u8>(quality + lane);
    const wh = load<i32>(importWh + (lane << 2));
    const exported = load<i32>(exportWh + (lane << 2));
    store<u32>(SEEN + (lane << 2), load<u32>(SEEN + (lane << 2)) | said);
    if (wh != MISSING) at = integer(at, wh);
    store<usize>(cursor, ended(at, exported, wh == MISSING && exported == MISSING ? 0 : said));
  }
}

/** The rest of a line, from its first comma. */
function ended(at: usize, exportWh: i32, quality: u32): usize {
  store<u8>(at++, 0x2c);
  if (exportWh != MISSING) at = integer(at, exportWh);
  store<u8>(at++, 0x2c);
  at = natural(at, quality);
  store<u8>(at, 0x0a);
  return at + 1;
}

function integer(at: usize, value: i32): usize {
  if (value >= 0) return natural(at, value);
  store<u8>(at, 0x2d);
  return natural(at + 1, -value);
}

/** May write up to three bytes beyond what it answers as the end. */
function natural(at: usize, value: u32): usize {
  if (value >= 1000) {
    const thousands = value / 1000;
    at = natural(at, thousands);
    const rest = value - thousands * 1000;
    const hundreds = rest / 100;
    const tens = rest / 10;
    store<u8>(at, 0x30 + hundreds);
    store<u8>(at, 0x30 + tens - hundreds * 10, 1);
    store<u8>(at, 0x30 + rest - tens * 10, 2);
    return at + 3;
  }
  const digits = load<u32>(DIGITS + (<usize>value << 2));
  store<u32>(at, digits);
  return at + (digits >> 24);
}

function fillDigits(): void {
  for (let value: u32 = 0; value < 1000; value++) {
    const hundreds = 0x30 + value / 100;
    const tens = 0x30 + (value / 10) % 10;
    const ones = 0x30 + value % 10;
    const digits = value < 10 ? ones | 0x1000000 : value < 100 ? tens | (ones << 8) | 0x2000000 : hundreds | (tens << 8) | (ones << 16) | 0x3000000;
    store<u32>(DIGITS + (<usize>value << 2), digits);
  }
}

/** Of the meters abreast that are there and have a reading, into `leaves`. Answers how many. */
function digests(lanes: i32, texts: usize, room: i32, leaves: usize): i32 {
  let count = 0;
  for (let lane = 0; lane < lanes; lane++) {
    const text = texts + <usize>lane * room;
    // A head begins with a letter, a line never does.
    if (load<u32>(SEEN + (<usize>lane << 2)) == 0 || load<u8>(text) < 0x41) continue;
    const bytes = <i32>(load<usize>(CURSOR + (<usize>lane << 2)) - text);
    pad(text, bytes);
    store<usize>(TEXT + (<usize>count << 2), text);
    store<i32>(BLOCKS + (<usize>count << 2), blocksOf(bytes));
    count++;
  }
  let i = 0;
  if (ASC_FEATURE_SIMD) for (; i + 4 <= count; i += 4) four(<usize>i << 2, leaves + (<usize>i << 5));
  for (; i < count; i++)
    hashPadded(load<usize>(TEXT + (<usize>i << 2)), load<i32>(BLOCKS + (<usize>i << 2)), leaves + (<usize>i << 5));
  return count;
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
