import { create, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import {
  type Calendar,
  CalendarDaySchema,
  CalendarSchema,
  Catalogue,
  type Programme,
  ProgrammeSchema,
  type PublishProgrammeRequest,
  PublishProgrammeRequestSchema,
  type PutCalendarRequest,
  PutCalendarRequestSchema,
  type Terms,
  TermsSchema,
} from '../../gen/lachak/v1/catalogue_pb.ts';
import type { Page } from '../../gen/lachak/v1/types_pb.ts';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { conflict, invalid, notFound, Refusal } from '../domain/outcome.ts';
import { once } from '../host/command.ts';
import { sha256Hex } from '../host/ids.ts';
import { bind, type Caller, type Deps, type Room, type RoomMaker, type Tx } from '../host/room.ts';
import { zoneDays } from '../host/zone.ts';
import { calendarFault, inOrder } from './calendars.ts';
import { findPreset, presets } from './presets.ts';
import {
  addCalendar,
  addProgramme,
  type CalendarRow,
  calendarOf,
  lockVersions,
  newestProgrammes,
  type ProgrammeRow,
  programmeOf,
} from './store.ts';
import { filled, termsFault } from './terms.ts';

/** Programmes with immutable versions of their terms, presets, calendars. */
export const room: RoomMaker = { name: 'catalogue', migrations: new URL('./migrations/', import.meta.url), make: catalogue };

function catalogue({ clock, database, facts }: Deps): Room {
  const publish = async (tx: Tx, request: PublishProgrammeRequest, { discom }: Caller): Promise<Version> => {
    const terms = await termsOf(tx, request, discom);
    const text = canonicalJson(toJson(TermsSchema, terms) as Json);
    const digest = sha256Hex(text);
    await lockVersions(tx, discom, 'programme', request.programmeId);
    const newest = await programmeOf(tx, discom, request.programmeId, 0);
    const { programmeId, name, preset, validFromMs: asked } = request;
    const same = newest?.digest === digest && newest.name === name && newest.preset === preset;
    if (same && (asked === 0n || asked === newest.validFromMs)) return { id: programmeId, version: newest.version };
    const now = BigInt(clock.now());
    const validFromMs = asked === 0n ? now : asked;
    // Nothing is decided after the fact: terms never begin to hold in the past, nor before the version they follow.
    if (validFromMs < now) throw invalid('valid_from_past', 'valid_from_ms lies in the past; 0 means now', 'valid_from_ms');
    if (newest && validFromMs < newest.validFromMs) {
      throw conflict(
        'valid_from_before_version',
        `version ${newest.version} holds from ${newest.validFromMs}; the next cannot hold earlier`,
        'valid_from_ms',
      );
    }
    const row = {
      programmeId,
      version: (newest?.version ?? 0) + 1,
      name,
      preset,
      terms: text,
      digest,
      publishedAtMs: now,
      validFromMs,
    };
    await addProgramme(tx, discom, row);
    await facts.publish(tx, { discom, key: programmeId, body: { case: 'programmePublished', value: toProgramme(row) } });
    return { id: programmeId, version: row.version };
  };

  const put = async (tx: Tx, request: PutCalendarRequest, { discom }: Caller): Promise<Version> => {
    const { calendarId } = request;
    const days = inOrder(request.days).map((day) => toJson(CalendarDaySchema, day));
    await lockVersions(tx, discom, 'calendar', calendarId);
    const newest = await calendarOf(tx, discom, calendarId, 0);
    if (newest && canonicalJson(newest.days as Json) === canonicalJson(days as Json))
      return { id: calendarId, version: newest.version };
    const row = { calendarId, version: (newest?.version ?? 0) + 1, days };
    await addCalendar(tx, discom, row);
    await facts.publish(tx, { discom, key: calendarId, body: { case: 'calendarPublished', value: toCalendar(row) } });
    return { id: calendarId, version: row.version };
  };

  const programme = async ({ discom }: Caller, id: string, version: number): Promise<Programme> => {
    const row = await programmeOf(database, discom, id, version);
    if (!row)
      throw notFound(
        'programme_not_found',
        `there is no programme ${id}${version === 0 ? '' : ` in version ${version}`}`,
        'programme_id',
      );
    return toProgramme(row);
  };
  const calendar = async ({ discom }: Caller, id: string, version: number): Promise<Calendar> => {
    const row = await calendarOf(database, discom, id, version);
    if (!row)
      throw notFound(
        'calendar_not_found',
        `there is no calendar ${id}${version === 0 ? '' : ` in version ${version}`}`,
        'calendar_id',
      );
    return toCalendar(row);
  };

  const catalogueBinding = bind(Catalogue, {
    publishProgramme: async (request, caller) => {
      checkId(request.programmeId, 'programme_id');
      if (request.name === '' || request.name.length > 200)
        throw invalid('name_malformed', 'name must have 1 to 200 characters', 'name');
      const { outcome } = await database.tx((tx) =>
        once(
          tx,
          {
            ...scopeOf(caller, request.commandId),
            verb: 'PublishProgramme',
            content: toBinary(PublishProgrammeRequestSchema, request),
          },
          () => publish(tx, request, caller),
        ),
      );
      return programme(caller, outcome.id, outcome.version);
    },
    getProgramme: (request, caller) => programme(caller, request.programmeId, request.version),
    listProgrammes: async ({ page }, caller) => {
      const size = pageSize(page);
      const rows = await newestProgrammes(database, caller.discom, page?.token ?? '', size + 1);
      const programmes = rows.slice(0, size).map(toProgramme);
      return { programmes, nextPageToken: rows.length > size ? programmes.at(-1)!.programmeId : '' };
    },
    listPresets: async () => ({ presets: presets.map((preset) => ({ ...preset, terms: create(TermsSchema, preset.terms) })) }),
    putCalendar: async (request, caller) => {
      checkId(request.calendarId, 'calendar_id');
      const wrong = calendarFault(request.days);
      if (wrong) throw invalid(wrong.code, wrong.message, wrong.field);
      const { outcome } = await database.tx((tx) =>
        once(
          tx,
          { ...scopeOf(caller, request.commandId), verb: 'PutCalendar', content: toBinary(PutCalendarRequestSchema, request) },
          () => put(tx, request, caller),
        ),
      );
      return calendar(caller, outcome.id, outcome.version);
    },
    getCalendar: (request, caller) => calendar(caller, request.calendarId, request.version),
  });
  return { bindings: [catalogueBinding], start: async () => {}, stop: async () => {} };
}

/** What a command remembers: versions are immutable, so the id and version are the whole outcome. */
type Version = { id: string; version: number };

/** The preset's terms, or those given, checked and with defaults written out. */
async function termsOf(tx: Tx, { preset, terms }: PublishProgrammeRequest, discom: string): Promise<Terms> {
  const found = preset === '' ? null : findPreset(preset);
  if (found && 'nearest' in found) {
    throw invalid(
      'preset_unknown',
      `there is no preset "${preset}"; did you mean ${found.nearest}? ListPresets names them all`,
      'preset',
    );
  }
  const ground = terms ?? (found ? create(TermsSchema, found.preset.terms) : null);
  if (!ground) throw invalid('terms_missing', 'a programme needs terms, or a preset to take them from', 'terms');
  const whole = filled(ground);
  const calendarKnown = whole.calendarId !== '' && (await calendarOf(tx, discom, whole.calendarId, 0)) !== null;
  const wrong = termsFault(whole, { zone: zoneKnown, calendar: () => calendarKnown });
  if (wrong) throw invalid(wrong.code, wrong.message, wrong.field);
  return whole;
}

function zoneKnown(zone: string): boolean {
  try {
    zoneDays(zone);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

function checkId(id: string, field: string): void {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(id)) {
    throw invalid('id_malformed', `${field} must be 1 to 64 lower-case letters, digits and hyphens, not "${id}"`, field);
  }
}

function pageSize(page: Page | undefined): number {
  const size = page?.size || 100;
  if (size > 1000) throw invalid('page_too_large', `a page has at most 1000 entries, not ${size}`, 'page.size');
  return size;
}

const scopeOf = ({ discom, organisation }: Caller, commandId: string) => ({ discom, organisation, commandId });

const toProgramme = (row: ProgrammeRow): Programme =>
  create(ProgrammeSchema, {
    programmeId: row.programmeId,
    version: row.version,
    name: row.name,
    preset: row.preset,
    // Terms written by a newer release may hold fields this one does not know.
    terms: fromJson(TermsSchema, JSON.parse(row.terms) as JsonValue, { ignoreUnknownFields: true }),
    termsDigest: row.digest,
    publishedAtMs: row.publishedAtMs,
    validFromMs: row.validFromMs,
  });

const toCalendar = (row: CalendarRow): Calendar =>
  create(CalendarSchema, {
    calendarId: row.calendarId,
    version: row.version,
    days: row.days.map((day) => fromJson(CalendarDaySchema, day as JsonValue, { ignoreUnknownFields: true })),
  });
