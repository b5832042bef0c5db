import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { IngestReport, Metering } from '../../gen/lachak/v1/metering_pb.ts';
import { Refusal } from '../domain/outcome.ts';
import { EXIT } from '../host/cli.ts';
import type { Client } from '../host/room.ts';

type Options = Parameters<Client<typeof Metering>['importReadings']>[1];
const PIECE = 1 << 18;
const DRAWN_EVERY_MS = 100;
const BAR = 24;

/** One file after the other; what is wrong with one is said, and the next is tried. */
export async function importFiles(
  metering: Client<typeof Metering>,
  files: readonly string[],
  knownAtMs: bigint,
  options: Options,
): Promise<number> {
  let exit: number = EXIT.done;
  const sums = { stored: 0n, rejected: 0n, refusedFiles: 0 };
  for (const file of files) {
    const bar = barFor(file);
    try {
      const { size } = await stat(file);
      const report = await metering.importReadings(
        pieces(file, knownAtMs, (sent) => bar.draw(sent, size)),
        options,
      );
      bar.clear();
      tell(file, report);
      sums.stored += report.repeatedCommand ? 0n : report.stored;
      sums.rejected += report.rejected;
      if (report.rejected > 0n) exit = EXIT.no;
    } catch (error) {
      bar.clear();
      const { code, message } = error as NodeJS.ErrnoException;
      if (!(error instanceof Refusal) && code === undefined) throw error;
      sums.refusedFiles++;
      exit = EXIT.no;
      process.stdout.write(`${file}: ${message}\n`);
      if (error instanceof Refusal && error.kind === 'unavailable')
        throw new Refusal(
          'unavailable',
          error.code,
          'give the same command again: what is stored stays, and is not stored twice',
        );
    }
  }
  if (files.length > 1)
    process.stdout.write(
      `${files.length} files: ${sums.stored} readings stored, ${sums.rejected} lines and ${sums.refusedFiles} files refused\n`,
    );
  return exit;
}

async function* pieces(file: string, knownAtMs: bigint, sent: (bytes: number) => void) {
  let bytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: PIECE }) as AsyncIterable<Uint8Array>) {
    yield { fileName: basename(file), chunk, knownAtMs };
    bytes += chunk.length;
    sent(bytes);
  }
  // An empty file is a delivery too: it is refused for having no header.
  if (bytes === 0) yield { fileName: basename(file), chunk: new Uint8Array(0), knownAtMs };
}

function tell(file: string, report: IngestReport): void {
  const { rows, stored, unchanged, rejected, suspect, meters, days, findings, counts, repeatedCommand } = report;
  const span = days.length > 1 ? `${days[0]} to ${days.at(-1)}` : (days[0] ?? 'no day');
  const outcome = [`${stored} stored`, `${unchanged} known already`, `${suspect} of doubtful quality`, `${rejected} refused`];
  const before = repeatedCommand ? ' (delivered before: nothing changed)' : '';
  process.stdout.write(`${file}: ${rows} rows of ${meters} meters, ${span}: ${outcome.join(', ')}${before}\n`);
  for (const { line, column, code, message } of findings)
    process.stdout.write(`${file}:${line}${column === '' ? '' : ` ${column}`} ${code}: ${message}\n`);
  const found = Object.entries(counts);
  const all = found.reduce((sum, [, count]) => sum + count, 0n);
  if (all > BigInt(findings.length))
    process.stdout.write(`${file}: in all ${found.map(([code, count]) => `${count} ${code}`).join(', ')}; the first are above\n`);
}

/** On a terminal only, and only there where the command's own words do not go. */
function barFor(file: string): { draw(sent: number, size: number): void; clear(): void } {
  if (!process.stderr.isTTY) return { draw: () => {}, clear: () => {} };
  const started = performance.now();
  let drawn = 0;
  return {
    draw: (sent, size) => {
      const now = performance.now();
      if (now - drawn < DRAWN_EVERY_MS && sent < size) return;
      drawn = now;
      const share = size === 0 ? 1 : Math.min(1, sent / size);
      const left = Math.ceil(((now - started) / 1000 / share) * (1 - share));
      const what = share === 1 ? 'being stored …' : `${Math.floor(share * 100)} %, ${left} s left`;
      const full = Math.round(share * BAR);
      process.stderr.write(`\r\x1b[K${basename(file)} ${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${what}`);
    },
    clear: () => process.stderr.write('\r\x1b[K'),
  };
}
