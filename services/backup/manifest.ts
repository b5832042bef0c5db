import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Refusal } from '../domain/outcome.ts';
import { measuring } from './measuring.ts';

/** `backup.json`: what a backup holds, and by what it is known to be whole. Written last. */
export type Manifest = {
  readonly format: 1;
  /** The program that made it, and the PostgreSQL it came from. */
  readonly version: string;
  readonly postgres: string;
  /** Wall time, for people. */
  readonly madeAt: string;
  /** All rooms as of one instant; else each as of its own, followers before those they follow. */
  readonly oneInstant: boolean;
  readonly schemas: Readonly<Record<string, SchemaPart>>;
  /** Below the state folder. */
  readonly files: readonly FilePart[];
};
export type SchemaPart = {
  readonly migrations: readonly { readonly name: string; readonly checksum: string }[];
  readonly tables: readonly TablePart[];
  /** The numbers that identity columns had reached. */
  readonly identities: readonly { readonly table: string; readonly column: string; readonly last: string }[];
  /** The room's outbox: its newest position and the stretches it was numbered in; null for what is no room. */
  readonly outbox: OutboxPart | null;
};
export type OutboxPart = { readonly head: string; readonly stretches: readonly [string, string][] };
/** `schemas/<schema>/<table>.copy.gz`: PostgreSQL's COPY in text form. The digest is of what was packed. */
export type TablePart = {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: number;
  readonly sha256: string;
};
export type FilePart = { readonly path: string; readonly bytes: number; readonly sha256: string };

export const MANIFEST = 'backup.json';
export const tableFile = (schema: string, table: string): string => join('schemas', schema, `${table}.copy.gz`);
export const stateFile = (path: string): string => join('files', path);

/** Throws Refusal `backup_missing`, `backup_unknown`. */
export function readManifest(backup: string): Manifest {
  const file = join(backup, MANIFEST);
  if (!existsSync(file))
    throw new Refusal('invalid', 'backup_missing', `${backup} holds no whole backup: there is no ${MANIFEST} in it`);
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  if (manifest.format !== 1)
    throw new Refusal(
      'invalid',
      'backup_unknown',
      `${file} is of format ${manifest.format}, made by Lachak ${manifest.version}: restore it with that version or a later one`,
    );
  return manifest;
}

/** Reads all of what is named against its digest. Throws Refusal `backup_damaged`, naming the first that is not as it was. */
export async function expectWhole(backup: string, { schemas, files }: Pick<Manifest, 'schemas' | 'files'>): Promise<void> {
  const expected = [
    ...Object.entries(schemas).flatMap(([schema, { tables }]) =>
      tables.map(({ table, sha256 }) => ({ path: tableFile(schema, table), sha256, packed: true })),
    ),
    ...files.map(({ path, sha256 }) => ({ path: stateFile(path), sha256, packed: false })),
  ];
  for (const { path, sha256, packed } of expected) {
    const hash = createHash('sha256');
    const measure = measuring(hash);
    const through: Transform[] = packed ? [createGunzip(), measure] : [measure];
    measure.resume();
    try {
      await pipeline([createReadStream(join(backup, path)), ...through]);
    } catch (error) {
      throw damaged(path, (error as Error).message);
    }
    if (hash.digest('hex') !== sha256) throw damaged(path, 'it was changed');
  }
}

const damaged = (path: string, why: string) =>
  new Refusal('invalid', 'backup_damaged', `the backup is damaged at ${path}: ${why}; nothing was restored, take another one`);
