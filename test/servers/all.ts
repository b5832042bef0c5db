import { type InfluxServer, startInflux } from './influx.ts';
import { type Mosquitto, startMosquitto } from './mosquitto.ts';
import { type NatsServers, startNats } from './nats.ts';
import { type Postgres15, startPostgres15 } from './postgres15.ts';

/** What a utility's platform team has: one of each, on loopback. */
export type Servers = {
  readonly postgres: Postgres15;
  readonly nats: NatsServers;
  readonly influx: InfluxServer;
  readonly mosquitto: Mosquitto;
  stop(): Promise<void>;
};

/** `nodes` of NATS, 1 or 3. What was started is stopped when another does not start. */
export async function startServers(nodes = 1): Promise<Servers> {
  const starting = [startPostgres15(), startNats({ nodes }), startInflux(), startMosquitto()] as const;
  const stop = async (): Promise<void> => {
    const started = await Promise.allSettled(starting);
    await Promise.all(started.map((one) => (one.status === 'fulfilled' ? one.value.stop() : undefined)));
  };
  try {
    const [postgres, nats, influx, mosquitto] = await Promise.all(starting);
    return { postgres, nats, influx, mosquitto, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A database for readings, and the settings by which rooms apart find everything but PostgreSQL. */
export async function settingsOf({ nats, influx, mosquitto }: Omit<Servers, 'stop'>, database: string) {
  await influx.query(`CREATE DATABASE ${database} WITH DURATION INF SHARD DURATION 1d`);
  return {
    nats: { url: nats.url, replicas: nats.servers.length },
    influxUrl: influx.url(database),
    mqtt: mosquitto.setting,
  };
}
