import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeWithFixtures, fixture } from '../../test/fixtures.ts';
import { MISSING } from '../domain/tile.ts';
import { noFindings } from './findings.ts';
import { IES_CODES } from './ies-codes.ts';
import { readProfiles, timesThousand } from './ies-reader.ts';

const SCHEMA = ['fixtures', 'ies', 'schemas', 'MeterData', 'v0.6'];
const IMPORT = '1.0.1.29.0.255';

const read = (payload: unknown) => {
  const findings = noFindings();
  const { rows, lines, empty } = readProfiles(payload, findings);
  const list = Array.from({ length: rows.count }, (_, i) => [
    rows.meterIds[rows.meter[i]!],
    new Date(rows.start[i]!).toISOString(),
    ...[rows.importWh[i], rows.exportWh[i]].map((wh) => (wh === MISSING ? null : wh)),
    rows.quality[i],
  ]);
  return { list, lines, empty, findings };
};
type Change = (payload: { descriptor: Loose; interval: Loose }) => void;
// biome-ignore lint/suspicious/noExplicitAny: a payload to be spoiled in every way.
type Loose = any;
/** A payload of ours with one thing changed. */
function payload(change: Change = () => {}): unknown {
  const descriptor: Loose = {
    profileType: 'DESCRIPTOR',
    id: 'D',
    payloadDescriptorSets: [
      {
        name: 'set',
        payloadDescriptors: [
          { readingType: IMPORT, reportedMode: 'USAGE', multiplier: 1 },
          { readingType: 'kWh exp block', unit: 'kWh' },
        ],
        compactSequences: [{ name: 'seq', sequenceItems: [{ readingType: 'kWh imp block' }, { readingType: 'kWh exp block' }] }],
      },
    ],
  };
  const interval: Loose = {
    profileType: 'INTERVAL',
    meterRefs: [{ scheme: 'METER_SERIAL', value: 'm-1' }],
    payloadDescriptorSetRef: 'set',
    compactSequenceRef: 'seq',
    intervalPeriod: { start: '2026-05-04T09:00:00+05:30', duration: 'PT30M' },
    intervals: [
      { id: 0, payloads: [4.62, 0] },
      { id: 2, payloads: [5.21, 0.12], overrides: [{ descriptorIndex: 0, validationStatus: 'ESTIMATED' }] },
    ],
  };
  change({ descriptor, interval });
  return [descriptor, interval];
}

describe('IES MeterData', () => {
  it('gives whole Wh at start + id × duration, gaps as gaps, the doubt of an override', () => {
    expect(read(payload()).list).toEqual([
      ['m-1', '2026-05-04T03:30:00.000Z', 4620, 0, 1],
      ['m-1', '2026-05-04T04:30:00.000Z', 5210, 120, 2],
    ]);
    const elaborated = payload(({ interval }) => {
      interval.intervals = [
        { id: 1, readings: [{ readingType: 'kWh imp block', value: 1.005, validationStatus: 'MANUAL' }] },
        { id: 2, readings: [] },
      ];
    });
    expect(read(elaborated)).toMatchObject({ list: [['m-1', '2026-05-04T04:00:00.000Z', 1005, null, 3]], lines: 2, empty: 1 });
  });

  it('finds fault with a value, not with the payload, where only the value is wrong', () => {
    const { list, findings } = read(
      payload(({ interval }) => {
        interval.intervals = [4.6205, -1, 3e6, 1].map((value, id) => ({ id, payloads: [value, 0] }));
      }),
    );
    expect(findings.first.map(({ line, code }) => [line, code])).toEqual([
      [1, 'not_a_number'],
      [2, 'negative'],
      [3, 'out_of_range'],
    ]);
    expect(list).toHaveLength(1);
  });

  it.each<[string, Change]>([
    ['$[1].meterRefs', ({ interval }) => delete interval.meterRefs],
    ['$[1].meterRefs[0].scheme', ({ interval }) => (interval.meterRefs[0].scheme = 'SERIAL')],
    ['$[1].intervalPeriod', ({ interval }) => delete interval.intervalPeriod],
    ['$[1].intervalPeriod.start', ({ interval }) => (interval.intervalPeriod.start = '2026-05-04T09:00:00')],
    ['$[1].intervalPeriod.duration', ({ interval }) => (interval.intervalPeriod.duration = '30M')],
    ['$[1].intervalPeriod.duration', ({ interval }) => (interval.intervalPeriod.duration = 'P1D')],
    ['$[1].payloadDescriptorSetRef', ({ interval }) => delete interval.payloadDescriptorSetRef],
    ['$[1].payloadDescriptorSetRef', ({ interval }) => (interval.payloadDescriptorSetRef = 'D')],
    ['$[1].compactSequenceRef', ({ interval }) => (interval.compactSequenceRef = 'other')],
    ['$[1].compactSequenceRef', ({ interval }) => delete interval.compactSequenceRef],
    ['$[1].profileType', ({ interval }) => (interval.profileType = 'IntervalProfile')],
    ['$[1].intervals[0].payloads', ({ interval }) => interval.intervals[0].payloads.pop()],
    ['$[1].intervals[0].payloads[1]', ({ interval }) => (interval.intervals[0].payloads[1] = '0')],
    ['$[1].intervals[0].payloads[0]', ({ interval }) => (interval.intervals[0].payloads[0] = Number.POSITIVE_INFINITY)],
    ['$[1].intervals[1].id', ({ interval }) => (interval.intervals[1].id = 0)],
    ['$[1].intervals[1].id', ({ interval }) => (interval.intervals[1].id = 1e300)],
    [
      '$[1].intervals[1].overrides[0].descriptorIndex',
      ({ interval }) => (interval.intervals[1].overrides[0].descriptorIndex = 2),
    ],
    [
      '$[1].intervals[1].overrides[0].validationStatus',
      ({ interval }) => (interval.intervals[1].overrides[0].validationStatus = 'OK'),
    ],
    [
      '$[1].intervals[0].readings[0].reportedMode',
      ({ interval }) => (interval.intervals[0].readings = [{ readingType: IMPORT, value: 1, reportedMode: 'USAGE' }]),
    ],
    [
      '$[1].intervals[0].readings[0].occurredAt',
      ({ interval }) =>
        (interval.intervals[0].readings = [{ readingType: IMPORT, value: 1, occurredAt: '2026-05-04T09:00:00Z' }]),
    ],
    [
      '$[1].intervals[0].readings[0].value',
      ({ interval }) =>
        (interval.intervals[0].readings = [{ readingType: IMPORT, value: 1, openingValue: 10, closingValue: 12 }]),
    ],
    [
      '$[1].intervals[0].readings[0].readingType',
      ({ interval }) => (interval.intervals[0].readings = [{ readingType: 'kWh', value: 1 }]),
    ],
    ['$[0].payloadDescriptorSets', ({ descriptor }) => delete descriptor.payloadDescriptorSets],
    [
      '$[0].payloadDescriptorSets[0].payloadDescriptors[1].unit',
      ({ descriptor }) => (descriptor.payloadDescriptorSets[0].payloadDescriptors[1].unit = 'Wh'),
    ],
    [
      '$[0].payloadDescriptorSets[0].payloadDescriptors[0].multiplier',
      ({ descriptor }) => (descriptor.payloadDescriptorSets[0].payloadDescriptors[0].multiplier = 0),
    ],
    [
      '$[0].payloadDescriptorSets[0].payloadDescriptors[0].reportedMode',
      ({ descriptor }) => (descriptor.payloadDescriptorSets[0].payloadDescriptors[0].reportedMode = 'READING'),
    ],
  ])('is refused with %s named', (field, change) => {
    expect(() => read(payload(change))).toThrow(expect.objectContaining({ code: 'meter_data_malformed', field }));
  });

  it('multiplies decimals as they were written', () => {
    expect([timesThousand(1.005, 1), timesThousand(4.35, 1), timesThousand(1e-3, 0.5), timesThousand(2, 0.001)]).toEqual([
      ...[1005, 4350, null, 2],
    ]);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 31 - 1 }),
        (wh) => timesThousand(wh / 1000, 1) === wh && timesThousand(wh, 0.001) === wh,
      ),
    );
  });
});

describeWithFixtures('IES MeterData v0.6 as published', [SCHEMA.join('/')], () => {
  const folder = fixture(...SCHEMA)!;
  const json = (...path: string[]): unknown => JSON.parse(readFileSync([folder, ...path].join('/'), 'utf8'));

  it.each(readdirSync(`${folder}/examples`))('accepts %s', (name) => {
    const { list, findings } = read(json('examples', name));
    expect(findings.first).toEqual([]);
    expect(list.length > 0).toBe(/Interval|Feeder|MultiMeter/.test(name));
  });

  it('reads the two meters of the bulk payload the same from rows and from readings', () => {
    const compact = read(json('examples', 'MultiMeterBulkDataset.json')).list;
    expect(compact[0]).toEqual([
      'did:web:discom.example:assets:meter:METER-GENUS-01',
      '2026-05-18T04:30:00.000Z',
      14500,
      null,
      1,
    ]);
    expect(read(json('examples', 'MultiMeterBulkDataset_Elaborated.json')).list).toEqual(compact);
  });

  it.each([
    ['valid_interval_profile.json', null],
    ['invalid_missing_descriptor.json', '$[0]'],
    ['invalid_profile_type_mismatch.json', '$[1].compactSequenceRef'],
    ['invalid_cumulative_decrease.json', '$[1].intervals[1].payloads[0]'],
  ])('%s: %s', (name, field) => {
    const reading = () => read(json('validation', 'test_cases', name));
    if (field === null) expect(reading().list).toHaveLength(2);
    else expect(reading).toThrow(expect.objectContaining({ field }));
  });

  it('has the registry of codes we know', () => {
    const { codes } = json('IES codes.json') as { codes: Record<string, unknown>[] };
    expect(new Set(IES_CODES.values()).size).toBe(codes.length);
    for (const code of codes) {
      const { modes, cumulative, attributes, flowDirection, ...ours } = IES_CODES.get(code.obis as string)!;
      expect(code).toMatchObject({ ...ours, supportedModes: modes, allowedAttributes: expect.arrayContaining([...attributes]) });
      expect([cumulative, flowDirection, attributes.length]).toEqual([
        ...[code.accumulationBehaviour === 'CUMULATIVE', code.flowDirection ?? '', (code.allowedAttributes as unknown[]).length],
      ]);
    }
  });
});
