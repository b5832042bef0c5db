import { describe, expect, test } from 'vitest';
import { readHeader, readRow, tables } from './tables.ts';

const read = (table: string, header: string, row: string) => {
  const places = readHeader(tables[table]!, header.split(','));
  if ('code' in places) return places.code;
  const found = readRow(tables[table]!, places, row.split(','));
  return Array.isArray(found) ? found.map(({ column, code }) => `${column}:${code}`) : found.record?.value;
};

describe('Headers name columns, lines become records, faults name their column', () => {
  const METER = 'meter_id,connection_id,interval_minutes,registers,factor,from';
  const rows: [table: string, header: string, row: string, expected: unknown, reason: string][] = [
    [
      'areas',
      '\uFEFFarea_id,kind',
      'f1,FEEDER',
      { areaId: 'f1', kind: 'FEEDER', dated: { fromMs: 0n, toMs: 0n } },
      'a byte-order mark is no letter',
    ],
    ['areas', 'kind, area_id ', 'FEEDER,f1', { areaId: 'f1', kind: 'FEEDER' }, 'columns in any order'],
    ['areas', 'area_id', 'f1', 'column_missing', 'a required column is missing'],
    ['areas', 'area_id,kind,colour', 'f1,FEEDER,red', 'column_unknown', 'a column nobody would read'],
    ['areas', 'area_id,kind,kind', 'f1,FEEDER,ZONE', 'column_repeated', 'which would hold?'],
    ['areas', 'area_id,kind', 'f1', [':cells_wrong'], 'too few cells'],
    ['areas', 'area_id,kind', 'f1,FEEDER,', [':cells_wrong'], 'too many cells'],
    [
      'meters',
      METER,
      'm1,c1,30,IMPORT+EXPORT,2,2026-04-01T00:00:00+05:30',
      { registers: [1, 2], factor: 2, dated: { fromMs: 1774981800000n } },
      'two registers, an instant with offset',
    ],
    ['meters', METER, 'm1,c1,30,,,', { registers: [], factor: 0 }, 'empty cells are the defaults'],
    [
      'meters',
      METER,
      'm1,c1,half,REACTIVE,-1,yesterday',
      ['registers:register_unknown', 'factor:number_malformed', 'interval_minutes:number_malformed', 'from:instant_malformed'],
      'a line tells all its faults',
    ],
    ['meters', METER, 'm1,c1,30,,,2026-04-01', ['from:instant_malformed'], 'a day is no instant: whose midnight?'],
    ['meters', METER, 'm1,c1,30,,,2026-04-01T00:00:00', ['from:instant_malformed'], 'a local time without offset'],
    [
      'connections',
      'connection_id,participant_id,area_id,tariff_category,sanctioned_load_w,protected',
      'c1,p1,f1,LMV1,4000,yes',
      { sanctionedLoadW: 4000n, protected: true },
      'protected',
    ],
    [
      'connections',
      'connection_id,participant_id,area_id,tariff_category,sanctioned_load_w,protected',
      'c1,p1,f1,LMV1,4 kW,perhaps',
      ['sanctioned_load_w:number_malformed', 'protected:truth_malformed'],
      'units are in the header',
    ],
    ['participants', 'participant_id,kind,name', 'p1,HOUSEHOLD,', { participantId: 'p1' }, 'no particulars given'],
    [
      'resources',
      'resource_id,settlement_point_id,kind,rated_w,max_setpoint_delta_c',
      'r1,s1,AC,1500,2.5',
      { ratedW: 1500n, limits: { maxSetpointDeltaC: 2.5 } },
      'comfort limit',
    ],
  ];
  test.each(rows)('%s %j %j → %o (%s)', (table, header, row, expected) => {
    const found = read(table, header, row);
    if (typeof expected === 'object' && !Array.isArray(expected)) expect(found).toMatchObject(expected as object);
    else expect(found).toEqual(expected);
  });
});
