/** CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), as in iSCSI, RFC 3720 B.4. Unsigned 32 bits. */
export const crc32c = checksum(0x82f63b78);

/** CRC-32 (ISO 3309, reflected polynomial 0xEDB88320), as in gzip, RFC 1952 §8: zlib computes the same natively. Unsigned 32 bits. */
export const crc32 = checksum(0xedb88320);

export type Checksum = (bytes: Uint8Array) => number;

function checksum(polynomial: number): Checksum {
  const tables = tablesOf(polynomial);
  return (bytes) => {
    let crc = 0xffffffff;
    let at = 0;
    // Four bytes a round through four tables: the long columns of a tile are what this is for.
    for (const last = bytes.length - 3; at < last; at += 4) {
      crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      crc =
        tables[768 + (crc & 0xff)]! ^
        tables[512 + ((crc >>> 8) & 0xff)]! ^
        tables[256 + ((crc >>> 16) & 0xff)]! ^
        tables[crc >>> 24]!;
    }
    for (; at < bytes.length; at++) crc = tables[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
  };
}

/** Four tables of 256: the k-th carries a byte k places further. */
function tablesOf(polynomial: number): Int32Array {
  const all = new Int32Array(1024);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    all[byte] = crc;
  }
  for (let at = 256; at < 1024; at++) all[at] = all[all[at - 256]! & 0xff]! ^ (all[at - 256]! >>> 8);
  return all;
}
