import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calculateJwkThumbprint } from 'jose';
import { afterAll, expect, test } from 'vitest';
import { openTokens, signingKeys } from './auth.ts';

const folder = mkdtempSync(join(tmpdir(), 'lachak-auth-'));
afterAll(() => rmSync(folder, { recursive: true }));
const consumer = { subject: 's', roles: ['consumer'], discom: 'BRPL', organisation: '', participant: 'p' } as const;

test('a token says who, for whom and as what, also to the process that comes after', async () => {
  const token = await (await openTokens(folder)).issue(consumer, 1);
  expect(await (await openTokens(folder)).verify(token)).toEqual(consumer);
});

test('ten first starts at once make one key', async () => {
  const fresh = mkdtempSync(join(tmpdir(), 'lachak-auth-'));
  const keys = await Promise.all(Array.from({ length: 10 }, () => signingKeys(fresh)));
  expect(new Set(keys.map((key) => key.thumbprint)).size).toBe(1);
  rmSync(fresh, { recursive: true });
});

test('statements are signed by another key than tokens; only public halves are shown', async () => {
  const tokens = await openTokens(folder);
  const statements = await signingKeys(folder);
  expect(statements.publicJwk).not.toHaveProperty('d');
  expect(tokens.jwks.keys[0]).not.toHaveProperty('d');
  expect(statements.thumbprint).not.toBe(tokens.jwks.keys[0]!.kid);
  expect(await calculateJwkThumbprint(statements.publicJwk)).toBe(statements.thumbprint);
  expect(statSync(join(folder, 'secrets', 'statement-key.jwk.json')).mode & 0o777).toBe(0o600);
});

test('a token with one letter changed is refused', async () => {
  const tokens = await openTokens(folder);
  const [head, body, signature] = (await tokens.issue(consumer, 1)).split('.') as [string, string, string];
  const forged = Buffer.from(Buffer.from(body, 'base64url').toString().replace('BRPL', 'TPDL')).toString('base64url');
  await expect(tokens.verify(`${head}.${forged}.${signature}`)).rejects.toMatchObject({ code: 'token_invalid' });
});

test.each([
  [['aggregator'], { organisation: '' }, null, 'rows of no organisation are the DISCOM’s own'],
  [['cpo'], { participant: 'p' }, null, 'a participant is no organisation'],
  [['consumer'], { organisation: 'agg' }, null, 'an organisation is no participant'],
  [['consumer', 'aggregator'], { organisation: 'agg' }, ['aggregator'], 'what it names, it holds'],
  [['operator', 'cpo'], {}, ['operator'], 'the DISCOM is not narrowed by what it lacks'],
  [['meter_source'], {}, ['meter_source'], 'bound by the meters’ source instead'],
] as const)('of the roles %j a token for %j holds %j: %s', async (roles, whose, held, _why) => {
  const tokens = await openTokens(folder);
  const token = await tokens.issue({ ...consumer, organisation: '', participant: '', roles: [...roles], ...whose }, 1);
  if (held) expect((await tokens.verify(token)).roles).toEqual(held);
  else await expect(tokens.verify(token)).rejects.toMatchObject({ kind: 'forbidden', code: 'scope_missing' });
});
