import { parentPort } from 'node:worker_threads';
import { Refusal } from '../domain/outcome.ts';
import { sha256 } from '../host/ids.ts';
import type { Answer, FileRead, Question } from './crew-service.ts';
import { type Findings, noFindings } from './findings.ts';
import { layDay } from './lay.ts';
import { membersFrom } from './members.ts';
import { type ReadFile, type ReadingsReader, readingsReader } from './reader.ts';
import { dayRoot } from './root-service.ts';
import { noSheet } from './sheet.ts';

/** One of the crew: answers one question after the other, in the order it is asked. */
const files = new Map<number, { readonly reader: ReadingsReader; readonly findings: Findings }>();
/** Files that were refused, of which more pieces may be on their way. */
const refused = new Set<number>();

parentPort!.on('message', (question: Question) => {
  const { answer, transfer } = answered(question);
  parentPort!.postMessage(answer, transfer);
});

function answered(question: Question): { answer: Answer; transfer: ArrayBuffer[] } {
  try {
    const said = work(question);
    return { answer: { said }, transfer: said === null ? [] : buffersOf(said) };
  } catch (error) {
    if (!(error instanceof Refusal)) return { answer: { error: (error as Error).message }, transfer: [] };
    const { kind, code, message, field } = error;
    return { answer: { refused: { kind, code, message, field } }, transfer: [] };
  }
}

type Said = Extract<Answer, { said: unknown }>['said'];

function work(question: Question): Said {
  if (question.verb === 'lay') return layDay({ ...question.day, members: membersFrom(question.members) }, { sha256, dayRoot });
  const { file } = question;
  if (question.verb === 'leave') {
    files.delete(file);
    refused.delete(file);
    return null;
  }
  if (refused.has(file)) return null;
  const open = files.get(file) ?? opened(file);
  try {
    if (question.verb === 'end') return ended(file, open);
    open.reader.push(question.piece);
    return null;
  } catch (error) {
    files.delete(file);
    refused.add(file);
    throw error;
  }
}

function opened(file: number) {
  const findings = noFindings();
  const open = { reader: readingsReader(findings, noSheet()), findings };
  files.set(file, open);
  return open;
}

function ended(file: number, { reader, findings }: { reader: ReadingsReader; findings: Findings }): FileRead {
  const read = reader.end();
  files.delete(file);
  return { file: unlinked(read), found: { first: findings.first, counts: findings.counts } };
}

/** Columns point at what followed them, a chain too long to be written into a message; only a reader needs it. */
function unlinked({ sheet, ...read }: ReadFile): ReadFile {
  if (sheet === null) return { ...read, sheet };
  for (const column of sheet.columns.values()) column.next = null;
  return { ...read, sheet: { ...sheet, last: null } };
}

/** What goes over without a copy; the columns of a sheet are shared anyway. */
function buffersOf(said: NonNullable<Said>): ArrayBuffer[] {
  if (!('file' in said)) return said.bytes ? [said.bytes.buffer as ArrayBuffer] : [];
  const { meter, start, importWh, exportWh, quality, knownAt, line } = said.file.rows;
  return [meter, start, importWh, exportWh, quality, knownAt, line].map(({ buffer }) => buffer as ArrayBuffer);
}
