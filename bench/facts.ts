import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { connect } from 'nats';
import { pino } from 'pino';
import { ConsentWithdrawnSchema } from '../gen/lachak/v1/facts_pb.ts';
import { defaults } from '../services/host/config.ts';
import { startHost } from '../services/host/host.ts';
import type { Deps, RoomMaker } from '../services/host/room.ts';
import { startNats } from '../test/servers/nats.ts';

/*
 * How fast do committed facts pass through the outbox, its numbering and JetStream, acknowledged, beside raw JetStream publishing of
 * the same bytes, 512 in flight, on the same server in the same run? And how fast to the end: a follower's committed transactions.
 * Repeat: npm run bench -- facts
 */
const FACTS = 10_000;
const HANDLED = 2000;
const WINDOW = 512;
const ROUNDS = 3;
const erased = {
  case: 'personErased',
  value: { $typeName: 'lachak.v1.PersonErased', participantId: `participant-${'x'.repeat(80)}` },
} as const;

const withdrawn = {
  case: 'consentWithdrawn',
  value: create(ConsentWithdrawnSchema, { consentId: 'consent', participantId: 'participant' }),
} as const;
type Body = typeof erased | typeof withdrawn;
const BYTES = 128;

export async function factsBench(print: (line: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'lachak-bench-'));
  const nats = await startNats();
  const started = (rooms: RoomMaker[]) =>
    startHost({
      config: { ...defaults, folder, nats: { ...defaults.nats, url: nats.url }, gateway: { ...defaults.gateway, port: 0 } },
      rooms,
      log: pino({ level: 'error' }, pino.destination(2)),
    });
  try {
    const carried: number[] = [];
    const raw: number[] = [];
    const alone = await started([registry()]);
    for (let round = 0; round < ROUNDS; round++) {
      raw.push(await rawPublish(nats.url, round));
      // Committed in one go, so that what is measured begins with the relay.
      await fill(deps!, FACTS, erased);
      const began = performance.now();
      await untilCarried(deps!);
      carried.push(FACTS / ((performance.now() - began) / 1000));
    }
    await alone.stop();

    const both = await started([registry(), follower]);
    if (!(await deps!.facts.passed(await deps!.facts.position(), ['dispatch'], 300_000))) throw new Error('it does not catch up');
    const began = performance.now();
    await fill(deps!, HANDLED, withdrawn);
    await deps!.facts.passed(await deps!.facts.position(), ['dispatch'], 300_000);
    const handled = HANDLED / ((performance.now() - began) / 1000);
    await both.stop();
    print(
      `facts: ${k(median(carried))}/s from commit through outbox and JetStream to acknowledged, raw publish ${k(median(raw))}/s (${WINDOW} in flight): ` +
        `${(median(carried) / median(raw)).toFixed(2)}× (goal ≥ 0.5×); written in one transaction, carried, and handled with a transaction and an fsync each: ${k(handled)}/s ` +
        `(${FACTS} facts of ${BYTES} bytes, median of ${ROUNDS}; ${cpus()[0]?.model.trim()}, Node ${process.version})`,
    );
  } finally {
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

let deps: Deps | null = null;
const registry = (): RoomMaker =>
  room('registry', (made) => {
    deps = made;
  });
// It wants nothing of the first rounds' kind of fact: they are not what is measured.
const follower = room('dispatch', ({ facts }) =>
  facts.follow('registry', { consentWithdrawn: async (tx) => void (await tx.query('select 1')) }),
);
const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1]!;
const k = (perSecond: number): string => `${(perSecond / 1000).toFixed(1)}k`;

function room(name: RoomMaker['name'], made: (deps: Deps) => void): RoomMaker {
  return {
    name,
    migrations: new URL('file:///nonexistent/'),
    make: (deps) => {
      made(deps);
      return { bindings: [], start: async () => {}, stop: async () => {} };
    },
  };
}

async function fill({ database, facts }: Deps, count: number, body: Body): Promise<void> {
  await database.tx(async (tx) => {
    for (let i = 0; i < count; i++) await facts.publish(tx, { discom: 'BRPL', key: `key-${i % 500}`, body });
  });
}

/** All that is committed has its number, and JetStream's word. */
async function untilCarried({ database, facts }: Deps): Promise<void> {
  const position = await facts.position();
  for (;;) {
    const [row] = await database.query<{ carried: bigint | null }>('select carried from relay');
    if ((row!.carried ?? 0n) >= position) return;
    await new Promise((next) => setTimeout(next, 5));
  }
}

async function rawPublish(url: string, round: number): Promise<number> {
  const connection = await connect({ servers: new URL(url).host });
  try {
    const manager = await connection.jetstreamManager();
    if (round === 0) await manager.streams.add({ name: 'raw', subjects: ['raw.*'] });
    const client = connection.jetstream({ timeout: 10_000 });
    const payload = new Uint8Array(BYTES);
    const began = performance.now();
    for (let sent = 0; sent < FACTS; sent += WINDOW) {
      const size = Math.min(WINDOW, FACTS - sent);
      await Promise.all(
        Array.from({ length: size }, (_, i) =>
          client.publish(`raw.${(sent + i) % 64}`, payload, { msgID: `${round}/${sent + i}` }),
        ),
      );
    }
    return FACTS / ((performance.now() - began) / 1000);
  } finally {
    await connection.close();
  }
}
