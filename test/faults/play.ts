import type { DescService } from '@bufbuild/protobuf';
import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { Clock } from '../../gen/lachak/v1/host_pb.ts';
import type { CallOptions, Client, Connect, Role } from '../../services/host/room.ts';
import type { Whose } from './house.ts';

/** What a step of the story may use. Every use is a mark at which a blow may fall. */
export type Stage = {
  client<S extends DescService>(service: S): Client<S>;
  as(role: Role, whose?: Whose): Promise<CallOptions>;
  /** Moves domain time there and waits until all is quiet; standing still is allowed, and only settles. */
  advanceTo(at: number, maxStepMs?: number): Promise<void>;
  /** Something inside a call happened, e.g. a part of a stream was sent. */
  mark(): void;
};
/** One step: everything in it may be repeated with the same command ids. */
export type Act = { readonly name: string; readonly run: (stage: Stage) => Promise<void> };
/** At the n-th mark of an act `what` is struck, in the words of the ground that is played on. */
export type Blow = { readonly act: string; readonly mark: number; readonly what: string };

/** What is played on: one house, or rooms apart on servers. */
export type Ground = {
  readonly connect: Connect;
  as(role: Role, whose?: Whose): Promise<CallOptions>;
  /** Deals the blow at once; what follows from it is undone by somebody, or by `whole`. */
  strike(what: string, where: string): void;
  /** After a call failed: true when all is up again and the act may be repeated, false when nothing had fallen. */
  whole(error: unknown): Promise<boolean>;
  /** Places that were to strike and have not been passed. */
  unstruck(): readonly string[];
  /** What processes said before they fell, for people. */
  errors(): string;
};

const ADVANCE_WITHIN_MS = 120_000;

/** Plays the acts in order; an act that something fell under is played again when all is up. Throws when a blow never fell. */
export async function play(acts: readonly Act[], ground: Ground, blows: readonly Blow[]): Promise<Stage> {
  const ahead = [...blows];
  let playing = '';
  let marks = 0;
  const mark = (): void => {
    const due = ahead.findIndex((blow) => blow.act === playing && blow.mark === marks);
    marks++;
    if (due < 0) return;
    const [blow] = ahead.splice(due, 1);
    ground.strike(blow!.what, `mark ${blow!.mark} of ${playing}`);
  };
  const stage: Stage = {
    client: (service) => marking(ground.connect(service), mark),
    as: (role, whose) => ground.as(role, whose),
    mark,
    advanceTo: async (at, maxStepMs = 0) => {
      const operator = { ...(await ground.as('operator')), deadlineMs: ADVANCE_WITHIN_MS };
      const clock = ground.connect(Clock);
      const { nowMs } = await clock.get({}, operator);
      if (Number(nowMs) > at) return; // this far we were before something fell
      for await (const _ of clock.advance({ untilMs: BigInt(at), maxStepMs: BigInt(maxStepMs) }, operator)) mark();
    },
  };
  for (const act of acts) {
    playing = act.name;
    marks = 0;
    for (let played = false; !played; ) {
      try {
        await act.run(stage);
        played = true;
      } catch (error) {
        if (await ground.whole(error)) continue;
        throw new Error(`${act.name}: ${(error as Error).message}\n${ground.errors()}`, { cause: error });
      }
    }
  }
  const left = [...ground.unstruck(), ...ahead.map((blow) => `${blow.what} at mark ${blow.mark} of ${blow.act}`)];
  if (left.length > 0) throw new Error(`never struck: ${left.join(', ')}`);
  return stage;
}

/** A call has two marks: just after it was made, and just after it was answered. */
function marking<C extends object>(client: C, mark: () => void): C {
  return new Proxy(client, {
    get: (calls, name) => {
      const call = calls[name as keyof C];
      if (typeof call !== 'function') return call;
      return (...words: unknown[]) => {
        const made = (call as (...words: unknown[]) => unknown)(...words);
        if (!(made instanceof Promise)) return made;
        setImmediate(mark); // it is on its way by then
        return made.then((answer) => {
          mark();
          return answer;
        });
      };
    },
  });
}

/** Waits until so many devices are online; false when the rooms cannot be asked any more. */
export async function devicesBack(ground: Pick<Ground, 'as' | 'connect'>, count: number): Promise<boolean> {
  const operator = await ground.as('operator');
  for (const end = Date.now() + 30_000; count > 0; await new Promise((next) => setTimeout(next, 20))) {
    const listed = await ground
      .connect(Devices)
      .listDevices({}, operator)
      .catch(() => null);
    if (listed === null) return false;
    const online = listed.devices.filter((device) => device.online).length;
    if (online >= count) break;
    if (Date.now() > end) throw new Error(`${online} of ${count} devices came back`);
  }
  return true;
}
