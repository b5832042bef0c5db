import type { TestHost } from '../../services/host/testing.ts';
import type { Stage } from '../faults/play.ts';

/** The stage of a story in this process: its acts play as they do in a house of its own. */
export const stageOf = (host: TestHost): Stage => ({
  client: (service) => host.connect(service),
  as: async (role, whose) => ({ as: await host.token(role, whose), deadlineMs: 60_000 }),
  advanceTo: (to, maxStepMs) => host.advanceTo(to, maxStepMs),
  mark: () => {},
});
