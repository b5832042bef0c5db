import type { MessageInitShape } from '@bufbuild/protobuf';
import { Access, type AccountSchema } from '../../gen/lachak/v1/access_pb.ts';
import { conflict, invalid } from '../domain/outcome.ts';
import { openTokens } from '../host/auth.ts';
import { bind, type Caller, type Deps, type Role, type Room, type RoomMaker } from '../host/room.ts';
import { makeApp } from './app.ts';
import { hashSecret, newSecret } from './secrets.ts';
import { type Account, accountById, accounts, putAccount } from './store.ts';

const GRANTABLE: readonly Role[] = ['operator', 'aggregator', 'cpo', 'consumer', 'verifier', 'meter_source'];
const MIN_PASSWORD = 10;

export const room: RoomMaker = { name: 'gateway', migrations: new URL('./migrations/', import.meta.url), make: makeGateway };

function makeGateway(deps: Deps): Room {
  let app: Awaited<ReturnType<typeof makeApp>> | undefined;
  return {
    bindings: [
      bind(Access, {
        putUser: (request, caller) =>
          put(deps, caller, {
            accountId: request.userId,
            kind: 'USER',
            roles: request.roles,
            organisation: request.organisationId,
            participant: request.participantId,
            closed: request.closed,
            secret: checkedPassword(request.password),
          }),
        putClient: async (request, caller) => {
          const secret = newSecret();
          const made = await put(deps, caller, {
            accountId: request.clientId,
            kind: 'CLIENT',
            roles: request.roles,
            organisation: request.organisationId,
            participant: '',
            closed: request.closed,
            secret,
          });
          return { ...made, secret };
        },
        listAccounts: async (_request, caller) => ({ accounts: (await accounts(deps.database, caller.discom)).map(wire) }),
      }),
    ],
    start: async () => {
      const tokens = await openTokens(deps.config.folder, deps.config.tokens.keys);
      const { config, connect, database, metrics, trace, log } = deps;
      app = await makeApp({ config, connect, database, tokens, metrics, trace, log });
      const address = await app.listen({ host: deps.config.gateway.host, port: deps.config.gateway.port });
      deps.announce('console', address);
    },
    stop: async () => {
      await app?.close();
    },
  };
}

async function put(
  { database }: Deps,
  caller: Caller,
  { secret, ...wanted }: Omit<Account, 'discom' | 'secretHash'> & { secret: string },
): Promise<MessageInitShape<typeof AccountSchema>> {
  if (!/^[\w.@+-]{3,100}$/.test(wanted.accountId))
    throw invalid('account_id_malformed', 'an account id has 3 to 100 letters, digits or . _ @ + -', 'user_id');
  const foreign = wanted.roles.find((role) => !GRANTABLE.includes(role as Role));
  if (foreign !== undefined || wanted.roles.length === 0) {
    throw invalid('role_unknown', `roles must be some of ${GRANTABLE.join(', ')}${foreign ? `, not "${foreign}"` : ''}`, 'roles');
  }
  const before = await accountById(database, wanted.accountId);
  if (!secret && !before) throw invalid('password_missing', 'a new account needs a password', 'password');
  const account = { ...wanted, secretHash: secret ? await hashSecret(secret) : before!.secretHash };
  if (!(await putAccount(database, caller.discom, account)))
    throw conflict('account_taken', `the account id ${wanted.accountId} is taken`, 'user_id');
  return wire({ ...account, discom: caller.discom });
}

function checkedPassword(password: string): string {
  if (password && password.length < MIN_PASSWORD)
    throw invalid('password_short', `a password has at least ${MIN_PASSWORD} characters`, 'password');
  return password;
}

const wire = (account: Account) => ({
  accountId: account.accountId,
  kind: account.kind,
  roles: [...account.roles],
  organisationId: account.organisation,
  participantId: account.participant,
  closed: account.closed,
});
