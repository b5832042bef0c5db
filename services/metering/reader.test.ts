import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MISSING } from '../domain/tile.ts';
import { noFindings } from './findings.ts';
import { readingsReader } from './reader.ts';
import { noSheet, REPEATS_MOST, rowsFrom, type Sheet } from './sheet.ts';
import { plainBytes } from './unpack-service.ts';

const HEADER = 'meter_id,interval_start,import_wh,export_wh,quality,known_at';
const read = (text: string, cut = text.length) => {
  const findings = noFindings();
  const reader = readingsReader(findings);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += cut) reader.push(bytes.subarray(at, at + cut));
  const { rows, lines, empty } = reader.end();
  const list = Array.from({ length: rows.count }, (_, i) => [
    rows.meterIds[rows.meter[i]!],
    new Date(rows.start[i]!).toISOString(),
    ...[rows.importWh[i], rows.exportWh[i]].map((wh) => (wh === MISSING ? null : wh)),
    rows.quality[i],
  ]);
  return { list, lines, empty, findings, rows };
};

describe('a CSV of readings', () => {
  it('reads the same whatever chunks it comes in', () => {
    const text = `\uFEFF${HEADER}\r\nm-1,2013-01-01T00:00:00+05:30,241,,,\r\nm-ü,2013-01-01 00:30Z,1.0,7,suspect,2013-02-01T00:00:00.250Z\n\n"m-1",2013-01-01T01:00:00-0130,0,,2,`;
    const whole = read(text);
    expect(whole.list).toEqual([
      ['m-1', '2012-12-31T18:30:00.000Z', 241, null, 1],
      ['m-ü', '2013-01-01T00:30:00.000Z', 1, 7, 4],
      ['"m-1"', '2013-01-01T02:30:00.000Z', 0, null, 2],
    ]);
    expect(whole.rows.knownAt[1]).toBe(Date.parse('2013-02-01T00:00:00.250Z'));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), (cut) => {
        expect(read(text, cut).list).toEqual(whole.list);
      }),
    );
  });

  const lines: [line: string, code: string, why: string][] = [
    ['m-1,2013-01-01T00:00:00Z,NaN,,,', 'not_a_number', 'NaN'],
    ['m-1,2013-01-01T00:00:00Z,1e3,,,', 'not_a_number', 'no exponents'],
    ['m-1,2013-01-01T00:00:00Z,241.5,,,', 'not_a_number', 'a fraction is not rounded behind anyone’s back'],
    ['m-1,2013-01-01T00:00:00Z,-5,,,', 'negative', 'a register never turns backwards'],
    ['m-1,2013-01-01T00:00:00Z,5,-1,,', 'negative', 'export is its own register'],
    ['m-1,2013-01-01T00:00:00Z,2147483648,,,', 'out_of_range', 'beyond what a column holds'],
    ['m-1,2013-02-30T00:00:00Z,5,,,', 'not_an_instant', 'there is no such day'],
    ['m-1,yesterday,5,,,', 'not_an_instant', 'no stamp'],
    ['m-1,2013-01-01T00:00:00+5:30,5,,,', 'not_an_instant', 'offset malformed'],
    ['m-1,2013-01-01T00:00:00Z,5,,GOOD,', 'quality_unknown', 'not a quality'],
    ['m-1,2013-01-01T00:00:00Z,5', 'wrong_fields', 'fields are missing'],
    [',2013-01-01T00:00:00Z,5,,,', 'unknown_meter', 'no id'],
  ];
  it.each(lines)('refuses the line %s: %s (%s)', (line, code) => {
    const { list, findings } = read(`${HEADER}\n${line}\nm-1,2013-01-01T00:00:00Z,5,,,\n`);
    expect(list).toHaveLength(1);
    expect(findings.first).toMatchObject([{ line: 2, code }]);
  });

  const files: [why: string, text: string, code: string][] = [
    ['nothing at all', '', 'wrong_header'],
    ['other names', 'meter,time,wh\n', 'wrong_header'],
    ['no register', 'meter_id,interval_start\n', 'wrong_header'],
    ['mixed time zones', `${HEADER}\nm,2013-01-01T00:00:00Z,1,,,\nm,2013-01-01T00:30:00,1,,,\n`, 'offset_missing'],
    ['no CSV of readings', `${HEADER}\n${'x'.repeat(70_000)}\n`, 'line_too_long'],
  ];
  it.each(files)('refuses the whole file: %s', (_, text, code) => {
    expect(() => read(text, 1000)).toThrow(expect.objectContaining({ code }));
  });

  it('gives up on a line of a gigabyte after 64 KiB', () => {
    const reader = readingsReader(noFindings());
    reader.push(Buffer.from(`${HEADER}\n`));
    const part = Buffer.alloc(1 << 14, 'x');
    let pushed = 0;
    expect(() => {
      for (; pushed < 1 << 30; pushed += part.length) reader.push(part);
    }).toThrow(/line 2 has more than 65536 bytes/);
    expect(pushed).toBeLessThanOrEqual(1 << 16);
  });

  it('keeps a gap a gap, a zero a zero, and a withdrawal without a value', () => {
    const { list, empty } = read(
      `${HEADER}\nm,2013-01-01T00:00:00Z,,,,\nm,2013-01-01T00:30:00Z,0,,,\nm,2013-01-01T01:00:00Z,9,,REJECTED,\n`,
    );
    expect(list.map((row) => row.slice(2))).toEqual([
      [0, null, 1],
      [null, null, 5],
    ]);
    expect(empty).toBe(1);
  });

  it('keeps a hundred findings and counts them all', () => {
    const { findings } = read(`${HEADER}\n${'m,2013-01-01T00:00:00Z,x,,,\n'.repeat(250)}`);
    expect([findings.first.length, findings.counts.get('not_a_number')]).toEqual([100, 250]);
  });
});

describe('lines as nearly all are', () => {
  const NAMES = ['meter_id', 'interval_start', 'import_wh', 'export_wh'];
  const ids = ['m', 'm-1', 'm-10', 'meter-ü-1'];
  const stampAt = (hour: number): string => `2026-05-01T0${hour}:00:00+05:30`;
  const line = (id: string, hour: number, wh: number | string): string => `${id},${stampAt(hour)},${wh}`;
  /** Interval by interval or meter by meter. */
  const plain = (byMeter: boolean): string[] => {
    const cells = ids.flatMap((id, m) => [0, 1, 2].map((hour) => ({ id, hour, wh: 10 ** ((m * 3 + hour) % 9) })));
    if (!byMeter) cells.sort((a, b) => a.hour - b.hour);
    return cells.map(({ id, hour, wh }) => line(id, hour, wh));
  };
  /** All that a file told, in whatever pieces it came and whatever it was put into. */
  const told = (bytes: Uint8Array, pieces: readonly number[], into: Sheet | null) => {
    const findings = noFindings();
    const reader = readingsReader(findings, into);
    let from = 0;
    try {
      for (const to of [...pieces, bytes.length]) {
        reader.push(bytes.subarray(from, to));
        from = to;
      }
      const { rows: alone, sheet, lines, empty } = reader.end();
      const rows = sheet === null ? alone : rowsFrom(sheet, alone.meterIds);
      const { count, meterIds } = rows;
      expect((sheet ?? rows).count).toBe(count);
      const columns = [rows.meter, rows.start, rows.importWh, rows.exportWh, rows.quality, rows.line];
      return {
        count,
        meterIds: meterIds.join(' '),
        columns: columns.map((of) => of.subarray(0, count).join(' ')),
        lines,
        empty,
        first: findings.first,
      };
    } catch (error) {
      return { refused: (error as Error).message };
    }
  };
  // A line that was held back is read field by field.
  const fieldByField = (bytes: Uint8Array, into: Sheet | null = noSheet()) =>
    told(
      bytes,
      Array.from({ length: Math.floor(bytes.length / 6) }, (_, i) => (i + 1) * 6),
      into,
    );

  const strange: [line: string, why: string][] = [
    [line('m-1', 3, 5), 'usual, but of the next interval'],
    [line('m-1', 1, 7), 'a cell that is taken'],
    [line('m-2', 1, 7), 'a meter that begins like another and is as long'],
    [line('m-100', 1, 7), 'a meter that goes on where another ends'],
    [line('meter-ü-', 1, 7), 'a meter that ends where another goes on'],
    [line('Meter-ü-1', 1, 7), 'a meter that is another in its first byte'],
    [line('', 1, 7), 'no meter'],
    [line('m-1', 1, ''), 'no value'],
    [line('m-1', 1, '5.0'), 'a fraction of nothing'],
    [line('m-1', 1, '5x'), 'no number'],
    [line('m-1', 1, '-0'), 'a sign'],
    [line('m-3', 0, 123_456_789), 'nine digits'],
    [line('m-3', 0, 2_147_483_647), 'ten digits'],
    [line('m-3', 0, 2_147_483_648), 'more than a column holds'],
    [line('m-3', 0, '0000000000007'), 'more digits than any number has'],
    ['m-1,2026-05-01T01:00:00+05:31,7', 'a stamp that is another in its last byte'],
    ['m-1,2026-05-01T01:00:00+05:300,7', 'a stamp that goes on where another ends'],
    ['m-1,2026-05-01T01:00:00+05:30x7', 'no comma behind it'],
    ['m-1,2026-05-01T01:00:00+05:3,7', 'a stamp that ends too early'],
    ['m-1,2026-05-01T01:00:00+0530,7', 'an instant in other words'],
    ['m-1,2026-04-30T19:30Z,7', 'an instant in a few words'],
    ['m-1,2026-05-01T01:00:00,7', 'a stamp without offset'],
    ['m-1,2026-05-01T01:00:00+05:30', 'a line that ends early'],
    ['m-1,', 'a line that ends still earlier'],
    ['', 'nothing'],
  ];
  const ends: [end: string, width: number, why: string][] = [
    ['\n', 3, 'three fields'],
    [',\n', 4, 'four, and nothing exported'],
    [',\r\n', 4, 'ended by CR LF'],
    [',9\n', 4, 'each with an export'],
    [',,\n', 4, 'each with a field too many'],
    ['x\n', 4, 'each with a field too few'],
  ];
  it.each(ends)('are read as any others, ended by %j of %i fields: %s', (end, width) => {
    for (const byMeter of [false, true])
      for (const [one] of strange)
        for (const at of [1, 4, 6, 11, 12]) {
          const lines = plain(byMeter);
          lines.splice(at, 0, one);
          const bytes = Buffer.from(`${NAMES.slice(0, width).join(',')}\n${lines.map((each) => each + end).join('')}`);
          const wanted = fieldByField(bytes);
          expect(told(bytes, [], noSheet()), one).toEqual(wanted);
          if (at === 6) expect(told(bytes, [], null), one).toEqual(wanted);
        }
  });

  it('name the meters they name, in whatever order', () => {
    const id = fc.constantFrom('m', 'm-1', 'm-10', 'm-100', 'm-101', 'M-101', 'm-ü');
    fc.assert(
      fc.property(fc.array(id, { minLength: 1, maxLength: 30 }), fc.boolean(), (of, reversed) => {
        const columns = (names: readonly string[]): string => (reversed ? names.toReversed() : names).join(',');
        const lines = of.map((each, hour) => `${columns([each, new Date(hour * 3_600_000).toISOString(), '7'])}\n`);
        expect(read(`${columns(NAMES.slice(0, 3))}\n${lines.join('')}`).list.map(([name]) => name)).toEqual(of);
      }),
    );
  });

  it('are read as any others wherever they are cut, the last one without its end', () => {
    for (const end of ['\n', ',\r\n'])
      for (const byMeter of [false, true]) {
        const lines = plain(byMeter).map((each) => each + end);
        const text = NAMES.slice(0, end.length + 2).join(',') + end.slice(-1) + lines.join('');
        const bytes = Buffer.from(end === '\n' ? text.slice(0, -1) : text);
        const wanted = fieldByField(bytes);
        expect(wanted.count).toBe(12);
        for (let cut = 0; cut <= bytes.length; cut++) expect(told(bytes, [cut], noSheet()), `cut at ${cut}`).toEqual(wanted);
      }
  });

  it('go into columns that grow, among the repeats, and into rows when there are too many of those', () => {
    const many = Array.from({ length: 300 }, (_, m) => `m-${m}`);
    // Of the first interval a few, and of the others the first meters last: when their columns have been made wider.
    const lines = [0, 1, 2].flatMap((hour) =>
      [...many.slice(hour, hour === 0 ? 64 : 300), ...many.slice(0, hour)].map((id, m) => `${line(id, hour, m)}\n`),
    );
    // A column that is made wider while it is written to.
    lines.splice(
      64,
      0,
      ...[3, 4].map((hour) => `${line('m-1', hour, 1)}\n`),
      ...[2, 64, 3].map((m) => `${line(`m-${m}`, 3, m)}\n`),
    );
    const repeats = Array.from({ length: REPEATS_MOST + 1 }, (_, i) => `${line(`m-${i % 64}`, i % 3, i)}\n`);
    const of = (count: number) =>
      Buffer.from(`${NAMES.slice(0, 3).join(',')}\n${lines.join('')}${repeats.slice(0, count).join('')}`);
    for (const [count, left] of [
      [0, true],
      [REPEATS_MOST, true],
      [REPEATS_MOST + 1, false],
    ] as const) {
      const into = noSheet();
      const reader = readingsReader(noFindings(), into);
      reader.push(of(count));
      expect([count, reader.end().sheet === into]).toEqual([count, left]);
      expect(told(of(count), [], noSheet())).toEqual(fieldByField(of(count), null));
    }
  });

  it('of more spellings of a stamp than are remembered are read as well', () => {
    const of = (meter: string, i: number): string => `${meter},2026-05-01T00:00:0${i % 3}.000${i}Z,${i}\n`;
    const lines = Array.from({ length: 70_000 }, (_, i) => of(`m-${i}`, i));
    const bytes = Buffer.from(`${NAMES.slice(0, 3).join(',')}\n${lines.join('')}${lines.slice(-3).join('')}`);
    expect(told(bytes, [], noSheet())).toEqual(fieldByField(bytes));
  });
});

describe('the bytes of an upload', () => {
  const gz = gzipSync(`${HEADER}\n${'m,2013-01-01T00:00:00Z,1,,,\n'.repeat(5000)}`);
  const all = async (bytes: Uint8Array, cut: number): Promise<number> => {
    async function* parts() {
      for (let at = 0; at < bytes.length; at += cut) yield bytes.subarray(at, at + cut);
    }
    let size = 0;
    for await (const chunk of plainBytes(parts())) size += chunk.length;
    return size;
  };
  it('are unpacked when they are gzip, however they are cut', async () => {
    expect(await all(gz, 1)).toBe(await all(gz, 1000));
    expect(await all(Buffer.from('a,b\n'), 1)).toBe(4);
  });
  it('are refused when the gzip ends too early', async () => {
    await expect(all(gz.subarray(0, gz.length - 9), 100)).rejects.toMatchObject({ code: 'gzip_damaged' });
    await expect(all(Buffer.concat([gz.subarray(0, 40), Buffer.alloc(40, 7)]), 100)).rejects.toMatchObject({
      code: 'gzip_damaged',
    });
  });
});
