import { toJson } from '@bufbuild/protobuf';
import { TermsSchema } from '../../gen/lachak/v1/catalogue_pb.ts';
import type { Dispatch } from '../../gen/lachak/v1/dispatch_pb.ts';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { sha256Hex } from '../host/ids.ts';
import type { Client, Database } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import * as links from './links-store.ts';
import { nextRun } from './stages.ts';
import * as store from './store.ts';
import { readPayTerms } from './terms.ts';

/**
 * Keeps what an ended event was committed to: its terms as the text that the digest is over, the calendar as it then stood, how far its
 * look-back reaches, and when its first stage is due.
 */
export async function readCommitment(
  database: Database,
  dispatch: Client<typeof Dispatch>,
  event: store.EventRow,
): Promise<void> {
  const { discom, eventId } = event;
  const commitment = await dispatch.getCommitment({ eventId, shard: event.shards[0] ?? 0, allShards: false }, { discom });
  const json = toJson(TermsSchema, commitment.terms!) as { calendarId?: string; baseline?: Lookback } & Record<string, Json>;
  const text = canonicalJson(json as Json);
  const terms = readPayTerms(json as Json);
  const zone = zoneDays(terms.zone);
  const day = zone.dayOf(event.startMs);
  const back = Math.max(json.baseline?.lookbackDays ?? 0, json.baseline?.nonWorking?.lookbackDays ?? 0);
  const firstDay = zone.plus(day, -back - 1); // an adjustment window may reach the day before
  const known = json.calendarId ? await links.calendarAt(database, discom, json.calendarId, event.committedAtMs) : null;
  const days = known
    ? (JSON.parse(known.days) as { day: string }[]).filter((entry) => entry.day >= firstDay && entry.day <= day)
    : [];
  await store.putRead(database, discom, eventId, {
    noticeAtMs: Number(commitment.noticeAtMs),
    terms: text,
    termsDigest: sha256Hex(text),
    commitment: commitment.canonical,
    calendar: canonicalJson({ calendarId: json.calendarId ?? '', version: known?.version ?? 0, days }),
    firstDay,
    lastDay: day,
    firstMs: zone.startOf(firstDay),
    // Nobody was committed, so there is nothing to settle.
    dueAtMs: event.points === 0 ? null : (nextRun(terms.stages, { endMs: event.endMs, stagesDone: 0 })?.at ?? null),
  });
}

type Lookback = { readonly lookbackDays?: number; readonly nonWorking?: { readonly lookbackDays?: number } };
