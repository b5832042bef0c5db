import type { Instant } from '../domain/interval.ts';
import type { Entry, Noun } from './entry.ts';
import { areaPath, place } from './links.ts';
import type { Fault } from './tables.ts';

/** One dated state as it is stored. */
export type Row = {
  readonly noun: Noun;
  readonly id: string;
  readonly from: Instant;
  to: Instant | null;
  readonly parent: string;
  readonly holder: string;
  readonly grid: string;
  body: Uint8Array;
};

/** What a participant's particulars are now: sealed away, never given, or destroyed with their key. */
export type Particulars = Uint8Array | 'none' | 'erased';

/** Everything a batch can touch: read before, changed by `take`, the changed rows written after. */
export type Book = {
  readonly states: Map<string, Row[]>;
  /** Meters and settlement points by their connection. */
  readonly onConnection: Map<string, Row[]>;
  readonly particulars: Map<string, Particulars>;
  /** In the order in which they changed: facts are written in it. */
  readonly changed: Set<Row>;
};

export function openBook(rows: readonly Row[], particulars: Map<string, Particulars>): Book {
  const book: Book = { states: new Map(), onConnection: new Map(), particulars, changed: new Set() };
  for (const row of rows) enter(book, row);
  return book;
}

export type Taken = 'accepted' | 'unchanged' | Fault;

/**
 * Takes one entry into the book: a new state, the end of one, the replacement of one; or says why not. Refusals leave the book as it was.
 * `person`: the particulars that came with a participant.
 */
export function take(book: Book, entry: Entry, body: Uint8Array, person: Uint8Array | null): Taken {
  const unknown = entry.references.find(({ noun, id }) => !book.states.has(key(noun, id)));
  if (unknown)
    return fault(unknown.column, 'reference_unknown', `${unknown.id} is not among the ${unknown.noun.replace('_', ' ')}`);
  const states = book.states.get(key(entry.noun, entry.id)) ?? [];
  if (entry.noun === 'organisations' || entry.noun === 'participants') return takeUndated(book, entry, body, person, states[0]);
  if (entry.noun === 'settlement_points') return takePoint(book, entry, body, states[0]);
  const fixed = states.find((row) => row.grid !== entry.grid);
  if (fixed) {
    return fault(
      'interval_minutes',
      'meter_grid_fixed',
      `${entry.id} was registered with ${fixed.grid}; interval and zone never change, so register a new meter`,
    );
  }
  const found = place(states, entry.dated, (i) => equal(states[i]!.body, body));
  if (found.outcome === 'unchanged') return 'unchanged';
  if (found.outcome === 'contradiction') return contradiction('from', states[found.with]!);
  if (found.outcome === 'ends') {
    close(book, states[found.closes]!, entry.dated.to!);
    return 'accepted';
  }
  const wrong = entry.noun === 'areas' ? circleFault(book, entry) : entry.noun === 'meters' ? subMeterFault(book, entry) : null;
  if (wrong) return wrong;
  if (entry.noun === 'meters' && entry.holder === '') {
    const conflict = replaceMeter(book, entry);
    if (conflict) return conflict;
  }
  if (found.closes !== null) close(book, states[found.closes]!, entry.dated.from);
  add(book, entry, body);
  return 'accepted';
}

/** A connection has one meter of its own at a time: the new one begins where the old one ends, so readings stitch without a seam. */
function replaceMeter(book: Book, entry: Entry): Fault | null {
  const others = (book.onConnection.get(entry.parent) ?? []).filter(
    (row) => row.noun === 'meters' && row.holder === '' && row.id !== entry.id,
  );
  const found = place(others, entry.dated, () => false);
  if (found.outcome === 'contradiction') {
    const other = others[found.with]!;
    return fault(
      'from',
      'connection_has_meter',
      `${entry.parent} has meter ${other.id} ${span(other)}; a sub-meter names its parent_meter_id`,
    );
  }
  if (found.outcome === 'placed' && found.closes !== null) close(book, others[found.closes]!, entry.dated.from);
  return null;
}

function subMeterFault(book: Book, entry: Entry): Fault | null {
  if (entry.holder === '') return null;
  const parents = book.states.get(key('meters', entry.holder))!;
  if (parents.every((row) => row.parent !== entry.parent)) {
    return fault('parent_meter_id', 'meter_elsewhere', `${entry.holder} never served connection ${entry.parent}`);
  }
  return parents.some((row) => row.holder !== '')
    ? fault('parent_meter_id', 'meter_nested', `${entry.holder} is a sub-meter itself; parent − sub-meter goes one level deep`)
    : null;
}

function circleFault(book: Book, entry: Entry): Fault | null {
  const parentOf = (areaId: string, at: Instant): string =>
    areaId === entry.id
      ? entry.parent
      : (book.states.get(key('areas', areaId))?.find((row) => row.from <= at && (row.to === null || at < row.to))?.parent ?? '');
  // The tree may change later within the link: look at each instant at which any area begins to hang elsewhere.
  const instants = new Set([entry.dated.from]);
  for (const rows of book.states.values()) {
    for (const row of rows) {
      if (row.noun === 'areas' && row.from > entry.dated.from && (entry.dated.to === null || row.from < entry.dated.to))
        instants.add(row.from);
    }
  }
  return [...instants].every((at) => areaPath(entry.id, at, parentOf))
    ? null
    : fault('parent_id', 'area_circle', `${entry.parent} hangs below ${entry.id}; areas would go round in a circle`);
}

/** A settlement point is a credit key: it never moves, and no register has two. */
function takePoint(book: Book, entry: Entry, body: Uint8Array, before: Row | undefined): Taken {
  if (before) {
    return equal(before.body, body)
      ? 'unchanged'
      : fault(
          'settlement_point_id',
          'settlement_point_fixed',
          `${entry.id} is at ${before.parent}/${before.holder || 'own meter'}; a settlement point never moves, so register another`,
        );
  }
  const siblings = book.onConnection.get(entry.parent) ?? [];
  const twin = siblings.find((row) => row.noun === 'settlement_points' && row.holder === entry.holder);
  if (twin)
    return fault(
      'connection_id',
      'settlement_point_taken',
      `${twin.id} is measured on that register already; what it delivers would be paid twice`,
    );
  if (entry.holder !== '' && !siblings.some((row) => row.noun === 'meters' && row.id === entry.holder && row.holder !== '')) {
    return fault('sub_meter_id', 'sub_meter_elsewhere', `${entry.holder} is no sub-meter of connection ${entry.parent}`);
  }
  add(book, entry, body);
  return 'accepted';
}

/** Organisations and participants are what they are now; a later word corrects them. */
function takeUndated(book: Book, entry: Entry, body: Uint8Array, person: Uint8Array | null, before: Row | undefined): Taken {
  const known = book.particulars.get(entry.id) ?? 'none';
  if (known === 'erased')
    return fault('participant_id', 'person_erased', `${entry.id} was erased; register the person under another id`);
  const samePerson = person === null || (known !== 'none' && equal(known, person));
  if (before && equal(before.body, body) && samePerson) return 'unchanged';
  if (person) book.particulars.set(entry.id, person);
  if (!before) add(book, entry, body);
  else {
    before.body = body;
    book.changed.add(before);
  }
  return 'accepted';
}

function add(book: Book, { noun, id, dated, parent, holder, grid }: Entry, body: Uint8Array): void {
  const row: Row = { noun, id, from: dated.from, to: dated.to, parent, holder, grid, body };
  enter(book, row);
  book.changed.add(row);
}

function close(book: Book, row: Row, to: Instant): void {
  row.to = to;
  book.changed.delete(row); // once more at the end: a closing that followers must see before the successor
  book.changed.add(row);
}

function enter(book: Book, row: Row): void {
  push(book.states, key(row.noun, row.id), row);
  if (row.noun === 'meters' || row.noun === 'settlement_points') push(book.onConnection, row.parent, row);
}

function push(map: Map<string, Row[]>, at: string, row: Row): void {
  const rows = map.get(at);
  if (!rows) map.set(at, [row]);
  else rows.splice(rows.findLastIndex((other) => other.from <= row.from) + 1, 0, row);
}

const key = (noun: Noun, id: string): string => `${noun}/${id}`;
const span = ({ from, to }: Row): string => `from ${day(from)} ${to === null ? 'on' : `to ${day(to)}`}`;
const day = (at: Instant): string => new Date(at).toISOString();
const fault = (column: string, code: string, message: string): Fault => ({ column, code, message });
const contradiction = (column: string, row: Row): Fault =>
  fault(
    column,
    'link_contradicts',
    `${row.id} says something else ${span(row)}; give the instant from which the new state holds, after it began`,
  );

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
