import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fromBinary } from '@bufbuild/protobuf';
import mqtt from 'mqtt';
import pg from 'pg';
import { WebSocket } from 'ws';
import { type Link, link } from '../../devices/ocpp/link.ts';
import { Answer_Outcome, Devices } from '../../gen/lachak/v1/devices_pb.ts';
import { FactSchema } from '../../gen/lachak/v1/facts_pb.ts';
import { openTokens } from '../../services/host/auth.ts';
import { openWire } from '../../services/host/connect.ts';
import { newId } from '../../services/host/ids.ts';
import type { CallOptions, Client } from '../../services/host/room.ts';

const lachak = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));
const READY_WITHIN_MS = 60_000;
export const DISCOM = 'BRPL';

/** `lachak start devices` in a process of its own: one gateway of several. */
export type Gateway = {
  readonly process: ChildProcess;
  readonly ocppUrl: string;
  readonly devices: Client<typeof Devices>;
  as(role: 'operator' | 'room'): Promise<CallOptions>;
  kill(signal: NodeJS.Signals): Promise<void>;
  errors(): string;
};

export async function startGateway(folder: string, flags: Readonly<Record<string, string>>): Promise<Gateway> {
  if (!existsSync(lachak)) throw new Error(`${lachak} is missing: npm run build makes it`);
  const all = { folder, 'ocpp-port': '0', 'log-level': process.env.LACHAK_TEST_LOG ?? 'warn', ...flags };
  const words = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(process.execPath, [lachak, 'start', 'devices', ...words]);
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const ended = new Promise<void>((done) => child.once('close', () => done()));
  const announced = new Map<string, string>();
  await new Promise<void>((done, fail) => {
    const late = setTimeout(() => fail(new Error(`not ready: ${errors.slice(-2000)}`)), READY_WITHIN_MS);
    void ended.then(() => fail(new Error(`ended: ${errors.slice(-2000)}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [what = '', address = ''] = line.split(/\s+/);
      announced.set(what, address);
      if (what !== 'ready') return;
      clearTimeout(late);
      done();
    });
  });
  const tokens = await openTokens(folder);
  const wire = openWire(`unix:${join(folder, 'lachak.sock')}`);
  void ended.then(() => wire.close());
  return {
    process: child,
    ocppUrl: announced.get('ocpp')!,
    devices: wire.client(Devices, () => Promise.reject(new Error('a test always says who it is'))),
    as: async (role) => {
      const identity = { subject: role, roles: [role], discom: DISCOM, organisation: '', participant: '' };
      return { as: { token: await tokens.issue(identity, 1), requestId: newId() }, deadlineMs: 20_000 };
    },
    kill: async (signal) => {
      child.kill(signal);
      await ended;
    },
    errors: () => errors,
  };
}

/** A charger in real time that dials the gateways in turn. A boot forgets every profile. */
export function charger(deviceId: string, secret: string, urls: readonly string[]) {
  let at = 0;
  let open: { socket: WebSocket; link: Link } | null = null;
  let stopped = false;
  const profiles = new Map<number, number>();
  const told: string[] = [];
  const dial = (): void => {
    if (stopped) return;
    const url = urls[at++ % urls.length]!;
    const socket = new WebSocket(`${url}/${deviceId}`, 'ocpp1.6', {
      headers: { authorization: `Basic ${Buffer.from(`${deviceId}:${secret}`).toString('base64')}` },
      handshakeTimeout: 2000,
    });
    socket.on('error', () => {});
    socket.on('close', () => setTimeout(dial, 200));
    socket.once('open', () => {
      profiles.clear();
      const mine = link(socket, {
        answer: async (action, payload) => {
          if (action === 'SetChargingProfile') {
            const profile = payload.csChargingProfiles as {
              chargingProfileId: number;
              chargingSchedule: { chargingSchedulePeriod: { limit: number }[] };
            };
            profiles.set(profile.chargingProfileId, profile.chargingSchedule.chargingSchedulePeriod[0]!.limit);
            told.push(url);
          }
          if (action === 'ClearChargingProfile') profiles.delete(payload.id as number);
          return action === 'GetConfiguration' ? {} : { status: 'Accepted' };
        },
        unreadable: () => {},
        closed: () => {},
      });
      open = { socket, link: mine };
      void mine.call('BootNotification', () => ({ chargePointVendor: 'T', chargePointModel: 'T' }));
    });
  };
  dial();
  return {
    deviceId,
    /** A per phase; null = nothing limits it. */
    limitA: (): number | null => (profiles.size === 0 ? null : Math.min(...profiles.values())),
    told,
    /** Dials again, next one first, without closing what it had: as behind a router that died. */
    leave: (): void => {
      open?.socket.removeAllListeners('close');
      dial();
    },
    stop: (): void => {
      stopped = true;
      open?.socket.removeAllListeners('close');
      open?.link.terminate();
    },
  };
}

/** An air conditioner in real time: accepts and applies what it is told. */
export async function conditioner(deviceId: string, secret: string, url: string) {
  const topic = (about: string): string => `flex/v1/${DISCOM}/${deviceId}/${about}`;
  const heard: string[] = [];
  const client = mqtt.connect(url, {
    username: `${DISCOM}/${deviceId}`,
    password: secret,
    clientId: deviceId,
    reconnectPeriod: 200,
    reconnectOnConnackError: true,
    will: { topic: topic('status'), payload: Buffer.from('{"online":false}'), qos: 1, retain: true },
  });
  client.on('error', () => {});
  client.on('connect', () => {
    client.subscribe(topic('command'), { qos: 1 });
    client.publish(topic('status'), '{"online":true}', { qos: 1, retain: true });
  });
  client.on('message', (_topic, payload) => {
    const { id, action } = JSON.parse(payload.toString()) as { id: string; action: string };
    heard.push(action);
    for (const status of action === 'end' ? ['ended'] : ['accepted', 'applied'])
      client.publish(topic('ack'), JSON.stringify({ id, status, ts: new Date().toISOString() }), { qos: 1 });
  });
  return { deviceId, heard, stop: () => client.endAsync(true) };
}

/** How many parts of the devices each gateway holds, in order. */
export async function sharesIn(databaseUrl: string): Promise<number[]> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  const { rows } = await client.query<{ n: number }>(
    'select count(*)::int as n from devices.part where holder is not null group by holder order by 1',
  );
  await client.end();
  return rows.map(({ n }) => n);
}

/** Every answer the house published, as `<device> <instruction> <outcome> <proof>`, in order. */
export async function answersIn(databaseUrl: string): Promise<string[]> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  const { rows } = await client.query<{ fact: Uint8Array }>(
    `select fact from devices.outbox where kind = 'instructionAnswered' order by row_id`,
  );
  await client.end();
  return rows.flatMap(({ fact }) => {
    const { body } = fromBinary(FactSchema, fact);
    if (body.case !== 'instructionAnswered') return [];
    return body.value.answers.map((a) => `${a.deviceId} ${a.instructionId} ${Answer_Outcome[a.outcome]} ${a.proof}`);
  });
}
