import type { Queryable } from '../host/room.ts';

export type Account = {
  readonly accountId: string;
  readonly discom: string;
  readonly kind: 'USER' | 'CLIENT';
  readonly secretHash: string;
  readonly roles: readonly string[];
  readonly organisation: string;
  readonly participant: string;
  readonly closed: boolean;
};

const columns = `account_id as "accountId", discom, kind, secret_hash as "secretHash", roles, organisation, participant, closed`;

/** Signing in names no DISCOM, so this look-up alone has no scope; what follows is scoped by the account found. */
export async function accountById(db: Queryable, accountId: string): Promise<Account | undefined> {
  const [account] = await db.query<Account>(`select ${columns} from account where account_id = $1`, [accountId]);
  return account;
}

export const accounts = (db: Queryable, discom: string): Promise<Account[]> =>
  db.query<Account>(`select ${columns} from account where discom = $1 order by account_id`, [discom]);

/** False when the id belongs to another DISCOM. */
export async function putAccount(db: Queryable, discom: string, account: Omit<Account, 'discom'>): Promise<boolean> {
  const rows = await db.query(
    `insert into account (discom, account_id, kind, secret_hash, roles, organisation, participant, closed)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (account_id) do update set secret_hash = excluded.secret_hash, roles = excluded.roles,
       organisation = excluded.organisation, participant = excluded.participant, closed = excluded.closed
       where account.discom = excluded.discom and account.kind = excluded.kind
     returning account_id`,
    [
      discom,
      account.accountId,
      account.kind,
      account.secretHash,
      account.roles,
      account.organisation,
      account.participant,
      account.closed,
    ],
  );
  return rows.length === 1;
}

export type AuthorisationCode = {
  readonly accountId: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly challenge: string;
};

export async function keepCode(db: Queryable, codeDigest: string, code: AuthorisationCode): Promise<void> {
  await db.query(`delete from authorisation_code where expires_at < now()`);
  await db.query(
    `insert into authorisation_code (code_digest, account_id, client_id, redirect_uri, challenge, expires_at)
     values ($1, $2, $3, $4, $5, now() + interval '1 minute')`,
    [codeDigest, code.accountId, code.clientId, code.redirectUri, code.challenge],
  );
}

/** Takes the code out: it is good once. Expiry is wall time, as for every token. */
export async function takeCode(db: Queryable, codeDigest: string): Promise<AuthorisationCode | undefined> {
  const [code] = await db.query<AuthorisationCode>(
    `delete from authorisation_code where code_digest = $1 and expires_at >= now()
     returning account_id as "accountId", client_id as "clientId", redirect_uri as "redirectUri", challenge`,
    [codeDigest],
  );
  return code;
}
