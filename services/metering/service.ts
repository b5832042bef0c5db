import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { bind, type Deps, type Handlers, type RoomMaker } from '../host/room.ts';
import { compactionHandlers } from './compaction-service.ts';
import { noteNamed } from './compaction-store.ts';
import { openCrew } from './crew-service.ts';
import { meterDayColumns, meterDayJson, meterDaysOf } from './evidence-service.ts';
import { follow } from './follow-service.ts';
import { importHandlers, sweepIncoming, type Tally } from './import-service.ts';
import { openInflux } from './influx-store.ts';
import type { Intake } from './ingest-service.ts';
import { keepingHandlers } from './keeping-service.ts';
import { openPlaces } from './known-store.ts';
import { asOf, slotBytes, spanOf } from './messages-service.ts';
import { exportLines, type Reading, seriesOf, typicalLoads } from './read-service.ts';
import { recordedStore, tileStore } from './reading-store.ts';
import { tileFiles, tilesOf } from './store.ts';
import { supplyHandlers } from './supply-service.ts';
import { followTelemetry } from './telemetry-service.ts';

const TYPICAL_DAYS = 5;
const MIB = 1024 * 1024;
/** Every day that readings can be of. */
const ALL_TIME = { start: 0, end: Date.UTC(9000, 0, 1) };

export const room: RoomMaker = {
  name: 'metering',
  migrations: new URL('./migrations/', import.meta.url),
  make: (deps) => {
    const tally = openTally(deps.metrics);
    const files = tileFiles(deps.folder, deps.config.metering.cacheMegabytes * MIB);
    const { influxUrl: url, influxPasswordFile: passwordFile } = deps.config;
    const influx = url === '' ? null : openInflux({ url, passwordFile }, deps.log);
    const readings = influx ? recordedStore(deps.folder, files, influx, deps.log) : tileStore(deps.folder, files);
    const intake: Intake = { readings, crew: openCrew(), places: openPlaces() };
    const telemetry = followTelemetry(deps, intake, tally);
    follow(deps, telemetry.stir);
    return {
      needs: influx ? [{ name: 'InfluxDB', ask: async () => influx.ready() }] : [],
      bindings: [
        bind(Metering, {
          ...handlers(deps, { database: deps.database, readings }, intake, tally),
          ...keepingHandlers(deps, { readings, influx }),
          ...compactionHandlers(deps, readings),
        }),
      ],
      start: async () => {
        await influx?.start();
        await sweepIncoming(deps.folder);
        const orphans = await files.sweep(deps.database);
        if (orphans > 0) deps.log.info({ orphans }, 'removed tiles that were never committed');
      },
      stop: async () => {
        await influx?.stop();
        await intake.crew.stop();
      },
    };
  },
};

function openTally(metrics: Deps['metrics']): Tally {
  const became = { stored: 0, unchanged: 0, rejected: 0, suspect: 0 };
  metrics.sum('metering_readings_total', 'Readings delivered, by what became of them', 'outcome', () => became);
  return ({ report, repeated }) => {
    if (repeated) return;
    for (const outcome of Object.keys(became) as (keyof typeof became)[]) became[outcome] += report[outcome];
  };
}

function handlers(
  deps: Deps,
  reading: Reading,
  intake: Intake,
  tally: Tally,
): Omit<Handlers<typeof Metering>, 'checkReadings' | 'projectReadings' | 'compactReadings' | 'retainReadings'> {
  const { clock, database } = deps;
  return {
    ...importHandlers(deps, intake, tally),
    ...supplyHandlers(deps),
    getSeries: async (request, caller) => {
      const now = clock.now();
      const series = await seriesOf(reading, caller, request.meterId, spanOf(request.span), asOf(request.asOfMs, now), now);
      return { intervalMinutes: series.intervalMinutes, startMs: BigInt(series.start), ...slotBytes(series) };
    },
    listTiles: async (request, caller) => {
      const shards = request.shards.length > 0 ? { shards: request.shards } : {};
      const tiles = await tilesOf(database, caller.discom, {
        days: request.days,
        ...shards,
        asOf: asOf(request.asOfMs, clock.now()),
      });
      // Before their names go out: what a run was told of is kept for its retention.
      await noteNamed(database, caller.discom, tiles, clock.now());
      await reading.readings.lay(caller.discom, tiles);
      return { tiles: tiles.map((tile) => ({ ...tile, knownAtMs: BigInt(tile.knownAt) })) };
    },
    getMeterDays: async (request, caller) => {
      const known = asOf(request.asOfMs, clock.now());
      if (request.days.length > 0) return { columns: await meterDayColumns(reading, caller.discom, request, known) };
      const answers = await meterDaysOf(reading, caller.discom, request.names, known);
      return {
        meterDays: request.names.map(({ meterId, day }, i) => {
          const answer = answers[i];
          if (!answer) return { meterId, day };
          return { meterId, day, ...meterDayJson(answer), ...(request.withReadings && slotBytes(answer.slots())) };
        }),
      };
    },
    getTypicalLoad: async (request, caller) => {
      const loads = await typicalLoads(
        reading,
        caller.discom,
        request.meterIds,
        spanOf(request.window, 'window'),
        request.days || TYPICAL_DAYS,
        clock.now(),
      );
      return { meanW: loads.map((load) => BigInt(load ?? 0)), known: loads.map((load) => load !== null) };
    },
    exportReadings: async function* (request, caller) {
      const lines = Readable.from(
        exportLines(reading, caller.discom, request.meterIds, request.span ? spanOf(request.span) : ALL_TIME),
        {
          objectMode: false,
          highWaterMark: 1 << 18,
        },
      );
      // Level and header are fixed, so equal state gives equal bytes here too.
      const bytes = request.gzip ? lines.pipe(createGzip({ level: 6 })) : lines;
      lines.on('error', (error) => bytes.destroy(error));
      for await (const chunk of bytes as AsyncIterable<Uint8Array | string>)
        yield { chunk: typeof chunk === 'string' ? Buffer.from(chunk) : chunk };
    },
  };
}
