import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { Refusal } from '../domain/outcome.ts';

/**
 * One database of an InfluxDB 1.x, over its own HTTP: `/ping`, `/write`, `/query`. The record is not kept through the `influx` client's
 * pool, because that never settles when an answer is cut off in the middle, shuts the server out for up to ten seconds after one failure,
 * and copies every column four times on its way out. Here each request has a deadline that covers its whole answer.
 */
export type Influx = {
  /** Throws Refusal `record_away`, saying why, when the server is known not to take readings now; asked for again in the background. */
  ready(): void;
  /** What is wrong with it and what to do, as last known; null = nothing. */
  away(): string | null;
  /** On disk over there when it returns. Throws Refusal `record_away`; then any part of it may be there. */
  write(lines: readonly string[]): Promise<void>;
  /**
   * The rows of all statements: measurement, tags, time in ns, then the columns asked for, in their order. For values without commas and
   * quotes. As CSV without compression: InfluxDB takes four times as long to write the same as JSON, and fifteen times as gzip.
   * Throws Refusal `record_away`, or Error with the server's words.
   */
  query(statements: readonly string[]): Promise<string[][]>;
  /** Looks at version, credentials, database and retention; what is wrong is logged, and looked at again until it is right. */
  start(): Promise<void>;
  stop(): void;
};
export type InfluxPlace = {
  /** http(s)://[user[:password]@]host:port/database */
  readonly url: string;
  /** Holds the password, when the URL does not; read again before each attempt to get in. Empty = none. */
  readonly passwordFile: string;
  readonly withinMs?: number;
};

type Answer = { readonly status: number; readonly text: string; readonly version: string };

/** Of one write or one query, wall time; callers of a room wait ten seconds. */
const WITHIN_MS = 6000;
const LOOK_WITHIN_MS = 2000;
const LOOK_AGAIN_MS = { first: 200, most: 1000 };
const CSV = 'application/csv';
const WRITE_BYTES = 4 * 1024 * 1024;
/** Of 1.x the first with the index and the limits this was measured on. */
const OLDEST = [1, 6] as const;

export function openInflux({ url, passwordFile, withinMs = WITHIN_MS }: InfluxPlace, log: Logger): Influx {
  const { origin, pathname, username, password } = new URL(url);
  const database = decodeURIComponent(pathname.slice(1));
  const place = `InfluxDB at ${origin}, database ${database}`;
  let away: string | null = 'has not been asked yet';
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let wait = LOOK_AGAIN_MS.first;

  const credentials = (): Record<string, string> => {
    if (username === '') return {};
    const secret = passwordFile === '' ? decodeURIComponent(password) : readFileSync(passwordFile, 'utf8').trim();
    return { authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${secret}`).toString('base64')}` };
  };
  const refusal = (why: string): Refusal =>
    new Refusal('unavailable', 'record_away', `readings cannot be kept or read now: ${place} ${why}; send it again later`);
  const tell = (why: string | null): void => {
    if (why !== away) {
      if (why === null) log.info({ record: place }, 'the record of readings can be used');
      else log.warn({ record: place, why }, 'the record of readings cannot be used');
    }
    away = why;
    if (why === null) wait = LOOK_AGAIN_MS.first;
    else lookLater();
  };
  const lookLater = (): void => {
    if (timer !== undefined || stopped) return;
    timer = setTimeout(() => {
      timer = undefined;
      wait = Math.min(wait * 2, LOOK_AGAIN_MS.most);
      void look().then(tell);
    }, wait);
    timer.unref();
  };

  const ask = async (path: string, body: string | null, within: number, accept = 'application/json'): Promise<Answer> => {
    const form = path.startsWith('/query') ? 'application/x-www-form-urlencoded' : 'text/plain';
    const answer = await fetch(`${origin}${path}`, {
      ...(body === null ? {} : { method: 'POST', body }),
      headers: { ...credentials(), 'content-type': form, accept, 'accept-encoding': 'identity' },
      signal: AbortSignal.timeout(within),
    });
    // Base64 and numbers: as Latin-1 they become text six times as fast as through a UTF-8 decoder.
    const text = accept === CSV ? Buffer.from(await answer.arrayBuffer()).toString('latin1') : await answer.text();
    return { status: answer.status, text, version: answer.headers.get('x-influxdb-version') ?? '' };
  };
  /** As `ask`, but no answer, or one that means "not now", is a Refusal and makes the record away. */
  const asked = async (path: string, body: string, within: number, accept?: string): Promise<Answer> => {
    let why: string;
    try {
      const answer = await ask(path, body, within, accept);
      const wrong = wrongAnswer(answer, username, database);
      if (wrong === null) {
        tell(null);
        return answer;
      }
      why = wrong;
    } catch (error) {
      why = unreachable(error, within);
    }
    tell(why);
    throw refusal(why);
  };
  const query = async (statements: readonly string[]): Promise<string[][]> => {
    const body = `q=${encodeURIComponent(statements.join(';'))}`;
    const { status, text } = await asked(`/query?db=${encodeURIComponent(database)}`, body, withinMs, CSV);
    if (status !== 200 || text.startsWith('error')) throw new Error(`InfluxDB answers ${status}: ${words(text)}`);
    // As CSV a database that is not there looks like one with nothing in it.
    const why = text === '' ? await look() : null;
    if (why !== null) {
      tell(why);
      throw refusal(why);
    }
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('name,tags,'));
    return lines.map((line) => line.split(','));
  };

  /** Null when everything is right, else what is wrong and what to do. */
  const look = async (): Promise<string | null> => {
    try {
      const { version, status } = await ask('/ping', null, LOOK_WITHIN_MS);
      const known = /^v?(\d+)\.(\d+)/.exec(version);
      if (!known) return `answers ${status} without a version: it is no InfluxDB, or a proxy stands before it`;
      const [major, minor] = [Number(known[1]), Number(known[2])];
      if (major !== OLDEST[0] || minor < OLDEST[1]) return `is version ${version}; 1.${OLDEST[1]} or a later 1.x is needed`;
      // A write of nothing tells, without a trace, whether one would be let in.
      const wrong = wrongAnswer(await ask(`/write?db=${encodeURIComponent(database)}`, '', LOOK_WITHIN_MS), username, database);
      if (wrong !== null) return wrong;
      const statement = `SHOW RETENTION POLICIES ON "${database.replaceAll('"', '\\"')}"`;
      const answer = await ask('/query', `q=${encodeURIComponent(statement)}`, LOOK_WITHIN_MS);
      const barred = wrongAnswer(answer, username, database);
      if (barred !== null) return barred;
      const policy = defaultPolicy(answer.text);
      if (policy?.duration !== '0s')
        return `keeps readings for ${policy?.duration ?? 'no time'} only; alter its default retention policy to DURATION INF`;
      return null;
    } catch (error) {
      return unreachable(error, LOOK_WITHIN_MS);
    }
  };

  return {
    ready: () => {
      if (away !== null) throw refusal(away);
    },
    away: () => away,
    write: async (lines) => {
      for (let next = 0; next < lines.length; ) {
        let bytes = 0;
        const first = next;
        while (next < lines.length && (next === first || bytes + lines[next]!.length < WRITE_BYTES))
          bytes += lines[next++]!.length;
        const body = lines.slice(first, next).join('\n');
        const { status, text } = await asked(`/write?db=${encodeURIComponent(database)}`, body, withinMs);
        if (status !== 204) throw refusal(`took ${next - first} points with ${status}: ${words(text)}`);
      }
    },
    query,
    start: async () => tell(await look()),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function defaultPolicy(text: string): { duration: unknown } | undefined {
  const { results } = JSON.parse(text) as { results: { series?: { columns: string[]; values: unknown[][] }[] }[] };
  const { columns, values } = results[0]?.series?.[0] ?? { columns: [], values: [] };
  const policy = values.find((row) => row[columns.indexOf('default')] === true);
  return policy && { duration: policy[columns.indexOf('duration')] };
}

/** What an answer says about the place rather than about the request; null = nothing. */
function wrongAnswer({ status, text }: Answer, user: string, database: string): string | null {
  const who = user === '' ? 'a caller without a user' : `the user ${decodeURIComponent(user)}`;
  if (status === 401)
    return `does not let ${who} in: put the right user into influxUrl, and the password there or into influxPasswordFile`;
  if (status === 403) return `does not let ${who} write and read there: GRANT ALL ON "${database}" TO the user`;
  if (status === 404 || /database not found/.test(text.slice(0, 300)))
    return `has no such database: CREATE DATABASE "${database}" WITH DURATION INF SHARD DURATION 1d`;
  if (status === 413) return 'takes no request of 4 MB: set max-body-size = 0 in its configuration';
  return status >= 429 ? `answers ${status}: ${words(text)}` : null;
}

function unreachable(error: unknown, within: number): string {
  const { name, message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError') return `did not answer within ${within / 1000} s`;
  return `cannot be reached: ${cause?.code ?? cause?.message ?? message}`;
}

const words = (text: string): string => text.trim().slice(0, 200);
