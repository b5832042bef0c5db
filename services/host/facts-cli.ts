import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { toJsonString } from '@bufbuild/protobuf';
import { FactSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { Facts } from '../../gen/lachak/v1/host_pb.ts';
import { invalid, Refusal } from '../domain/outcome.ts';
import { openTokens } from './auth.ts';
import { EXIT, readWords, settingFlags, suggestion } from './cli.ts';
import { loadConfig } from './config.ts';
import { openWire } from './connect.ts';
import { newId } from './ids.ts';
import type { CallOptions, Client } from './room.ts';

const VERBS = ['lag', 'parked', 'show', 'replay', 'drop', 'rejoin'];
const HELP = `lachak facts [lag]                              how far each follower is
lachak facts parked [ROOM] --discom DISCOM      facts a room kept failing on, and what waits behind them (--dropped: given up, too)
lachak facts show FACT --room ROOM --discom DISCOM
lachak facts replay FACT --room ROOM --discom DISCOM
lachak facts drop FACT --room ROOM --discom DISCOM --reason WHY
lachak facts rejoin ROOM --upstream ROOM --reason WHY

Asks the running process of this folder. FACT is written like registry-12: the room that wrote it, and its position. A replayed fact is
handled once more, then what waits behind it; a dropped one never is, and the reason is kept. A room whose upstream was put back to a
backup from before what it had handled stands still, and says so; rejoin lets it go on: what it handled stays, and what the upstream
writes from there on is handled. The other way is to put the room back too (lachak restore --help).

  --room      the room that parked the fact
  --discom    whose facts
  --upstream  the room that was put back
  --reason    why it is given up, or may go on
  --dropped   list those given up, too
  --folder    the folder of the running process
`;

/** `lachak facts`. */
export async function factsCommand(argv: readonly string[]): Promise<number> {
  const word = { type: 'string' as const };
  const { values, positionals } = readWords(argv, {
    ...settingFlags,
    room: word,
    upstream: word,
    discom: word,
    reason: word,
    dropped: { type: 'boolean' },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const [verb = 'lag', name = ''] = positionals;
  const said = (flag: string): string => (values[flag] as string | undefined) ?? '';
  if (!VERBS.includes(verb))
    throw invalid('usage', `there is no lachak facts ${verb}${suggestion(verb, VERBS)}; ${VERBS.join(', ')}`);
  if (verb === 'rejoin' && (name === '' || said('upstream') === ''))
    throw invalid('usage', 'which room, and which upstream? lachak facts rejoin dispatch --upstream enrolment --reason WHY');
  if (!['lag', 'rejoin'].includes(verb) && said('discom') === '') throw invalid('usage', '--discom is missing: whose facts');
  const one = ['show', 'replay', 'drop'].includes(verb) ? factOf(name, said('room')) : null;
  if (['drop', 'rejoin'].includes(verb) && said('reason') === '') throw invalid('usage', '--reason is missing: it is kept');

  const { config } = loadConfig(values, process.env);
  if (!existsSync(join(config.folder, 'secrets')))
    throw invalid('usage', `${config.folder} holds no installation; name another --folder`);
  const tokens = await openTokens(config.folder, config.tokens.keys);
  const identity = {
    subject: 'lachak facts',
    roles: ['operator'] as const,
    discom: said('discom') || '-',
    organisation: '',
    participant: '',
  };
  const as = { token: await tokens.issue(identity, 0.1), requestId: newId() };
  const wire = openWire(config.grpc.address || `unix:${join(config.folder, 'lachak.sock')}`, null);
  try {
    const lines = await ask(
      wire.client(Facts, () => Promise.reject(new Error('a person asks'))),
      verb,
      { as },
      one,
      {
        room: name,
        upstream: said('upstream'),
        reason: said('reason'),
        dropped: values.dropped === true,
      },
    );
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    process.stderr.write(`lachak facts: ${error.message}\n`);
    return EXIT.no;
  } finally {
    wire.close();
  }
}

type One = { readonly room: string; readonly upstream: string; readonly position: bigint };

async function ask(
  facts: Client<typeof Facts>,
  verb: string,
  options: CallOptions,
  one: One | null,
  { room, upstream, reason, dropped }: { room: string; upstream: string; reason: string; dropped: boolean },
): Promise<string[]> {
  switch (verb) {
    case 'show':
      return [toJsonString(FactSchema, await facts.getParked(one!, options), { prettySpaces: 2 })];
    case 'replay':
      await facts.replay(one!, options);
      return ['it is handled again within a second: lachak facts parked shows what is left'];
    case 'drop':
      await facts.drop({ ...one!, reason }, options);
      return ['given up; what waited behind it is handled within a second'];
    case 'rejoin': {
      const { agreedTo, handledTo } = await facts.rejoin({ room, upstream, reason }, options);
      return [
        `${room} goes on with fact ${upstream}-${agreedTo + 1n}; what it handled of the lost ones, up to ${upstream}-${handledTo}, stays as it is`,
      ];
    }
    case 'parked': {
      const { facts: parked } = await facts.listParked({ room, dropped }, options);
      if (parked.length === 0) return ['nothing is parked'];
      return table(
        ['room', 'fact', 'kind', 'key', 'state', 'tries', 'error or reason'],
        parked.map((fact) => [
          fact.room,
          `${fact.upstream}-${fact.position}`,
          fact.kind,
          fact.key,
          fact.state,
          String(fact.attempts),
          fact.state === 'dropped' ? fact.reason : fact.error,
        ]),
      );
    }
    default: {
      const { outboxes, followers } = await facts.getStanding({}, options);
      const heads = new Map(outboxes.map((outbox) => [outbox.room, outbox]));
      return table(
        ['room', 'follows', 'handled', 'behind', 'parked', 'partitions', 'not numbered', 'trouble'],
        followers.map((follower) => [
          follower.room,
          follower.upstream,
          String(follower.position),
          String(follower.behind),
          String(follower.parked),
          String(follower.owned),
          String(heads.get(follower.upstream)?.unnumbered ?? '-'),
          follower.failure,
        ]),
      );
    }
  }
}

function factOf(name: string, room: string): One {
  const found = /^([a-z]+)-(\d{1,18})$/.exec(name);
  if (!found) throw invalid('usage', `"${name}" names no fact; it is written like registry-12`);
  if (room === '') throw invalid('usage', '--room is missing: the room that parked the fact');
  return { room, upstream: found[1]!, position: BigInt(found[2]!) };
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
