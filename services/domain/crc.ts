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
    // Eight bytes a round through eight tables (M. Kounavis, F. Berry, "Novel Table Lookup-Based Algorithms for High-Performance CRC
    // Generation"): the long columns of a tile are what this is for.
    if (bytes.byteOffset % 4 === 0) {
      const words = new Uint32Array(bytes.buffer, bytes.byteOffset, (bytes.length >> 3) << 1);
      for (let i = 0; i < words.length; i += 2) {
        const low = crc ^ words[i]!;
        const high = words[i + 1]!;
        crc =
          tables[1792 + (low & 0xff)]! ^
          tables[1536 + ((low >>> 8) & 0xff)]! ^
          tables[1280 + ((low >>> 16) & 0xff)]! ^
          tables[1024 + (low >>> 24)]! ^
          tables[768 + (high & 0xff)]! ^
          tables[512 + ((high >>> 8) & 0xff)]! ^
          tables[256 + ((high >>> 16) & 0xff)]! ^
          tables[high >>> 24]!;
      }
      at = words.length * 4;
    }
    for (; at < bytes.length; at++) crc = tables[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
  };
}

/** Eight tables of 256: the k-th carries a byte k places further. */
function tablesOf(polynomial: number): Int32Array {
  const all = new Int32Array(2048);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    all[byte] = crc;
  }
  for (let at = 256; at < 2048; at++) all[at] = all[all[at - 256]! & 0xff]! ^ (all[at - 256]! >>> 8);
  return all;
}
