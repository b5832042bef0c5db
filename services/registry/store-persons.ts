import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Instant } from '../domain/interval.ts';
import type { Queryable, Tx } from '../host/room.ts';
import type { Particulars } from './intake.ts';

/** Particulars of persons: sealed under a key of the person's own, which is wrapped by the folder's master key. */
export type Persons = {
  particularsOf(db: Queryable, discom: string, participantIds: readonly string[]): Promise<Map<string, Particulars>>;
  /** A key for everyone, and the particulars of those who gave them. */
  keep(tx: Tx, discom: string, persons: ReadonlyMap<string, Uint8Array | null>): Promise<void>;
  /** Destroys key and particulars. False: there is no such participant; null: already erased. */
  erase(tx: Tx, discom: string, participantId: string, at: Instant): Promise<boolean | null>;
  /** HMAC-SHA256 of the person's key; those erased or unknown are absent. */
  leafSalts(db: Queryable, discom: string, participantIds: readonly string[]): Promise<Record<string, Uint8Array>>;
};

const SALT = 'lachak leaf salt v1';

export function openPersons(folder: string): Persons {
  const master = masterKey(join(folder, 'master.key'));
  const keyOf = ({ discom, id, wrapped }: { discom: string; id: string; wrapped: Uint8Array }) =>
    open(master, wrapped, `key/${discom}/${id}`);
  const read = (db: Queryable, discom: string, ids: readonly string[]) =>
    db.query<{ id: string; wrapped: Uint8Array | null; sealed: Uint8Array | null }>(
      'select participant_id as id, wrapped_key as wrapped, particulars as sealed from person where discom = $1 and participant_id = any($2)',
      [discom, ids],
    );
  return {
    particularsOf: async (db, discom, ids) => {
      const rows = ids.length === 0 ? [] : await read(db, discom, ids);
      return new Map(
        rows.map(({ id, wrapped, sealed }): [string, Particulars] => {
          if (!wrapped) return [id, 'erased'];
          return [id, sealed ? open(keyOf({ discom, id, wrapped }), sealed, `person/${discom}/${id}`) : 'none'];
        }),
      );
    },
    keep: async (tx, discom, persons) => {
      const known = new Map((await read(tx, discom, [...persons.keys()])).map((row) => [row.id, row]));
      const rows = [...persons].map(([id, particulars]) => {
        const before = known.get(id);
        const key = before?.wrapped ? keyOf({ discom, id, wrapped: before.wrapped }) : randomBytes(32);
        const wrapped = before?.wrapped ?? seal(master, key, `key/${discom}/${id}`);
        return { id, wrapped, sealed: particulars ? seal(key, particulars, `person/${discom}/${id}`) : (before?.sealed ?? null) };
      });
      // Erased stays erased, whoever asks.
      await tx.query(
        `insert into person (discom, participant_id, wrapped_key, particulars)
         select $1, * from unnest($2::text[], $3::bytea[], $4::bytea[])
         on conflict (discom, participant_id) do update set particulars = excluded.particulars where person.erased_at_ms is null`,
        [discom, rows.map(({ id }) => id), rows.map(({ wrapped }) => wrapped), rows.map(({ sealed }) => sealed)],
      );
    },
    erase: async (tx, discom, participantId, at) => {
      const [row] = await tx.query<{ erased: bigint | null }>(
        'select erased_at_ms as erased from person where discom = $1 and participant_id = $2 for update',
        [discom, participantId],
      );
      if (!row) return false;
      if (row.erased !== null) return null;
      await tx.query(
        'update person set wrapped_key = null, particulars = null, erased_at_ms = $3 where discom = $1 and participant_id = $2',
        [discom, participantId, at],
      );
      return true;
    },
    leafSalts: async (db, discom, ids) => {
      const rows = await read(db, discom, ids);
      return Object.fromEntries(
        rows.flatMap(({ id, wrapped }) =>
          wrapped ? [[id, createHmac('sha256', keyOf({ discom, id, wrapped })).update(SALT).digest()]] : [],
        ),
      );
    },
  };
}

/** Who looked at whose particulars, when, and what for. */
export async function auditLook(
  tx: Tx,
  look: { discom: string; participantId: string; at: Instant; subject: string; organisation: string; purpose: string },
): Promise<void> {
  await tx.query(
    'insert into person_audit (discom, participant_id, at_ms, subject, organisation, purpose) values ($1, $2, $3, $4, $5, $6)',
    [look.discom, look.participantId, look.at, look.subject, look.organisation, look.purpose],
  );
}

/** Made on the first start. Written aside and linked, so that a kill leaves a whole key or none. */
function masterKey(path: string): Buffer {
  if (!existsSync(path)) {
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, randomBytes(32), { mode: 0o600, flush: true });
    try {
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
  }
  const key = readFileSync(path);
  if (key.length !== 32) throw new Error(`${path} must hold 32 bytes; without it no particulars can be read`);
  return key;
}

// AES-256-GCM: 12 bytes of nonce, 16 of tag, then the text. `about` binds it to its place: a row copied elsewhere does not open.
function seal(key: Uint8Array, text: Uint8Array, about: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(about));
  const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

function open(key: Uint8Array, sealed: Uint8Array, about: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12))
    .setAAD(Buffer.from(about))
    .setAuthTag(sealed.subarray(12, 28));
  return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
}
