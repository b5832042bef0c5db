import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MISSING } from '../domain/tile.ts';
import { noFindings } from './findings.ts';
import { readingsReader } from './reader.ts';
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
