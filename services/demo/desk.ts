import { Catalogue } from '../../gen/lachak/v1/catalogue_pb.ts';
import { Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { Enrolment } from '../../gen/lachak/v1/enrolment_pb.ts';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Registry } from '../../gen/lachak/v1/registry_pb.ts';
import { Settlement } from '../../gen/lachak/v1/settlement_pb.ts';
import type { Host } from '../host/host.ts';
import { newId } from '../host/ids.ts';
import type { CallOptions, Role } from '../host/room.ts';
import { DISCOM } from './homes.ts';

/** The people of the demo act through the same verbs as everybody, each with a token of their own. */
export type Desk = ReturnType<typeof openDesk>;

export function openDesk(host: Host) {
  const connect = host.connectAs('demo');
  return {
    catalogue: connect(Catalogue),
    registry: connect(Registry),
    enrolment: connect(Enrolment),
    devices: connect(Devices),
    metering: connect(Metering),
    dispatch: connect(Dispatch),
    settlement: connect(Settlement),
    now: () => host.clock.now(),
    /** Resolves when everything that was set in motion has come to rest. */
    settled: () => host.conductor!.settled(),
    /** Moves domain time, stopping at every due instant and at least every `maxStepMs`. */
    advanceTo: async (at: number, maxStepMs = 0): Promise<void> => {
      for await (const _ of host.conductor!.advance(at, maxStepMs)) {
        // each step has settled when it is yielded
      }
    },
    as: async (role: Role, whose: { organisation?: string; participant?: string } = {}): Promise<CallOptions> => {
      const { organisation = '', participant = '' } = whose;
      const subject = participant || organisation || `demo-${role}`;
      const token = await host.tokens.issue({ subject, roles: [role], discom: DISCOM, organisation, participant }, 2);
      return { as: { token, requestId: newId() }, deadlineMs: 60_000 };
    },
  };
}

/** At most `width` at a time, in order of the list: what a busy office does, without flooding one server. */
export async function inParallel<T>(items: readonly T[], width: number, act: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of queue) await act(item);
    }),
  );
}
