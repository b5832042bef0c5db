import type { DeviceKey } from './driver.ts';

/** How many parts the devices are divided into, for ever: the rows of `part` count on it. */
export const PARTS = 64;

/** The part of a device: FNV-1a over `<discom>/<device>`, of which six bits. */
export function partOf({ discom, deviceId }: DeviceKey): number {
  let hash = 0x811c9dc5;
  for (const letter of `${discom}/${deviceId}`) hash = Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193) >>> 0;
  // The low bits of FNV are its weakest.
  return (hash ^ (hash >>> 15)) & (PARTS - 1);
}

/** How many parts fall to `gateway`, one of `living` (in order). They add up to all. */
export function shareOf(gateway: string, living: readonly string[]): number {
  const place = living.indexOf(gateway);
  return Math.floor(PARTS / living.length) + (place < PARTS % living.length ? 1 : 0);
}

/** What is known of a device's connection: at which gateway (null = at none), by which login, and how often it booted since. */
export type Place = { readonly gateway: string | null; readonly login: number; readonly birth: number };

/** Whether this word of a connection is the newest there is: `stale` changes nothing, `same` is known, `newer` is another connection. */
export function against(known: Place | undefined, { gateway, login, birth }: Place): 'stale' | 'same' | 'newer' {
  if (!known || login > known.login) return 'newer';
  if (login < known.login) return 'stale';
  if (known.gateway === null) return 'newer'; // it was thought lost
  return gateway !== known.gateway || birth < known.birth ? 'stale' : birth > known.birth ? 'newer' : 'same';
}
