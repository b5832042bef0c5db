import { createHash } from 'node:crypto';

/** How many partitions a room's facts have, for ever: cursors, subjects and leases count on it. */
export const PARTITIONS = 64;

/**
 * The partition of a fact: the low six bits of the first byte of SHA-256 over its key in UTF-8. The relay computes the same in SQL
 * (relay.ts); the examples in partition.test.ts hold for every release.
 */
export const partitionOf = (key: string): number => createHash('sha256').update(key, 'utf8').digest()[0]! & (PARTITIONS - 1);
