import { join } from 'node:path';
import { pino } from 'pino';
import { invalid } from '../services/domain/outcome.ts';
import { EXIT, readWords, settingFlags } from '../services/host/cli.ts';
import { databaseOf, loadConfig } from '../services/host/config.ts';
import { openDatabases } from '../services/host/database.ts';
import { startEmbedded } from '../services/host/embedded.ts';
import { usersOf } from './broker-service.ts';
import { brokerFiles } from './mqtt/mosquitto.ts';
import { brokerPassword } from './secret-store.ts';
import * as store from './store.ts';

const HELP = `lachak mqtt-files DIR [--database-url URL | --folder DIR]

Writes into DIR what mosquitto 2 needs to know the devices of this installation: password, acl, lachak.conf (include it and add
listeners), and service-password, with which the devices room logs in (--mqtt-password-file). A room started with
--mqtt-files-folder DIR keeps them current by itself. Afterwards have mosquitto read them: kill -HUP, or restart it.
`;

/** `lachak mqtt-files`. */
export async function mqttFilesCommand(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readWords(argv, settingFlags);
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const [folder, ...more] = positionals;
  if (folder === undefined || more.length > 0) throw invalid('usage', 'into which folder? lachak mqtt-files DIR');
  const { config } = loadConfig(values, process.env);
  const log = pino({ level: 'silent' });
  // A server that a running house left or runs is used and left alone.
  const { url, own } = databaseOf(config, 'devices');
  const embedded = url === '' ? await startEmbedded(config.folder, log) : null;
  const databases = openDatabases({ at: embedded?.connection ?? url, owner: own ? 'devices' : null }, log);
  try {
    const database = await databases.room('devices', new URL('./migrations/', import.meta.url));
    const files = brokerFiles(folder, brokerPassword);
    const users = usersOf(await store.brokerUsers(database));
    files.write(users);
    process.stdout.write(
      `${users.length} devices in ${join(folder, 'password')}; the room's password is in ${join(folder, 'service-password')}\n`,
    );
  } finally {
    await databases.close();
    if (embedded && !embedded.adopted) await embedded.stop();
  }
  return EXIT.done;
}
