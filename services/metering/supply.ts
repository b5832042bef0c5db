import { type Dated, holdsAt, type Instant, type Interval } from '../domain/interval.ts';
import { invalid } from '../domain/outcome.ts';
import type { FindingCode, Findings } from './findings.ts';
import { instantParser, NO_OFFSET } from './instant.ts';
import { type KnownConnection, stateAt } from './known.ts';

export const SUPPLY_STATES = ['ENERGISED', 'OUTAGE', 'LOAD_SHEDDING', 'DISCONNECTED', 'UNKNOWN'] as const;
export type SupplyState = (typeof SUPPLY_STATES)[number];
/** Somebody's word about an area or a connection; `to` null = until something else is said. */
export type SupplyStatement = Dated & {
  readonly ofArea: boolean;
  readonly placeId: string;
  readonly state: SupplyState;
  readonly knownAt: Instant;
  readonly source: string;
};
export type SupplySpan = {
  readonly span: Interval;
  readonly state: SupplyState;
  readonly knownAt: Instant;
  readonly source: string;
};
export type KnownArea = Dated & { readonly areaId: string; readonly parentId: string };

/**
 * What held at one connection through `span`, ENERGISED left out, in time order. `statements` in order of (known_at, arrival): of those
 * that cover an instant the last one holds. An area's statement reaches every connection that hangs below it at that instant.
 */
export function supplyOf(
  statements: readonly SupplyStatement[],
  areasAt: (at: Instant) => ReadonlySet<string>,
  connectionId: string,
  span: Interval,
): SupplySpan[] {
  const near = statements.filter((one) => one.from < span.end && (one.to === null || one.to > span.start));
  const cuts = new Set([span.start, span.end]);
  for (const { from, to } of near) {
    if (from > span.start) cuts.add(from);
    if (to !== null && to < span.end) cuts.add(to);
  }
  const edges = [...cuts].sort((a, b) => a - b);
  const found: SupplySpan[] = [];
  for (let i = 0; i + 1 < edges.length; i++) {
    const start = edges[i]!;
    const areas = areasAt(start);
    const last = near.findLast(
      (one) => holdsAt(one, start) && (one.ofArea ? areas.has(one.placeId) : one.placeId === connectionId),
    );
    if (last === undefined || last.state === 'ENERGISED') continue;
    const before = found.at(-1);
    if (
      before &&
      before.span.end === start &&
      before.state === last.state &&
      before.knownAt === last.knownAt &&
      before.source === last.source
    )
      found[found.length - 1] = { ...before, span: { start: before.span.start, end: edges[i + 1]! } };
    else found.push({ span: { start, end: edges[i + 1]! }, state: last.state, knownAt: last.knownAt, source: last.source });
  }
  return found;
}

/** The areas above a connection at an instant, its own feeder first. A loop in the tree ends where it closes. */
export function areaPath(
  connection: readonly KnownConnection[],
  areas: ReadonlyMap<string, readonly KnownArea[]>,
  at: Instant,
): Set<string> {
  const path = new Set<string>();
  let next = stateAt(connection, at)?.areaId ?? '';
  while (next !== '' && !path.has(next)) {
    path.add(next);
    next = stateAt(areas.get(next) ?? [], at)?.parentId ?? '';
  }
  return path;
}

/** CSV `connection_id_or_area,from,to,state[,known_at]`; an empty `to` = still so. `knownAt` is for lines without their own. */
export function readSupply(
  csv: string,
  places: { isArea(id: string): boolean; isConnection(id: string): boolean },
  knownAt: Instant,
  source: string,
  findings: Findings,
): { statements: SupplyStatement[]; lines: number } {
  const [head = '', ...rest] = csv.replace(/^\uFEFF/, '').split(/\r?\n/);
  if (!/^connection_id_or_area,from,to,state(,known_at)?$/.test(head.trim()))
    throw invalid(
      'wrong_header',
      `the first line must be connection_id_or_area,from,to,state[,known_at], not ${head.slice(0, 120)}`,
      'header',
    );
  const statements: SupplyStatement[] = [];
  let lines = 0;
  for (const [i, text] of rest.entries()) {
    if (text === '') continue;
    lines++;
    const line = i + 2;
    const [placeId = '', from = '', to = '', state = '', known = ''] = text.split(',').map((field) => field.trim());
    const start = instantIn(from, line, 'from', findings);
    const end = to === '' ? null : instantIn(to, line, 'to', findings);
    const at = known === '' ? knownAt : instantIn(known, line, 'known_at', findings);
    if (Number.isNaN(start) || Number.isNaN(at) || (end !== null && Number.isNaN(end))) continue;
    const refuse = (column: string, code: FindingCode, message: string): void => findings.add(line, column, code, () => message);
    if (!places.isArea(placeId) && !places.isConnection(placeId))
      refuse('connection_id_or_area', 'unknown_place', `there is no area or connection ${placeId.slice(0, 80)}`);
    else if (!(SUPPLY_STATES as readonly string[]).includes(state))
      refuse('state', 'unknown_state', `state must be one of ${SUPPLY_STATES.join(', ')}, not ${state.slice(0, 40)}`);
    else if (end !== null && end <= start) refuse('to', 'interval_must_be_positive', 'to must be after from');
    else if (at > knownAt) refuse('known_at', 'future', 'known_at lies in the future');
    else
      statements.push({
        ofArea: places.isArea(placeId),
        placeId,
        from: start,
        to: end,
        state: state as SupplyState,
        knownAt: at,
        source,
      });
  }
  return { statements, lines };
}

function instantIn(text: string, line: number, column: string, findings: Findings): number {
  const bytes = encoder.encode(text);
  const at = instantParser()(bytes, 0, bytes.length);
  if (at === NO_OFFSET)
    throw invalid(
      'offset_missing',
      `line ${line}: ${column} ${text} has no offset; every stamp needs Z or one like +05:30`,
      column,
    );
  if (Number.isNaN(at))
    findings.add(line, column, 'not_an_instant', () => `${column} must be an instant like 2026-05-01T18:30:00+05:30`);
  return at;
}

const encoder = new TextEncoder();
