/** CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as in iSCSI, RFC 3720 B.4. Unsigned 32 bits. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  let at = 0;
  // Four bytes a round through four tables: the long columns of a tile are what this is for.
  for (const last = bytes.length - 3; at < last; at += 4) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      TABLES[768 + (crc & 0xff)]! ^
      TABLES[512 + ((crc >>> 8) & 0xff)]! ^
      TABLES[256 + ((crc >>> 16) & 0xff)]! ^
      TABLES[crc >>> 24]!;
  }
  for (; at < bytes.length; at++) crc = TABLES[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Four tables of 256: the k-th carries a byte k places further. */
const TABLES = tables();

function tables(): Int32Array {
  const all = new Int32Array(1024);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    all[byte] = crc;
  }
  for (let at = 256; at < 1024; at++) all[at] = all[all[at - 256]! & 0xff]! ^ (all[at - 256]! >>> 8);
  return all;
}
