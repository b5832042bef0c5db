import type { DeviceKey, Driver, Heard } from './driver.ts';
import type { Instruction } from './reconcile.ts';

/** What this protocol needs to open its sockets. */
export type BlueprintSetting = { readonly heard: Heard; readonly wire: Wire };
/** The protocol's own connection, opened by the caller: here, lines of text to and from named devices. */
export type Wire = {
  readonly url: string;
  send(device: DeviceKey, line: string): void;
  onLine(hear: (device: DeviceKey, line: string) => void): void;
};

/**
 * Copy this to add a driver: register it in service.ts under its protocol's name and name that in driver.ts. A driver translates; when
 * to send, how often and what an answer means is decided elsewhere. If yours needs a change elsewhere, the interface is wrong: say so.
 */
export function blueprintDriver({ heard, wire }: BlueprintSetting): Driver {
  return {
    start: () => {
      wire.onLine((device, line) => {
        const [word, id = '', value = ''] = line.split(' ');
        if (word === 'hello') heard.online(device);
        else if (word === 'bye') heard.offline(device);
        else if (word === 'ok') heard.word(device, id, 'accepted', '');
        else if (word === 'no') heard.word(device, id, 'rejected', value);
        else if (word === 'user') heard.override(device, 'by the user');
        else heard.refused('malformed', { device: device.deviceId, detail: line.slice(0, 100) });
      });
      return Promise.resolve();
    },
    stop: () => Promise.resolve(),
    endpoint: () => wire.url,
    // Carry the end with the command: a device that hears nothing more must end it by itself.
    apply: (device, instruction) =>
      wire.send(device, `limit ${instruction.instructionId} ${instruction.maxPowerW ?? 0} ${span(instruction)}`),
    release: (device, instruction, ended) => {
      if (!ended) wire.send(device, `free ${instruction.instructionId}`);
    },
    // Devices of flesh and copper follow the wall clock; only simulated ones answer steps.
    step: () => Promise.resolve({ silent: [] }),
  };
}

const span = ({ valid }: Instruction): string => `${valid.start} ${valid.end}`;
