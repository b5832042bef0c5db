import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Access } from '../../gen/lachak/v1/access_pb.ts';
import { invalid, Refusal } from '../domain/outcome.ts';
import { openTokens } from '../host/auth.ts';
import { EXIT, readWords, settingFlags } from '../host/cli.ts';
import { loadConfig } from '../host/config.ts';
import { openWire } from '../host/connect.ts';
import { newId } from '../host/ids.ts';
import { openTls } from '../host/tls.ts';

const HELP = `lachak account NAME --role ROLE --discom DISCOM [--org ORG] [--participant ID] [--machine] [--close] [--folder DIR]

Makes or changes an account of a running installation, and prints its password or secret: once, so keep it.

  --role          operator, aggregator, cpo, consumer, verifier, meter_source; several with commas
  --discom        whose rows it may see
  --org           the organisation of an aggregator or cpo
  --participant   the participant of a consumer
  --machine       a client id and secret for programs (OAuth2 client credentials) instead of a person's password
  --password      choose it yourself (at least 10 characters); left out, one is made
  --close         may no longer sign in
`;

/** `lachak account`: speaks to the running installation over its socket, with the authority of whoever can read its secrets. */
export async function accountCommand(argv: readonly string[]): Promise<number> {
  const word = { type: 'string' as const };
  const flag = { type: 'boolean' as const };
  const { values, positionals } = readWords(argv, {
    ...settingFlags,
    ...{ role: word, discom: word, org: word, participant: word, password: word, machine: flag, close: flag },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const said = (name: string): string => (values[name] as string | undefined) ?? '';
  const [name = ''] = positionals;
  if (!name) throw invalid('usage', 'whose account? lachak account NAME --role … --discom …');
  for (const needed of ['role', 'discom'])
    if (!said(needed)) throw invalid('usage', `--${needed} is missing; see lachak account --help`);
  const { config } = loadConfig(values, process.env);
  const socket = join(config.folder, 'lachak.sock');
  if (!config.grpc.address && !existsSync(socket)) {
    throw new Refusal(
      'unavailable',
      'not_running',
      `nothing runs in ${config.folder}: start it first (lachak start --folder ${config.folder})`,
    );
  }
  const tokens = await openTokens(config.folder);
  const identity = {
    subject: 'lachak account',
    roles: ['operator' as const],
    discom: said('discom'),
    organisation: '',
    participant: '',
  };
  const as = { token: await tokens.issue(identity, 0.1), requestId: newId() };
  const tls = openTls(config);
  const wire = openWire(config.grpc.address || `unix:${socket}`, tls && { tls, as: 'gateway', server: 'gateway' });
  try {
    const access = wire.client(Access, async () => as.token);
    const account = {
      roles: said('role').split(','),
      organisationId: said('org'),
      participantId: said('participant'),
      closed: values.close === true,
    };
    const password = said('password') || (values.close ? '' : randomBytes(12).toString('base64url'));
    const made = values.machine
      ? await access.putClient({ clientId: name, ...account }, { as })
      : await access.putUser({ userId: name, password, ...account }, { as });
    const secret = values.machine
      ? `client secret ${made.secret}`
      : said('password') || values.close
        ? 'done'
        : `password ${password}`;
    process.stdout.write(`${made.accountId}: ${secret}\n`);
    return EXIT.done;
  } finally {
    wire.close();
  }
}
