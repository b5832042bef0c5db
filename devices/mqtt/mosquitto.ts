import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { aclFile } from './access.ts';
import { type Entry, ROOM_USER } from './broker.ts';

export type BrokerUser = { readonly discom: string; readonly deviceId: string; readonly password: string };
export type BrokerFiles = {
  /** True when something was written: mosquitto has to be told (SIGHUP). Each file is replaced whole. */
  write(users: readonly BrokerUser[]): boolean;
  /** What the room logs in with; made the first time. */
  readonly servicePassword: string;
};

/**
 * The files by which mosquitto knows the devices: `password`, `acl`, and `lachak.conf` to include. Readable by owner and group only:
 * give the folder the group that mosquitto runs as.
 */
export function brokerFiles(folder: string, hash: (secret: string, salt: Uint8Array) => string): BrokerFiles {
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const replace = (name: string, text: string, mode = 0o640): boolean => {
    const path = join(folder, name);
    if (existsSync(path) && readFileSync(path, 'utf8') === text) return false;
    writeFileSync(`${path}.new`, text, { mode, flush: true });
    renameSync(`${path}.new`, path);
    return true;
  };
  const secret = join(folder, 'service-password');
  if (!existsSync(secret)) replace('service-password', `${randomBytes(24).toString('base64url')}\n`, 0o600);
  const servicePassword = readFileSync(secret, 'utf8').trim();
  // Always the same salt: several processes that keep one folder write the same text.
  const salt = createHash('sha256').update(`salt\u0000${servicePassword}`).digest().subarray(0, 12);
  const roomLine = `${ROOM_USER}:${hash(servicePassword, salt)}`;
  return {
    servicePassword,
    write: (users) => {
      const lines = [roomLine, ...users.map(({ discom, deviceId, password }) => `${discom}/${deviceId}:${password}`)];
      const written = [
        replace('acl', aclFile(ROOM_USER)),
        replace('lachak.conf', configuration(folder)),
        replace('password', `${lines.join('\n')}\n`),
      ];
      return written.includes(true);
    },
  };
}

/** A broker that others run. It may be away now and come back: nobody waits for it to start. */
export const externalEntry = (url: string, deviceUrl: string, patienceSeconds: number, password: () => string): Entry => ({
  external: true,
  patienceSeconds,
  open: () => Promise.resolve({ url, deviceUrl: deviceUrl || url, password, close: () => Promise.resolve() }),
});

// A room hears from every device at once: its queue is bounded by bytes, not by a hundred messages as a device's would be.
const configuration = (
  folder: string,
): string => `# For mosquitto 2: include_dir this folder, or copy this; then add two listeners.
# Devices' listener (add TLS here): nobody can take another's session by naming its client id.
#   listener 8883
#   use_username_as_clientid true
# The rooms' listener, which devices cannot reach:
#   listener 1884 127.0.0.1
allow_anonymous false
password_file ${join(folder, 'password')}
acl_file ${join(folder, 'acl')}
max_packet_size 17408
max_inflight_messages 1000
max_queued_messages 100000
max_queued_bytes 67108864
persistent_client_expiration 1d
`;
