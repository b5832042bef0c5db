import type { Curves, EventStatus, Instruction, Interval, Me, Paged, PeakEvent, Programme, Run, StatementLine } from './wire.ts';

/** An RFC 9457 answer; `field` names the member of the request it is about. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly field: string;
  readonly requestId: string;
  constructor({ status, detail, code, field, requestId }: Partial<Problem> & { detail?: string }) {
    super(detail ?? '');
    this.status = status ?? 0;
    this.code = code ?? 'unreachable';
    this.field = field ?? '';
    this.requestId = requestId ?? '';
  }
}

type Query = Record<string, string | number | boolean | undefined>;

/** Sends the person to sign in; where she was is remembered in this tab. */
export function signIn(): void {
  sessionStorage.setItem('lachak.to', location.pathname + location.search);
  location.assign(`/session/start?lang=${document.documentElement.lang}`);
}

export async function send(method: string, path: string, body?: object, signal?: AbortSignal): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      signal: signal ?? null,
      ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem({ code: 'unreachable' });
  }
  if (answer.ok) return answer;
  if (answer.status === 401) signIn();
  const told = (await answer.json().catch(() => ({}))) as Partial<Problem>;
  throw new Problem({
    status: answer.status,
    code: 'internal',
    requestId: answer.headers.get('x-request-id') ?? '',
    ...told,
  });
}

async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const members = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, String(value)]],
  );
  const text = members.length ? `?${new URLSearchParams(members)}` : '';
  return (await (await send('GET', `/api${path}${text}`, undefined, signal)).json()) as T;
}
const post = async <T>(path: string, body: object): Promise<T> => (await (await send('POST', `/api${path}`, body)).json()) as T;
const id = encodeURIComponent;

/** Random, so that a repeated press of the same form is the same command and another form another. */
export const newCommandId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

export type ScheduleRequest = {
  commandId: string;
  programmeId: string;
  window: Interval;
  targetW: { values: string[] };
  areaIds: string[];
  reason: string;
};

/** What was cancelled keeps no time of its own: people know it by the window it was planned for. */
const asPlanned = (event: PeakEvent): PeakEvent =>
  event.state === 'CANCELLED' && event.planned ? { ...event, window: event.planned } : event;

export const api = {
  me: () => get<Me>('/me'),
  /** Domain time: in a simulation it is not the browser's. */
  clock: (signal?: AbortSignal) => get<{ nowMs: string }>('/clock', {}, signal),
  programmes: (signal?: AbortSignal) => get<{ programmes: Programme[] }>('/programmes', { size: 200 }, signal),
  programme: (programmeId: string, signal?: AbortSignal) => get<Programme>(`/programmes/${id(programmeId)}`, {}, signal),
  events: (pageToken: string, signal?: AbortSignal) =>
    get<{ events: PeakEvent[] } & Paged>('/events', { size: 50, pageToken }, signal).then((page) => ({
      ...page,
      events: page.events.map(asPlanned),
    })),
  event: (eventId: string, signal?: AbortSignal) => get<PeakEvent>(`/events/${id(eventId)}`, {}, signal).then(asPlanned),
  schedule: (request: ScheduleRequest) => post<PeakEvent>('/events', request),
  cancel: (eventId: string, commandId: string, reason: string) =>
    post<PeakEvent>(`/events/${id(eventId)}/cancel`, { commandId, reason }),
  endEarlier: (eventId: string, commandId: string, window: Interval, reason: string) =>
    post<PeakEvent>(`/events/${id(eventId)}/change`, { commandId, window, reason }),
  instructions: (eventId: string, query: { search: string; pageToken: string; size?: number }, signal?: AbortSignal) =>
    get<{ instructions: Instruction[] } & Paged>(`/events/${id(eventId)}/instructions`, { size: 25, ...query }, signal),
  instructionsOf: (participantId: string, signal?: AbortSignal) =>
    get<{ instructions: Instruction[] } & Paged>('/instructions', { participantId, size: 200 }, signal),
  answer: (eventId: string, resourceId: string, will: boolean, commandId: string) =>
    post(`/events/${id(eventId)}/answer`, { commandId, resourceId, will }),
  curves: (eventId: string, settlementPointId: string, signal?: AbortSignal) =>
    get<Curves>(`/events/${id(eventId)}/curves`, { settlementPointId }, signal),
  runs: (eventId: string, signal?: AbortSignal) => get<{ runs: Run[] } & Paged>(`/events/${id(eventId)}/runs`, {}, signal),
  settle: (eventId: string, commandId: string) => post<Run>(`/events/${id(eventId)}/runs`, { commandId }),
  statements: (
    query: { eventId?: string; partyId?: string; search?: string; withSuperseded?: boolean; pageToken?: string; size?: number },
    signal?: AbortSignal,
  ) => get<{ statements: StatementLine[] } & Paged>('/statements', { size: 25, ...query }, signal),
};

/** Fetched before it is saved, so that a refusal is shown here instead of lying in the downloads folder. */
export async function download(path: string, fileName: string): Promise<void> {
  const url = URL.createObjectURL(await (await send('GET', path)).blob());
  const link = Object.assign(document.createElement('a'), { href: url, download: fileName });
  link.click();
  URL.revokeObjectURL(url);
}

/** The stream leaves zero members out, as proto3 JSON does. */
export const wholeStatus = (part: Partial<EventStatus>): EventStatus => ({
  eventId: '',
  state: 'EVENT_STATE_UNSPECIFIED',
  atMs: '0',
  resourcesByState: {},
  committedW: '0',
  confirmedW: '0',
  measuredW: '0',
  estimatedW: '0',
  targetW: '0',
  liveMeters: 0,
  resources: 0,
  settlementPoints: 0,
  holdout: 0,
  ...part,
});
