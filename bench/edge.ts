import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import mqtt from 'mqtt';
import { room } from '../devices/service.ts';
import { Devices } from '../gen/lachak/v1/devices_pb.ts';
import { Direction } from '../gen/lachak/v1/types_pb.ts';
import { defaults } from '../services/host/config.ts';
import { testHost } from '../services/host/testing.ts';
import { startMosquitto } from '../test/servers/mosquitto.ts';

/*
 * How many commands a second go to devices and come back acknowledged, through the devices room on mosquitto: gRPC, validated, stored,
 * told, answered, the answer stored and published as a fact? Beside it one bare mqtt.js client that publishes the same command to the
 * same devices on the same broker and counts the same acknowledgements. (PostgreSQL without fsync, as in tests.)
 * Repeat: npm run bench -- edge
 */
const DEVICES = 1000;
const ROUNDS = 8;
const A_CALL = 500;
const HOUR = 3_600_000;

export async function edgeBench(print: (line: string) => void): Promise<void> {
  const mosquitto = await startMosquitto();
  const host = await testHost({ rooms: [room], clock: 'system', config: { mqtt: { ...defaults.mqtt, ...mosquitto.setting } } });
  try {
    const as = await host.token('operator');
    const devices: { deviceId: string; secret: string }[] = [];
    for (let i = 0; i < DEVICES; i++) {
      const deviceId = `ac${i}`;
      const ask = { commandId: deviceId, deviceId, protocol: 'flex/1' };
      devices.push({ deviceId, secret: (await host.connect(Devices).provisionDevice(ask, { as })).secret });
    }
    const known = () => readFileSync(join(mosquitto.filesFolder, 'password'), 'utf8').split('\n').length > DEVICES;
    while (!known()) await pause(50);
    await pause(500); // mosquitto reads it
    const crowd = new Worker(new URL('./edge-crowd.js', import.meta.url), { workerData: { url: mosquitto.deviceUrl, devices } });
    await new Promise<void>((done, fail) => {
      crowd.once('message', done);
      crowd.once('error', fail);
    });
    const password = readFileSync(join(mosquitto.filesFolder, 'service-password'), 'utf8').trim();
    const bare = await mqtt.connectAsync(mosquitto.url, { username: 'lachak', password, clientId: 'bare' });
    let acknowledged = 0;
    bare.on('message', () => void acknowledged++);
    await bare.subscribeAsync('flex/v1/+/+/ack', { qos: 1 });
    const db = await host.database('devices');
    const [ours, rival]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      const states = statesOf(devices, `e${round}`);
      // A client that is not subscribed hears and counts nothing of the room's.
      await bare.unsubscribeAsync('flex/v1/+/+/ack');
      ours.push(
        await rate(async () => {
          for (let i = 0; i < DEVICES; i += A_CALL)
            await host.connect(Devices).apply({ states: states.slice(i, i + A_CALL) }, { discom: 'BRPL', deadlineMs: 60_000 });
          for (;;) {
            const [row] = await db.query<{ n: number }>(
              `select count(*)::int as n from instruction where event_id = $1 and outcome = 'ACCEPTED'`,
              [`e${round}`],
            );
            if (row!.n === DEVICES) return;
            await pause(10);
          }
        }),
      );
      await bare.subscribeAsync('flex/v1/+/+/ack', { qos: 1 });
      acknowledged = 0;
      const text = JSON.stringify({ id: `bare${round}`, action: 'criticalPeak', validFrom: '2026-05-01T13:30:00Z', level: 2 });
      rival.push(
        await rate(async () => {
          for (const { deviceId } of devices) bare.publish(`flex/v1/BRPL/${deviceId}/command`, text, { qos: 1 });
          while (acknowledged < DEVICES) await pause(2);
        }),
      );
    }
    crowd.postMessage('stop');
    await bare.endAsync(true);
    // The first round warms both up; of the others the middle one.
    const middle = (list: number[]) => list.slice(1).sort((a, b) => a - b)[Math.floor((ROUNDS - 1) / 2)]!;
    const [most, mostBare] = [middle(ours), middle(rival)];
    const all = (list: number[]) => list.map((n) => n.toFixed(0)).join(', ');
    print(
      `edge: ${most.toFixed(0)} commands/s to ${DEVICES} devices acknowledged, stored and published (${all(ours)}); ` +
        `a bare mqtt.js client on the same mosquitto ${mostBare.toFixed(0)}/s (${all(rival)}): ${(most / mostBare).toFixed(2)}× that ` +
        `(${cpus()[0]?.model.trim()}, Node ${process.version})`,
    );
  } finally {
    await host.stop();
    await mosquitto.stop();
  }
}

const statesOf = (devices: readonly { readonly deviceId: string }[], eventId: string) =>
  devices.map(({ deviceId }) => ({
    instructionId: `${eventId}-${deviceId}`,
    eventId,
    resourceId: '',
    deviceId,
    valid: { startMs: BigInt(Date.now() - 1000), endMs: BigInt(Date.now() + HOUR) },
    direction: Direction.SHED,
    level: 2,
  }));

/** Devices a second. */
async function rate(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return DEVICES / ((performance.now() - began) / 1000);
}
