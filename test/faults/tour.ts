import type { DescService } from '@bufbuild/protobuf';
import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { Clock } from '../../gen/lachak/v1/host_pb.ts';
import type { CallOptions, Client, Role } from '../../services/host/room.ts';
import { freePorts, type House, openHouse, type Whose } from './house.ts';

/** What a step of the story may use. Clients are those of the house that lives now; every use is a mark at which a blow may fall. */
export type Stage = {
  client<S extends DescService>(service: S): Client<S>;
  as(role: Role, whose?: Whose): Promise<CallOptions>;
  /** Moves domain time there and waits until all is quiet; standing still is allowed, and only settles. */
  advanceTo(at: number, maxStepMs?: number): Promise<void>;
  /** Something inside a call happened, e.g. a part of a stream was sent. */
  mark(): void;
  house(): House;
};
/** One step: everything in it may be repeated with the same command ids. */
export type Act = { readonly name: string; readonly run: (stage: Stage) => Promise<void> };
/** kill -9 at the n-th mark of an act; with `server`, of PostgreSQL too. */
export type Blow = { readonly act: string; readonly mark: number; readonly server?: boolean };
export type Plan = {
  readonly folder: string;
  readonly clockStart: number;
  /** Places at which the process kills itself, one after the other: the next is armed when the one before has struck. */
  readonly faults: readonly string[];
  readonly blows: readonly Blow[];
  /** Devices the test runs: the story goes on when they are back. */
  readonly devicesUp: () => number;
};
export type Toured = {
  readonly kills: readonly string[];
  readonly house: House;
  readonly stage: Stage;
  readonly readyAfterS: readonly number[];
};

const AFTER_A_FAILED_CALL_MS = 3000;

/** Plays the acts in order; an act whose house was killed under it is played again in the house that comes up. */
export async function tour(acts: readonly Act[], plan: Plan): Promise<Toured> {
  const [mqttPort, ocppPort] = await freePorts(2);
  const faults = [...plan.faults];
  const blows = [...plan.blows];
  const kills: string[] = [];
  const readyAfterS: number[] = [];
  let armed = '';
  let playing = 'start';
  let marks = 0;
  let struck = false;

  const open = async (): Promise<House> => {
    for (;;) {
      armed = faults.shift() ?? '';
      const opened = await openHouse({ ...plan, mqttPort: mqttPort!, ocppPort: ocppPort!, fault: armed });
      if (opened && (await devicesBack(opened, plan.devicesUp()))) {
        readyAfterS.push(opened.readyAfterS);
        return opened;
      }
      kills.push(`${armed} while starting`);
    }
  };
  let house = await open();
  const mark = (): void => {
    const due = blows.findIndex((blow) => blow.act === playing && blow.mark === marks);
    marks++;
    if (due < 0) return;
    const [blow] = blows.splice(due, 1);
    if (armed) faults.unshift(armed); // it has not struck yet
    armed = '';
    kills.push(`mark ${blow!.mark} of ${playing}${blow!.server ? ', with its PostgreSQL' : ''}`);
    struck = true;
    house.kill(blow!.server);
  };
  const stage: Stage = {
    client: (service) => marking(house.connect(service), mark),
    as: (role, whose) => house.as(role, whose),
    mark,
    house: () => house,
    advanceTo: async (at, maxStepMs = 0) => {
      const operator = { ...(await house.as('operator')), deadlineMs: 120_000 };
      const clock = house.connect(Clock);
      const { nowMs } = await clock.get({}, operator);
      if (Number(nowMs) > at) return; // this far we were before the house fell
      for await (const _ of clock.advance({ untilMs: BigInt(at), maxStepMs: BigInt(maxStepMs) }, operator)) mark();
    },
  };
  const play = async (act: Act): Promise<void> => {
    playing = act.name;
    marks = 0;
    for (;;) {
      try {
        await act.run(stage);
        return;
      } catch (error) {
        if (!(await house.gone(AFTER_A_FAILED_CALL_MS)))
          throw new Error(`${act.name}: ${(error as Error).message}`, { cause: error });
        if (armed) kills.push(`${armed} in ${act.name}`);
        else if (!struck) throw new Error(`the house fell by itself in ${act.name}: ${house.errors().slice(-2000)}`);
        struck = false;
        house = await open();
      }
    }
  };
  try {
    for (const act of acts) await play(act);
    if (faults.length > 0 || armed || blows.length > 0)
      throw new Error(
        `never struck: ${[armed, ...faults, ...blows.map((blow) => `${blow.act} ${blow.mark}`)].filter(Boolean).join(', ')}`,
      );
    return { kills, house, stage, readyAfterS };
  } catch (error) {
    house.kill(); // nobody will use it
    throw error;
  }
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

/** False when the house fell meanwhile: what it had left undone it takes up as it starts. */
async function devicesBack(house: House, count: number): Promise<boolean> {
  const operator = await house.as('operator');
  for (const end = Date.now() + 30_000; count > 0; await house.gone(20)) {
    const { devices } = await house
      .connect(Devices)
      .listDevices({}, operator)
      .catch(() => ({ devices: null }));
    if (devices === null) return !(await house.gone(AFTER_A_FAILED_CALL_MS));
    const online = devices.filter((device) => device.online).length;
    if (online >= count) break;
    if (Date.now() > end) throw new Error(`${online} of ${count} devices came back`);
  }
  return true;
}
