import { parentPort, workerData } from 'node:worker_threads';
import mqtt from 'mqtt';

/* The devices of edge.ts, in a thread of their own: each acknowledges every command it hears. */
type Crowd = { readonly url: string; readonly devices: readonly { readonly deviceId: string; readonly secret: string }[] };

const { url, devices } = workerData as Crowd;
const AT_ONCE = 50;
const clients: mqtt.MqttClient[] = [];
for (let i = 0; i < devices.length; i += AT_ONCE)
  clients.push(...(await Promise.all(devices.slice(i, i + AT_ONCE).map(({ deviceId, secret }) => enter(deviceId, secret)))));
parentPort!.on('message', async () => {
  await Promise.all(clients.map((client) => client.endAsync(true)));
  process.exit();
});
parentPort!.postMessage('ready');

async function enter(deviceId: string, secret: string): Promise<mqtt.MqttClient> {
  const topic = (about: string): string => `flex/v1/BRPL/${deviceId}/${about}`;
  const login = { username: `BRPL/${deviceId}`, password: secret, clientId: deviceId, keepalive: 600 };
  const client = await mqtt.connectAsync(url, login, false);
  client.on('message', (_topic, payload) => {
    const { id } = JSON.parse(payload.toString()) as { id: string };
    client.publish(topic('ack'), JSON.stringify({ id, status: 'accepted', ts: new Date().toISOString() }), { qos: 1 });
  });
  await client.subscribeAsync(topic('command'), { qos: 1 });
  await client.publishAsync(topic('status'), '{"online":true}', { qos: 1, retain: true });
  return client;
}
