import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { roomNames } from '../../services/host/arrows.ts';
import type { RoomName } from '../../services/host/room.ts';
import { startServers } from '../servers/all.ts';
import { type Books, doubled, readBooks } from './books.ts';
import { deploy, type Estate, type ServerName } from './deployed.ts';
import { evening } from './evening.ts';
import { endServer } from './house.ts';
import { type Blow, play } from './play.ts';
import type { Fault } from './room-process.ts';
import { tour } from './tour.ts';
import { at } from './town.ts';

/** One evening and what falls in it: all of it follows from the seed. */
export type Run = {
  readonly seed: number;
  /** Odd seeds: each room a process of its own, on PostgreSQL 15, NATS, InfluxDB and mosquitto. Even ones: `lachak start`. */
  readonly apart: boolean;
  readonly natsNodes: 1 | 3;
  readonly faults: readonly (Fault & { readonly room: RoomName })[];
  readonly blows: readonly Blow[];
};
export type Ended = { readonly kills: readonly string[]; readonly books: Books };

type Draw = <T>(from: readonly T[]) => T;

/** Acts at which something may fall, and how many marks each surely has. */
const acts: readonly (readonly [act: string, marks: number])[] = [
  ['consent', 30],
  ['history', 6],
  ['schedule', 2],
  ['answers', 4],
  ['first half of the window', 3],
  ['deliver', 2],
  ['settle', 1],
];
/** Places that every evening passes, in the room that passes them. */
const places: readonly (readonly [RoomName, string])[] = [
  ['registry', 'relay.before_numbering:1'],
  ['registry', 'carry.before_publish:1'],
  ['enrolment', 'relay.after_numbering:2'],
  ['enrolment', 'follow.before_commit:1'],
  ['devices', 'follow.after_commit:1'],
  ['metering', 'metering.before_commit:1'],
  ['metering', 'metering.after_commit:1'],
  ['metering', 'follow.before_handler:3'],
  ['dispatch', 'dispatch.before_commitment:1'],
  ['dispatch', 'dispatch.after_commitment:1'],
  ['dispatch', 'dispatch.after_errand:1'],
  ['dispatch', 'dispatch.after_step:2'],
  ['dispatch', 'carry.before_publish:1'],
  ['performance', 'performance.file_written:1'],
  ['performance', 'follow.before_commit:4'],
  ['settlement', 'settlement.before_shard:1'],
  ['settlement', 'settlement.after_shard:1'],
  ['settlement', 'settlement.before_close:1'],
  ['settlement', 'settlement.after_close:1'],
  ['settlement', 'follow.after_commit:5'],
];
/** Servers, and the moments at which each is needed most: during settlement, while readings come, during dispatch. */
const servers: readonly (readonly [ServerName, readonly (readonly [RoomName, string])[]])[] = [
  [
    'PostgreSQL',
    [
      ['settlement', 'settlement.before_shard:1'],
      ['settlement', 'settlement.after_shard:1'],
      ['settlement', 'settlement.before_close:1'],
      ['performance', 'performance.file_written:1'],
    ],
  ],
  ['InfluxDB', [['metering', 'metering.before_commit:1']]],
  [
    'mosquitto',
    [
      ['dispatch', 'dispatch.after_errand:1'],
      ['dispatch', 'dispatch.after_step:1'],
    ],
  ],
  [
    'NATS leader',
    [
      ['dispatch', 'dispatch.after_commitment:1'],
      ['dispatch', 'carry.before_publish:2'],
      ['settlement', 'settlement.before_shard:1'],
    ],
  ],
];

export function drawRun(seed: number): Run {
  const random = mulberry(seed);
  const draw: Draw = (from) => from[Math.floor(random() * from.length)]!;
  const moment = (what: string): Blow => {
    const [act, marks] = draw(acts);
    return { act, mark: Math.floor(random() * marks), what };
  };
  if (seed % 2 === 0) {
    const blows = [moment('house'), moment('house'), moment('house and PostgreSQL')];
    const passed = places.filter(([, place]) => !place.startsWith('carry.')); // nothing carries facts inside one process
    return { seed, apart: false, natsNodes: 1, faults: [faultOf(draw(passed))], blows: apartFromEachOther(blows) };
  }
  // One server after the other, so that few runs meet them all.
  const [server, moments] = servers[Math.floor(seed / 2) % servers.length]!;
  const struck = { ...faultOf(draw(moments)), server };
  const killed = faultOf(draw(places.filter(([room]) => room !== struck.room)));
  const blows = [moment(draw(roomNames)), moment(draw(roomNames))];
  const natsNodes = server === 'NATS leader' ? 3 : 1;
  return { seed, apart: true, natsNodes, faults: [struck, killed], blows: apartFromEachOther(blows) };
}

export const describeRun = ({ apart, natsNodes, faults, blows }: Run): string =>
  [
    apart ? `rooms apart${natsNodes === 3 ? ', three of NATS' : ''}` : 'one house',
    ...faults.map(({ room, place, server }) => `${server ?? room} at ${server ? `${place} of ${room}` : place}`),
    ...blows.map(({ what, act, mark }) => `${what} at mark ${mark} of ${act}`),
  ].join('; ');

/** What is wrong with an evening's books, beside those of an undisturbed one; empty: nothing. */
export function wrongIn({ books }: Ended, calm: Books): { lost: string[]; doubled: string[]; other: string[] } {
  const missing = calm.credited.filter((one) => !books.credited.includes(one)).map((one) => `no credit for ${one}`);
  const differing = Object.keys(calm.payloads)
    .filter((id) => books.payloads[id] !== calm.payloads[id])
    .map((id) => `statement ${id} is ${books.payloads[id] === undefined ? 'missing' : 'another one'}`);
  const twice = [...doubled(books.credited), ...doubled(books.instructions), ...doubled(books.runs)];
  const other = [
    ...(books.sumMicros === 0n ? [] : [`the ledger sums to ${books.sumMicros}`]),
    ...differing,
    ...(Object.keys(books) as (keyof Books)[])
      .filter((part) => part !== 'payloads' && !isDeepStrictEqual(books[part], calm[part]))
      .map((part) => `${part} differ from those of the undisturbed evening`),
  ];
  return { lost: [...books.lost, ...missing], doubled: twice, other };
}

/** Plays evenings; servers are started when first needed, and kept. */
export class Evenings {
  readonly #estates = new Map<number, Promise<Estate>>();
  readonly #awayMs: Readonly<Record<ServerName, number>>;

  /** How long InfluxDB stays away when it is struck; the others come back as soon as they can. */
  constructor(influxAwayMs: number) {
    this.#awayMs = { PostgreSQL: 0, InfluxDB: influxAwayMs, mosquitto: 500, 'NATS leader': 2000 };
  }

  play(run: Run): Promise<Ended> {
    return run.apart ? this.#apart(run) : this.#inOneHouse(run);
  }

  /** Nothing falls, in one house. */
  async calm(): Promise<Books> {
    return (await this.play({ seed: 0, apart: false, natsNodes: 1, faults: [], blows: [] })).books;
  }

  async #inOneHouse({ faults, blows }: Run): Promise<Ended> {
    const folder = mkdtempSync(join(tmpdir(), 'lachak-evening-'));
    const story = evening({ coarse: true });
    let kill = () => {};
    try {
      const { devicesUp } = story;
      const plan = { folder, clockStart: at(6), faults: faults.map(({ place }) => place), blows, devicesUp };
      const { kills, house, stage } = await tour(story.acts, plan);
      kill = () => house.kill();
      const books = await readBooks(stage, story.acknowledged);
      const { code } = await house.stop();
      if (code !== 0) throw new Error(`the house ended with ${code}: ${house.errors().slice(-2000)}`);
      return { kills, books };
    } finally {
      await story.close();
      kill(); // when something was not as expected
      endServer(folder);
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #apart({ natsNodes, faults, blows }: Run): Promise<Ended> {
    const estate = await this.#estate(natsNodes);
    const story = evening({ coarse: true });
    const ofRoom = Object.fromEntries(roomNames.map((room) => [room, faults.filter((fault) => fault.room === room)]));
    const { devicesUp } = story;
    const ground = await deploy(estate, { clockStart: at(6), faults: ofRoom, awayMs: this.#awayMs, devicesUp });
    let books: Books;
    try {
      const stage = await play(story.acts, ground, blows);
      books = await readBooks(stage, story.acknowledged);
    } catch (error) {
      await ground.stop();
      throw error;
    } finally {
      await story.close();
    }
    const ended = await ground.stop();
    if (ended.length > 0) throw new Error(ended.join('\n'));
    return { kills: ground.kills, books };
  }

  #estate(nodes: number): Promise<Estate> {
    const found =
      this.#estates.get(nodes) ?? startServers(nodes).then((servers) => ({ servers, logins: new Map(), evenings: 0 }));
    this.#estates.set(nodes, found);
    return found;
  }

  async stop(): Promise<void> {
    const estates = await Promise.allSettled(this.#estates.values());
    await Promise.all(estates.map((one) => (one.status === 'fulfilled' ? one.value.servers.stop() : undefined)));
  }
}

const faultOf = ([room, place]: readonly [RoomName, string]) => ({ room, place });

/** Two blows at one mark would be one. */
const apartFromEachOther = (blows: readonly Blow[]): Blow[] =>
  blows.filter((blow, i) => blows.findIndex((other) => other.act === blow.act && other.mark === blow.mark) === i);

/** Mulberry32: the same evening for the same seed. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
