import { freePorts, type House, openHouse } from './house.ts';
import { type Act, type Blow, devicesBack, type Ground, play, type Stage } from './play.ts';

export type Plan = {
  readonly folder: string;
  readonly clockStart: number;
  /** Places at which the process kills itself, one after the other: the next is armed when the one before has struck. */
  readonly faults: readonly string[];
  /** kill -9 of the `house`, or of the `house and PostgreSQL`. */
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

/** Plays the acts in one house; whenever it was killed it comes up again on its folder. */
export async function tour(acts: readonly Act[], plan: Plan): Promise<Toured> {
  const [mqttPort, ocppPort] = await freePorts(2);
  const faults = [...plan.faults];
  const kills: string[] = [];
  const readyAfterS: number[] = [];
  let armed = '';
  let struck = false;
  const open = async (): Promise<House> => {
    for (;;) {
      armed = faults.shift() ?? '';
      const opened = await openHouse({ ...plan, mqttPort: mqttPort!, ocppPort: ocppPort!, fault: armed });
      if (opened && (await back(opened, plan.devicesUp()))) {
        readyAfterS.push(opened.readyAfterS);
        return opened;
      }
      kills.push(`${armed} while starting`);
    }
  };
  let house = await open();
  const ground: Ground = {
    connect: (service) => house.connect(service),
    as: (role, whose) => house.as(role, whose),
    strike: (what, where) => {
      if (armed) faults.unshift(armed); // it has not struck yet
      armed = '';
      kills.push(`${what} at ${where}`);
      struck = true;
      house.kill(what === 'house and PostgreSQL');
    },
    whole: async () => {
      if (!(await house.gone(AFTER_A_FAILED_CALL_MS))) return false;
      if (armed) kills.push(armed);
      else if (!struck) return false; // it fell by itself
      struck = false;
      house = await open();
      return true;
    },
    unstruck: () => [armed, ...faults].filter(Boolean),
    errors: () => house.errors().slice(-2000),
  };
  try {
    const stage = await play(acts, ground, plan.blows);
    return { kills, house, stage, readyAfterS };
  } catch (error) {
    house.kill(); // nobody will use it
    throw error;
  }
}

/** False when the house fell meanwhile: what it had left undone it takes up as it starts. */
async function back(house: House, count: number): Promise<boolean> {
  for (;;) {
    if (await devicesBack(house, count)) return true;
    if (await house.gone(AFTER_A_FAILED_CALL_MS)) return false;
  }
}
