import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { invalid } from '../services/domain/outcome.ts';
import type { Config } from '../services/host/config.ts';
import type { Queryable } from '../services/host/room.ts';
import type { Entry } from './mqtt/broker.ts';
import { type BrokerFiles, brokerFiles, externalEntry } from './mqtt/mosquitto.ts';
import { brokerPassword } from './secret-store.ts';
import * as store from './store.ts';

/** Another instance may have provisioned: looked for this often, wall ms. */
const LOOK_MS = 2000;

/** A broker of one's own, and its files kept current; null = the embedded one. */
export type ExternalBroker = { readonly entry: Entry; start(): Promise<void>; stir(): void; stop(): void };

/** Throws Refusal `config_invalid` when nobody said what the room shall log in with. */
export function externalBroker(config: Config['mqtt'], database: Queryable, log: Logger): ExternalBroker | null {
  if (config.url === '') return null;
  const files = config.filesFolder === '' ? null : brokerFiles(config.filesFolder, brokerPassword);
  const password = () => (config.passwordFile === '' ? files?.servicePassword : readPassword(config.passwordFile)) ?? '';
  if (password() === '')
    throw invalid(
      'config_invalid',
      'mqtt.url names a broker: say mqtt.passwordFile or mqtt.filesFolder too',
      'mqtt.passwordFile',
    );
  const keeper = files && filesKeeper(files, config, database, log);
  return {
    entry: externalEntry(config.url, config.deviceUrl, config.patienceSeconds, password),
    start: async () => keeper?.start(),
    stir: () => keeper?.stir(),
    stop: () => keeper?.stop(),
  };
}

/** Writes who may log in, whoever provisioned them, and tells the broker. */
function filesKeeper(files: BrokerFiles, config: Config['mqtt'], database: Queryable, log: Logger) {
  let mark: string | null = null;
  let looking: Promise<void> | null = null;
  let again = false;
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    const now = await store.provisioningMark(database);
    if (now === mark) return;
    const wrote = files.write(usersOf(await store.brokerUsers(database)));
    mark = now;
    if (wrote) tellBroker(config, log);
  };
  const stir = (): void => {
    again = looking !== null;
    looking ??= look()
      .catch((error: Error) => log.warn({ error: error.message }, "the broker's files could not be kept current; tried again"))
      .finally(() => {
        looking = null;
        if (again) stir();
      });
  };
  return {
    start: async () => {
      await look();
      timer = setInterval(stir, LOOK_MS);
      timer.unref();
    },
    stir,
    stop: () => clearInterval(timer),
  };
}

export const usersOf = (rows: Awaited<ReturnType<typeof store.brokerUsers>>) =>
  rows.map((row) => ({ discom: row.discom, deviceId: row.device_id, password: row.broker_password }));

// mosquitto reads its files again on SIGHUP and lets go of whoever is no longer let in.
function tellBroker({ pidFile, filesFolder }: Config['mqtt'], log: Logger): void {
  if (pidFile === '') {
    log.info({ folder: filesFolder }, "the broker's files have changed: have it read them again (kill -HUP)");
    return;
  }
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    if (!Number.isInteger(pid) || pid <= 1) throw new Error(`${pidFile} holds no pid`);
    process.kill(pid, 'SIGHUP');
  } catch (error) {
    log.warn({ pidFile, folder: filesFolder, error: (error as Error).message }, 'the broker could not be told of its new files');
  }
}

function readPassword(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw invalid('config_invalid', `mqtt.passwordFile cannot be read: ${(error as Error).message}`, 'mqtt.passwordFile');
  }
}
