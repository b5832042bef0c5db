import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RecordSchema } from '../../gen/lachak/v1/registry_pb.ts';
import { Register } from '../../gen/lachak/v1/types_pb.ts';

export type RecordInit = MessageInitShape<typeof RecordSchema>;
/** One thing wrong with one column of one line. */
export type Fault = { readonly column: string; readonly code: string; readonly message: string };

/** Cells of one line by column; an absent column is an empty cell. Faults are noted and reading goes on, so that a line tells all of its faults. */
type Cells = {
  text(column: string): string;
  whole(column: string): number;
  wide(column: string): bigint;
  decimal(column: string): number;
  truth(column: string): boolean;
  dated(): { fromMs: bigint; toMs: bigint };
  fault(column: string, code: string, message: string): void;
};
export type Table = {
  readonly required: readonly string[];
  readonly optional: readonly string[];
  readonly read: (cells: Cells) => RecordInit;
};

/** The tables of `ImportCsv`, their columns in the order we write them, and what a line becomes. Empty `from` = since ever, empty `to` = still. */
export const tables: Readonly<Record<string, Table>> = {
  areas: {
    required: ['area_id', 'kind'],
    optional: ['name', 'parent_id', 'from', 'to'],
    read: (c) => ({
      record: {
        case: 'area',
        value: {
          areaId: c.text('area_id'),
          kind: c.text('kind'),
          name: c.text('name'),
          parentId: c.text('parent_id'),
          dated: c.dated(),
        },
      },
    }),
  },
  organisations: {
    required: ['organisation_id', 'name', 'kind'],
    optional: ['did'],
    read: (c) => ({
      record: {
        case: 'organisation',
        value: { organisationId: c.text('organisation_id'), name: c.text('name'), kind: c.text('kind'), did: c.text('did') },
      },
    }),
  },
  participants: {
    required: ['participant_id', 'kind'],
    optional: ['name', 'phone', 'address', 'language'],
    read: (c) => {
      const person = { name: c.text('name'), phone: c.text('phone'), address: c.text('address'), language: c.text('language') };
      const given = Object.values(person).some((value) => value !== '');
      return {
        record: {
          case: 'participant',
          value: { participantId: c.text('participant_id'), kind: c.text('kind'), ...(given && { person }) },
        },
      };
    },
  },
  connections: {
    required: ['connection_id', 'participant_id', 'area_id', 'tariff_category', 'sanctioned_load_w'],
    optional: ['protected', 'from', 'to'],
    read: (c) => ({
      record: {
        case: 'connection',
        value: {
          connectionId: c.text('connection_id'),
          participantId: c.text('participant_id'),
          areaId: c.text('area_id'),
          tariffCategory: c.text('tariff_category'),
          sanctionedLoadW: c.wide('sanctioned_load_w'),
          protected: c.truth('protected'),
          dated: c.dated(),
        },
      },
    }),
  },
  meters: {
    required: ['meter_id', 'connection_id', 'interval_minutes'],
    optional: ['registers', 'factor', 'parent_meter_id', 'zone', 'source', 'from', 'to'],
    read: (c) => ({
      record: {
        case: 'meter',
        value: {
          meterId: c.text('meter_id'),
          connectionId: c.text('connection_id'),
          registers: registersOf(c),
          factor: c.whole('factor'),
          intervalMinutes: c.whole('interval_minutes'),
          parentMeterId: c.text('parent_meter_id'),
          zone: c.text('zone'),
          source: c.text('source'),
          dated: c.dated(),
        },
      },
    }),
  },
  settlement_points: {
    required: ['settlement_point_id', 'connection_id'],
    optional: ['sub_meter_id'],
    read: (c) => ({
      record: {
        case: 'settlementPoint',
        value: {
          settlementPointId: c.text('settlement_point_id'),
          connectionId: c.text('connection_id'),
          subMeterId: c.text('sub_meter_id'),
        },
      },
    }),
  },
  resources: {
    required: ['resource_id', 'settlement_point_id', 'kind', 'rated_w'],
    optional: [
      'organisation_id',
      'device_id',
      'protocol',
      'max_minutes_per_day',
      'max_setpoint_delta_c',
      'min_power_w',
      'from',
      'to',
    ],
    read: (c) => ({
      record: {
        case: 'resource',
        value: {
          resourceId: c.text('resource_id'),
          settlementPointId: c.text('settlement_point_id'),
          organisationId: c.text('organisation_id'),
          kind: c.text('kind'),
          ratedW: c.wide('rated_w'),
          deviceId: c.text('device_id'),
          protocol: c.text('protocol'),
          limits: {
            maxMinutesPerDay: c.whole('max_minutes_per_day'),
            maxSetpointDeltaC: c.decimal('max_setpoint_delta_c'),
            minPowerW: c.wide('min_power_w'),
          },
          dated: c.dated(),
        },
      },
    }),
  },
};

const REGISTERS: Readonly<Record<string, Register>> = { IMPORT: Register.IMPORT, EXPORT: Register.EXPORT };

function registersOf(cells: Cells): Register[] {
  const names = cells.text('registers').split('+').filter(Boolean);
  const wrong = names.find((name) => REGISTERS[name] === undefined);
  if (wrong !== undefined)
    cells.fault('registers', 'register_unknown', `must be IMPORT, EXPORT or IMPORT+EXPORT, not "${wrong}"`);
  return names.flatMap((name) => REGISTERS[name] ?? []);
}

/** Where each column of a header lies, or what is wrong with the header. */
export function readHeader(table: Table, header: readonly string[]): ReadonlyMap<string, number> | Fault {
  const known = [...table.required, ...table.optional];
  const places = new Map<string, number>();
  for (const [index, written] of header.entries()) {
    const column = (index === 0 ? written.replace(/^\uFEFF/, '') : written).trim();
    if (!known.includes(column))
      return { column, code: 'column_unknown', message: `"${column}" is no column here; there are ${known.join(', ')}` };
    if (places.has(column)) return { column, code: 'column_repeated', message: `column ${column} is there twice` };
    places.set(column, index);
  }
  const missing = table.required.find((column) => !places.has(column));
  return missing
    ? {
        column: missing,
        code: 'column_missing',
        message: `column ${missing} is missing; a header has at least ${table.required.join(', ')}`,
      }
    : places;
}

/** One line as a record, or everything that is wrong with its cells. */
export function readRow(table: Table, places: ReadonlyMap<string, number>, row: readonly string[]): RecordInit | Fault[] {
  if (row.length !== places.size) {
    return [{ column: '', code: 'cells_wrong', message: `the line has ${row.length} cells, the header ${places.size}` }];
  }
  const faults: Fault[] = [];
  const record = table.read(
    cellsOf(places, row, (column, code, message) => void faults.push({ column, code, message: `${column} ${message}` })),
  );
  return faults.length > 0 ? faults : record;
}

function cellsOf(places: ReadonlyMap<string, number>, row: readonly string[], fault: Cells['fault']): Cells {
  const text = (column: string) => row[places.get(column) ?? -1]?.trim() ?? '';
  const number = (column: string, pattern: RegExp, example: string): string => {
    const value = text(column);
    if (value === '' || pattern.test(value)) return value || '0';
    fault(column, 'number_malformed', `must be ${example}, not "${shown(value)}"`);
    return '0';
  };
  const instant = (column: string): bigint => {
    const value = text(column);
    if (value === '') return 0n;
    const at = INSTANT.test(value) ? Date.parse(value) : Number.NaN;
    if (!Number.isNaN(at) && at > 0) return BigInt(at);
    fault(
      column,
      'instant_malformed',
      `must be an instant with its offset, such as 2026-04-01T00:00:00+05:30, not "${shown(value)}"`,
    );
    return 0n;
  };
  return {
    text,
    whole: (column) => Number(number(column, /^\d{1,9}$/, 'a whole number')),
    wide: (column) => BigInt(number(column, /^\d{1,15}$/, 'a whole number')),
    decimal: (column) => Number(number(column, /^\d{1,6}(\.\d{1,6})?$/, 'a decimal number')),
    truth: (column) => {
      const value = TRUTH[text(column).toLowerCase()];
      if (value === undefined) fault(column, 'truth_malformed', `must be true or false, not "${shown(text(column))}"`);
      return value ?? false;
    },
    dated: () => ({ fromMs: instant('from'), toMs: instant('to') }),
    fault,
  };
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;
const TRUTH: Readonly<Record<string, boolean>> = {
  '': false,
  true: true,
  false: false,
  yes: true,
  no: false,
  '1': true,
  '0': false,
};

/** A cell as a message shows it: never a page of text. */
const shown = (value: string): string => (value.length > 40 ? `${value.slice(0, 37)}…` : value);
