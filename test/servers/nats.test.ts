import { connect } from 'nats';
import { expect, test } from 'vitest';
import { startNats } from './nats.ts';

test.each([1, 3])('%i servers keep what they acknowledged, also when one was killed', async (nodes) => {
  const nats = await startNats({ nodes, user: 'lachak', password: 'for-tests' });
  const servers = nats.url.split(',').map((url) => url.replace(/.*@/, ''));
  const connection = await connect({ servers, user: 'lachak', pass: 'for-tests', reconnectTimeWait: 100 });
  try {
    const manager = await connection.jetstreamManager({ timeout: 3000, checkAPI: false });
    await again(() => manager.streams.add({ name: 'kept', subjects: ['kept.*'], num_replicas: nodes }));
    const { seq } = await again(() => connection.jetstream({ timeout: 3000 }).publish('kept.one', new Uint8Array([1])));
    await nats.servers[0]!.kill();
    await nats.servers[0]!.restart();
    expect((await again(() => manager.streams.getMessage('kept', { seq }))).data).toEqual(new Uint8Array([1]));
  } finally {
    await connection.close();
    await nats.stop();
  }
});

/** While a cluster elects a leader, requests get no answer in time. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}
