import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from '../domain/outcome.ts';
import { openTokens } from './auth.ts';
import { EXIT, readWords, settingFlags, suggestion } from './cli.ts';
import { loadConfig } from './config.ts';
import type { Role } from './room.ts';

const ROLES: readonly Role[] = ['operator', 'aggregator', 'cpo', 'consumer', 'verifier', 'meter_source'];

const HELP = `lachak token --role ROLE --discom DISCOM [--org ORG] [--participant ID] [--hours 12] [--folder DIR]

Prints a token of this installation; whoever can read the folder's secrets may make one.

  --role          ${ROLES.join(', ')}; several with commas
  --discom        whose rows it may see
  --org           the organisation; needed for aggregator and cpo
  --participant   the participant; needed for consumer
  --subject       a name for the log (default: the first role)
  --hours         how long it holds (default 12)
`;

/** `lachak token`. */
export async function tokenCommand(argv: readonly string[]): Promise<number> {
  const word = { type: 'string' as const };
  const { values } = readWords(argv, {
    ...settingFlags,
    role: word,
    discom: word,
    org: word,
    participant: word,
    subject: word,
    hours: word,
  });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const said = (name: string): string => (values[name] as string | undefined) ?? '';
  const roles = said('role').split(',').filter(Boolean) as Role[];
  if (roles.length === 0) throw invalid('usage', `--role is missing: one of ${ROLES.join(', ')}`);
  for (const role of roles)
    if (!ROLES.includes(role))
      throw invalid('usage', `there is no role ${role}${suggestion(role, ROLES)}; roles: ${ROLES.join(', ')}`);
  if (said('discom') === '') throw invalid('usage', '--discom is missing: a token is for one DISCOM');
  if (roles.some((role) => role === 'aggregator' || role === 'cpo') && said('org') === '')
    throw invalid('usage', '--org is missing: an aggregator or cpo sees only its own');
  if (roles.includes('consumer') && said('participant') === '')
    throw invalid('usage', '--participant is missing: a consumer sees only their own');
  const hours = said('hours') === '' ? 12 : Number(said('hours'));
  if (!(hours > 0 && hours <= 24 * 366))
    throw invalid('usage', `--hours is "${said('hours')}"; allowed: more than 0, at most 8784`);
  const { config } = loadConfig(values, process.env);
  if (!existsSync(join(config.folder, 'secrets'))) {
    throw invalid(
      'usage',
      `${config.folder} holds no installation: start one there first (lachak start --folder ${config.folder}), or name another --folder`,
    );
  }
  const tokens = await openTokens(config.folder);
  const identity = {
    subject: said('subject') || roles[0]!,
    roles,
    discom: said('discom'),
    organisation: said('org'),
    participant: said('participant'),
  };
  process.stdout.write(`${await tokens.issue(identity, hours)}\n`);
  return EXIT.done;
}
