import pino from 'pino';
import { describe, expect, it } from 'vitest';
import type { TilePlace } from './arrange.ts';
import type { ReadingStore, Version } from './reading-store.ts';
import { type Made, openVersions } from './versions-service.ts';

const MIB = 1024 * 1024;
const DAY = 86_400_000;
const place = (nth: number): TilePlace => ({
  ...{ shard: 1, zone: 'Asia/Kolkata', intervalMinutes: 15, slots: 96 },
  ...{ day: `2026-05-0${nth}`, dayStart: Date.parse('2026-04-30T18:30:00Z') + nth * DAY },
});
const made = (bytes: number): Made => ({
  ...{ version: 1, knownAt: 0, meters: 1, delta: false, digest: '', merkleRoot: '', statements: 1, correction: false },
  bytes: new Uint8Array(bytes),
});

/** A record that answers when it is told to. */
function slow() {
  const asked: { readonly days: string[]; done(): void; fail(error: Error): void }[] = [];
  const keep = (_: string, versions: readonly Version[]): Promise<void> =>
    new Promise((done, fail) => asked.push({ days: versions.map(({ row }) => row.day), done, fail }));
  const of = { discom: 'BRPL', handOff: 'stream', signer: 'test', now: 0 };
  return { asked, versions: openVersions({ ...of, readings: { keep } as ReadingStore, log: pino({ enabled: false }) }) };
}
const isSettled = async (promise: Promise<unknown>): Promise<boolean> =>
  (await Promise.race([promise.then(() => 'yes').catch(() => 'yes'), new Promise((next) => setImmediate(next, 'no'))])) === 'yes';

describe('versions of a delivery', () => {
  it('go to the record in batches, one after the other, while more are made', async () => {
    const { asked, versions } = slow();
    await versions.add(place(1), made(1.5 * MIB));
    await versions.add(place(2), made(1.5 * MIB));
    expect(asked.map(({ days }) => days)).toEqual([['2026-05-01', '2026-05-02']]);
    await versions.add(place(3), made(100));
    // The next batch waits for the one before it, and so does who makes it.
    const fourth = versions.add(place(4), made(3 * MIB));
    expect(await isSettled(fourth)).toBe(false);
    asked[0]!.done();
    await fourth;
    await versions.add(place(5), made(100));
    const kept = versions.kept();
    expect(await isSettled(kept)).toBe(false);
    asked[1]!.done();
    await expect.poll(() => asked.length).toBe(3);
    expect(await isSettled(kept)).toBe(false);
    asked[2]!.done();
    expect((await kept).map(({ day }) => day)).toEqual([1, 2, 3, 4, 5].map((nth) => `2026-05-0${nth}`));
    expect(asked.flatMap(({ days }) => days)).toEqual([1, 2, 3, 4, 5].map((nth) => `2026-05-0${nth}`));
  });

  it('that the record cannot take fail the delivery, and nothing is written any more when it has failed', async () => {
    const { asked, versions } = slow();
    await versions.add(place(1), made(3 * MIB));
    const still = versions.still();
    expect(await isSettled(still)).toBe(false);
    asked[0]!.fail(new Error('the disk is full'));
    await still;
    await expect(versions.kept()).rejects.toThrow('the disk is full');
    expect(asked).toHaveLength(1);
  });
});
