import { setTimeout as pause } from 'node:timers/promises';
import { AckPolicy, type ConsumerMessages, DeliverPolicy, type JsMsg, nanos } from 'nats';
import type { Logger } from 'pino';
import { PREVIOUS, untilAborted } from './carry.ts';
import type { Source } from './follow.ts';
import { type JetStream, subjectOf } from './jetstream.ts';
import { type Carried, type List, revive } from './outbox.ts';
import type { RoomName } from './room.ts';
import type { Owned } from './shares.ts';
import { Signal } from './signal.ts';

const BATCH = 200;
/** Facts received and not yet taken; beyond, the server keeps them. */
const WAITING = 2000;
/** How often the outbox is asked whether something is missing: always; after a lull; while NATS is away. Wall time. */
const SWEEP_MS = 5000;
const LULL_MS = 200;
const AWAY_MS = 500;
const PULL_MS = 5000;

/**
 * Facts from JetStream, by durable pull consumers on the partitions owned here. Whoever joins lists from the upstream outbox first;
 * each message names the position before it in its partition, so a gap is seen and listed; what was listed and comes again is dropped.
 */
export function receive(room: RoomName, upstream: RoomName, jetstream: JetStream, list: List, log: Logger): Source {
  const news = new Signal();
  const pulls = new Map<number, Pull>();
  const freed = new Signal(); // there is room again in `arrived`
  let arrived: Arrived[] = [];
  let current: Owned | null = null;
  let incomplete = true;
  let until: bigint | null = null; // how far to list when incomplete; null: as far as the next listing finds something
  let listedAt = 0;
  let stirredAt = 0;
  let received = 0;

  /** Something was published that will not be brought to us: list what there is by now, and no further. */
  const missed = (): void => {
    incomplete = true;
    until = null;
    news.fire();
  };
  const take = (message: JsMsg, partition: number): void => {
    const [, stretch, digits] = message.headers!.get('Nats-Msg-Id').split('/');
    // Before stretches were kept, ids were `<room>/<position>`.
    const position = BigInt(digits ?? stretch!);
    const previous = message.headers!.get(PREVIOUS);
    arrived.push({
      fact: revive(upstream, position, message.data),
      partition,
      previous: previous === '' ? null : BigInt(previous),
      stretch: digits === undefined ? '' : stretch!,
    });
    message.ack(); // it saves work only: the position reached is in the follower's own tables
    news.fire();
  };
  const join = (partition: number): Pull => {
    const leaving = new AbortController();
    const pull: Pull = {
      messages: null,
      leave: () => {
        leaving.abort();
        pull.messages?.stop();
      },
    };
    const done = async (): Promise<void> => {
      while (!leaving.signal.aborted) {
        try {
          pull.messages = await untilAborted(pullOf(room, upstream, partition, jetstream), leaving.signal);
          missed(); // what was published before we joined
          for await (const message of pull.messages) {
            while (arrived.length >= WAITING && !leaving.signal.aborted) await freed.beyond(freed.count, 100);
            if (leaving.signal.aborted) break;
            take(message, partition);
          }
        } catch (error) {
          if (leaving.signal.aborted) return;
          log.debug({ room, upstream, partition, reason: (error as Error).message }, 'a partition cannot be joined yet');
        }
        pull.messages?.stop();
        await pause(1000, undefined, { signal: leaving.signal }).catch(() => {});
      }
    };
    void done();
    return pull;
  };
  const divide = (owned: Owned): void => {
    for (const [partition, pull] of pulls) {
      if (owned.has(partition)) continue;
      pull.leave();
      pulls.delete(partition);
    }
    for (const partition of owned.keys()) if (!pulls.has(partition)) pulls.set(partition, join(partition));
    arrived = arrived.filter(({ partition }) => owned.has(partition));
    current = owned;
    missed();
  };
  const sweepDue = (): boolean => {
    const now = Date.now();
    const since = now - listedAt;
    if (incomplete || since > SWEEP_MS) return true;
    if (jetstream.away() !== null) return since > AWAY_MS;
    return arrived.length === 0 && stirredAt > listedAt && now - stirredAt > LULL_MS;
  };

  return {
    news,
    received: () => received,
    next: async (owned, lineage) => {
      if (owned !== current) divide(owned);
      if (sweepDue()) {
        const began = Date.now();
        const [sweeping, target] = [!incomplete && arrived.length > 0, until];
        incomplete = false;
        const listing = await list(upstream, owned, BATCH, lineage.newest()).catch((error) => {
          incomplete = true;
          throw error;
        });
        // While the carrier brings something, a sweep looks once, at what is oldest: what was left out is soon among that.
        if (sweeping) received += broughtToo(arrived, listing.facts);
        if (incomplete || sweeping) listedAt = began;
        else {
          until = target ?? listing.head;
          incomplete = listing.through < until;
          if (!incomplete) listedAt = began;
        }
        return listing;
      }
      const facts: Carried[] = [];
      const reached = new Map<number, bigint>();
      let looked = 0;
      for (const carried of arrived) {
        if (facts.length === BATCH) break;
        const { partition, previous, fact, stretch } = carried;
        const share = owned.get(partition);
        const at = reached.get(partition) ?? share?.position ?? fact.position;
        if (!lineage.holds(stretch, fact.position)) {
          incomplete = true; // of a stretch we have not heard of, or of one that was put back: the outbox knows
          news.fire();
        } else if (fact.position > at) {
          if (previous === null || previous > at) {
            missed(); // a gap: listed next, before this one is looked at again
            break;
          }
          facts.push(carried);
          received++;
          reached.set(partition, fact.position);
        }
        looked++;
      }
      arrived = arrived.slice(looked);
      if (looked > 0) {
        stirredAt = Date.now();
        freed.fire();
      }
      return { facts, through: null };
    },
    stop: async () => {
      for (const pull of pulls.values()) pull.leave();
      pulls.clear();
    },
  };
}

type Arrived = Carried & { readonly stretch: string };
/** How many of these facts JetStream had brought as well: a look that overtook us takes nothing from it. */
function broughtToo(arrived: readonly Carried[], listed: readonly Carried[]): number {
  const brought = new Set(arrived.map(({ fact }) => fact.position));
  return listed.filter(({ fact }) => brought.has(fact.position)).length;
}

type Pull = { messages: ConsumerMessages | null; readonly leave: () => void };

async function pullOf(room: RoomName, upstream: RoomName, partition: number, jetstream: JetStream): Promise<ConsumerMessages> {
  const { client, manager } = await jetstream.reached();
  const stream = await jetstream.streamOf(upstream);
  const name = `${room}_${partition}`;
  // One subject each: several in one consumer need a server of 2.10.
  await manager.consumers.add(stream, {
    durable_name: name,
    filter_subject: subjectOf(upstream, partition),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.New,
    ack_wait: nanos(30_000),
    max_ack_pending: 1000,
  });
  const consumer = await client.consumers.get(stream, name);
  return consumer.consume({ max_messages: 100, expires: PULL_MS, abort_on_missing_resource: true });
}
