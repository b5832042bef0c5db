import { createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from '../services/domain/outcome.ts';

/** Device secrets: made from the pepper, never stored. Whoever has the database alone has none of them. */
export type Secrets = {
  /** 20 characters, 120 bits (OCPP 1.6 allows at most 20 bytes). The same command gives the same secret. */
  make(discom: string, deviceId: string, commandId: string): string;
  digest(secret: string): Uint8Array;
  /** In constant time. */
  matches(secret: string, digest: Uint8Array): boolean;
};

// mosquitto's own count (2.0). What it guards has 120 random bits, which no number of rounds makes harder to guess.
const ROUNDS = 101;

/** `$7$rounds$salt$hash`: PBKDF2-HMAC-SHA512 as `mosquitto_passwd` writes it. */
export function brokerPassword(secret: string, salt: Uint8Array = randomBytes(12)): string {
  const hash = pbkdf2Sync(secret, salt, ROUNDS, 64, 'sha512');
  return `$7$${ROUNDS}$${Buffer.from(salt).toString('base64')}$${hash.toString('base64')}`;
}

/** Reads the pepper of this installation: from `file`, or from the folder, where it is made (0600) the first time. */
export function openSecrets(folder: string, file: string): Secrets {
  const pepper = file === '' ? pepperIn(folder) : pepperOf(file);
  const digest = (secret: string): Uint8Array => createHmac('sha256', pepper).update(`digest\u0000${secret}`).digest();
  return {
    make: (discom, deviceId, commandId) =>
      createHmac('sha256', pepper)
        .update(['secret', discom, deviceId, commandId].join('\u0000'))
        .digest('base64url')
        .slice(0, 20),
    digest,
    // 120 random bits need no slow hash; a reconnect storm of 20 000 chargers would not survive one.
    matches: (secret, kept) => timingSafeEqual(digest(secret), kept),
  };
}

function pepperOf(file: string): Buffer {
  try {
    const pepper = readFileSync(file);
    if (pepper.length < 32) throw new Error('it has fewer than 32 bytes');
    return pepper;
  } catch (error) {
    throw invalid(
      'config_invalid',
      `devices.pepperFile cannot be used: ${(error as Error).message}; it is the file pepper in the folder of the first devices room, the same for all`,
      'devices.pepperFile',
    );
  }
}

function pepperIn(folder: string): Buffer {
  const path = join(folder, 'pepper');
  if (!existsSync(path)) {
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, randomBytes(32), { mode: 0o600, flush: true });
    try {
      linkSync(draft, path); // the first one wins; another instance that shares the folder reads what the first made
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
  }
  return readFileSync(path);
}
