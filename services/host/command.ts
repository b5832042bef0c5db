import { conflict, invalid } from '../domain/outcome.ts';
import { sha256 } from './ids.ts';
import type { Tx } from './room.ts';

export type Command = {
  readonly discom: string;
  /** The caller's organisation; a command id is unique within it. */
  readonly organisation: string;
  readonly commandId: string;
  readonly verb: string;
  /** What was asked, as bytes (`toBinary` of the request) or canonical text: the same id must mean the same content. */
  readonly content: Uint8Array | string;
};

/**
 * Does `work` the first time and remembers its outcome in the same transaction; afterwards the same id and content give that outcome
 * again (`repeated` true), and the same id with other content throws Refusal `id_reused`. The outcome must be plain JSON.
 */
export async function once<T>(tx: Tx, command: Command, work: () => Promise<T>): Promise<{ outcome: T; repeated: boolean }> {
  const { discom, organisation, commandId, verb } = command;
  if (commandId === '')
    throw invalid(
      'command_id_missing',
      'a command needs a command_id of your choosing, so that it can be repeated safely',
      'command_id',
    );
  if (commandId.length > 200) throw invalid('command_id_too_long', 'a command_id has at most 200 characters', 'command_id');
  // Two equal commands at the same moment: the second waits here and then finds the first one's outcome.
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`command/${discom}/${organisation}/${commandId}`]);
  const digest = sha256(command.content);
  const [found] = await tx.query<{ verb: string; digest: Uint8Array; outcome: T }>(
    'select verb, digest, outcome from command where discom = $1 and organisation = $2 and command_id = $3',
    [discom, organisation, commandId],
  );
  if (found) {
    if (found.verb !== verb || Buffer.compare(found.digest, digest) !== 0) {
      throw conflict(
        'id_reused',
        `the command_id ${commandId} was used before for something else; choose a new one`,
        'command_id',
      );
    }
    return { outcome: found.outcome, repeated: true };
  }
  const outcome = await work();
  await tx.query(
    'insert into command (discom, organisation, command_id, verb, digest, outcome) values ($1, $2, $3, $4, $5, $6)',
    [discom, organisation, commandId, verb, digest, JSON.stringify(outcome ?? null)],
  );
  return { outcome, repeated: false };
}
