/** Who is connected: a device with its scope, or the room itself. */
export type Identity =
  | { readonly kind: 'device'; readonly discom: string; readonly deviceId: string }
  | { readonly kind: 'room' };

const SPOKEN = ['status', 'info', 'telemetry', 'ack', 'override', 'step'];

export const topicOf = (discom: string, deviceId: string, about: string): string => `flex/v1/${discom}/${deviceId}/${about}`;
/** Domain time, retained; only on a stepped clock. */
export const timeTopic = (discom: string): string => `flex/v1/${discom}/time`;

/** A device speaks of itself only. */
export function mayPublish(who: Identity, topic: string): boolean {
  if (who.kind === 'room') return topic.startsWith('flex/v1/');
  return SPOKEN.some((about) => topic === topicOf(who.discom, who.deviceId, about));
}

/** A device hears its own commands and the time: no other device, no wildcard. */
export function maySubscribe(who: Identity, topic: string): boolean {
  if (who.kind === 'room') return topic.startsWith('flex/v1/');
  return topic === topicOf(who.discom, who.deviceId, 'command') || topic === timeTopic(who.discom);
}

/**
 * The same rules for mosquitto's `acl_file`: a pattern's %u is the user name, which is `<discom>/<device>`. What a device is not
 * allowed it may still send or subscribe to; mosquitto then delivers none of it.
 */
export function aclFile(roomUser: string): string {
  const lines = [
    `user ${roomUser}`,
    'topic readwrite flex/v1/#',
    '',
    ...SPOKEN.map((about) => `pattern write flex/v1/%u/${about}`),
    'pattern read flex/v1/%u/command',
    'pattern read flex/v1/+/time',
  ];
  return `${lines.join('\n')}\n`;
}

/** `flex/v1/<discom>/<device>/<about>`, or null. */
export function readTopic(topic: string): { discom: string; deviceId: string; about: string } | null {
  const [flex, version, discom, deviceId, about, ...more] = topic.split('/');
  if (flex !== 'flex' || version !== 'v1' || !discom || !deviceId || !about || more.length > 0) return null;
  return { discom, deviceId, about };
}

/**
 * Watches the bytes of one connection for packets over `limit`, before any parser collects them. Returns false from the first one on.
 * MQTT 3.1.1 §2.2: a type byte, then the remaining length in 7-bit groups, least first, at most four.
 */
export function packetGuard(limit: number): (chunk: Uint8Array) => boolean {
  let skip = 0;
  let length = 0;
  let shift = -1; // −1: the next byte is a type byte
  return (chunk) => {
    for (let i = 0; i < chunk.length; ) {
      if (skip > 0) {
        const step = Math.min(skip, chunk.length - i);
        skip -= step;
        i += step;
        continue;
      }
      const byte = chunk[i++]!;
      if (shift < 0) {
        shift = 0;
        length = 0;
        continue;
      }
      length += (byte & 127) * 2 ** shift;
      shift += 7;
      if (length > limit || shift > 28) return false;
      if (byte < 128) {
        skip = length;
        shift = -1;
      }
    }
    return true;
  };
}
