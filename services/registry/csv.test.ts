import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csvRows } from './csv.ts';

const read = (text: string, longest?: number) =>
  [...csvRows([text], longest)].map((row) => [row.line, 'cells' in row ? row.cells : row.fault]);

describe('CSV is read as RFC 4180 writes it', () => {
  const rows: [text: string, expected: unknown, reason: string][] = [
    [
      'a,b\n1,2\n',
      [
        [1, ['a', 'b']],
        [2, ['1', '2']],
      ],
      'plain',
    ],
    [
      'a,b\r\n1,2\r\n',
      [
        [1, ['a', 'b']],
        [2, ['1', '2']],
      ],
      'lines end in CRLF',
    ],
    [
      'a,b\n1,2',
      [
        [1, ['a', 'b']],
        [2, ['1', '2']],
      ],
      'the last line has no end',
    ],
    [
      'a,\n,\n',
      [
        [1, ['a', '']],
        [2, ['', '']],
      ],
      'empty cells are empty, not gone',
    ],
    [
      'a\n\n\r\nb\n',
      [
        [1, ['a']],
        [4, ['b']],
      ],
      'empty lines are skipped and counted',
    ],
    ['"a,b",c\n', [[1, ['a,b', 'c']]], 'a comma inside quotes'],
    ['"say ""hi""",c\n', [[1, ['say "hi"', 'c']]], 'doubled quotes'],
    [
      '"two\nlines",c\nd,e\n',
      [
        [1, ['two\nlines', 'c']],
        [3, ['d', 'e']],
      ],
      'a line end inside quotes counts as a line',
    ],
    [
      '"a"\r\n"b"\r\n',
      [
        [1, ['a']],
        [2, ['b']],
      ],
      'quotes before CRLF',
    ],
    ['"a"', [[1, ['a']]], 'a quoted cell ends the file'],
    [
      'a"b,c\nd,e\n',
      [
        [1, 'quote_stray'],
        [2, ['d', 'e']],
      ],
      'a quote inside a plain cell costs its line only',
    ],
    [
      '"a"b,c\nd,e\n',
      [
        [1, 'quote_stray'],
        [2, ['d', 'e']],
      ],
      'text behind a closing quote',
    ],
    [
      '"a,b\nc,d\n',
      [
        [1, 'quote_open'],
        [2, ['c', 'd']],
      ],
      'a quote never closed costs its line only',
    ],
    ['', [], 'nothing'],
  ];
  test.each(rows)('%j → %j (%s)', (text, expected) => expect(read(text)).toEqual(expected));

  test('A line without end is told after 64 KiB, and what comes behind it is read', () => {
    expect(read(`a\n${'x'.repeat(70_000)}\nb\n`)).toEqual([
      [1, ['a']],
      [2, 'line_too_long'],
      [3, ['b']],
    ]);
    const endless = function* () {
      for (let i = 0; i < 10_000; i++) yield 'x'.repeat(100_000); // 1 GB, of which never more than a chunk is held
    };
    expect([...csvRows(endless())]).toEqual([{ line: 1, fault: 'line_too_long' }]);
  });

  test('Where the chunks are cut changes nothing', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', 'é') });
    fc.assert(
      fc.property(
        fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 5 }),
        fc.array(fc.nat(9)),
        (table, cuts) => {
          const text = table.map((row) => `${row.map((value) => `"${value.replaceAll('"', '""')}"`).join(',')}\r\n`).join('');
          const chunks: string[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(text.slice(at, at + cut));
            at += cut;
          }
          chunks.push(text.slice(at));
          expect([...csvRows(chunks)].map((row) => ('cells' in row ? row.cells : row.fault))).toEqual(table);
        },
      ),
    );
  });
});
