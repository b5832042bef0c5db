import { randomUUID } from 'node:crypto';
import type { RawData, WebSocket } from 'ws';
import { callText, errorText, type Frame, type Payload, readFrame, resultText } from './frame.ts';

/** How a CALL ended. Only `result` is the peer's answer. */
export type CallEnd =
  | { readonly kind: 'result'; readonly payload: Payload }
  | { readonly kind: 'error'; readonly code: string; readonly description: string }
  | { readonly kind: 'timeout' | 'superseded' | 'closed' | 'overflow' };
export type LinkSetting = {
  /** Answers the peer's CALL; null = unknown action. Called one at a time, in order. */
  readonly answer: (action: string, payload: Payload) => Promise<object | null>;
  /** Every readable frame that passes, with the action it belongs to. */
  readonly passed?: (sent: boolean, action: string, text: string) => void;
  readonly unreadable: (reason: string, text: string) => void;
  readonly closed: () => void;
  readonly timeoutMs?: number;
};
/** One peer on one socket: at most one CALL of ours is open; the peer's CALLs are answered meanwhile, so nobody waits for the other. */
export type Link = {
  /** `payload` is made when its turn comes, from what is known by then. `supersede`: a waiting CALL of the same key is replaced; what is already sent is not. */
  call(action: string, payload: () => object, supersede?: string): Promise<CallEnd>;
  /** Ends at once; nothing more is answered. */
  terminate(): void;
  close(code: number, reason: string): void;
};

type Waiting = {
  readonly action: string;
  readonly payload: () => object;
  readonly supersede: string | undefined;
  readonly end: (end: CallEnd) => void;
};

const TIMEOUT_MS = 30_000;
const DEEPEST = 200;
const PING_MS = 45_000;
/** Beyond this nothing more is taken from the queue; beyond the second a peer that does not read is let go. */
const SLOW_BYTES = 64 * 1024;
const STUCK_BYTES = 1024 * 1024;
const UNREADABLE_AT_MOST = 20;
const MOST_UNANSWERED = 500;

export function link(socket: WebSocket, { answer, passed, unreadable, closed, timeoutMs = TIMEOUT_MS }: LinkSetting): Link {
  const queue: Waiting[] = [];
  let open: { id: string; action: string; end: (end: CallEnd) => void; timer: NodeJS.Timeout } | null = null;
  let inbound: Promise<void> = Promise.resolve();
  let over = false;
  let alive = true;
  let nonsense = 0;
  let unanswered = 0;

  const send = (text: string, action: string): void => {
    if (over) return;
    if (socket.bufferedAmount > STUCK_BYTES) {
      finish();
      return;
    }
    passed?.(true, action, text);
    socket.send(text);
  };
  const next = (): void => {
    if (over || open || socket.bufferedAmount > SLOW_BYTES) return;
    const waiting = queue.shift();
    if (!waiting) return;
    const id = randomUUID();
    let text: string;
    try {
      text = callText(id, waiting.action, waiting.payload());
    } catch (error) {
      waiting.end({ kind: 'error', code: 'invalid', description: (error as Error).message }); // ours to mend; nothing was sent
      setImmediate(next);
      return;
    }
    // The answer may still come: it is read then, and belongs to nothing any more.
    const timer = setTimeout(() => settle({ kind: 'timeout' }), timeoutMs);
    open = { id, action: waiting.action, end: waiting.end, timer };
    send(text, waiting.action);
  };
  const settle = (end: CallEnd): void => {
    const done = open;
    if (!done) return;
    clearTimeout(done.timer);
    open = null;
    done.end(end);
    setImmediate(next); // whoever waited for the answer acts on it first
  };
  const finish = (): void => {
    if (over) return;
    over = true;
    clearInterval(pings);
    socket.terminate();
    if (open) clearTimeout(open.timer);
    open?.end({ kind: 'closed' });
    for (const waiting of queue.splice(0)) waiting.end({ kind: 'closed' });
    closed();
  };
  const respond = async ({ id, action, payload }: Extract<Frame, { kind: 'call' }>): Promise<void> => {
    if (over) return;
    try {
      const result = await answer(action, payload);
      send(
        result ? resultText(id, result) : errorText(id, 'NotImplemented', `${action.slice(0, 50)} is not spoken here`),
        action,
      );
    } catch {
      send(errorText(id, 'InternalError', ''), action); // the peer may repeat it; the cause is in our log
    }
  };
  const receive = (raw: RawData, binary: boolean): void => {
    alive = true;
    if (over) return;
    const text = raw.toString();
    const frame: Frame = binary ? { kind: 'unreadable', id: '-1', reason: 'binary' } : readFrame(text);
    if (frame.kind === 'unreadable') {
      unreadable(frame.reason, text.slice(0, 200));
      send(errorText(frame.id, 'FormationViolation', frame.reason), 'unreadable');
      if (++nonsense > UNREADABLE_AT_MOST) finish();
    } else if (frame.kind === 'call') {
      passed?.(false, frame.action, text);
      if (++unanswered > MOST_UNANSWERED) {
        finish(); // it sends faster than anybody could answer
        return;
      }
      inbound = inbound.then(() => respond(frame)).finally(() => void unanswered--);
    } else if (open && frame.id === open.id) {
      passed?.(false, open.action, text);
      settle(
        frame.kind === 'result'
          ? { kind: 'result', payload: frame.payload }
          : { kind: 'error', code: frame.code, description: frame.description },
      );
    }
  };
  const pings = setInterval(() => {
    if (!alive) {
      finish();
      return;
    }
    alive = false;
    socket.ping();
    next();
  }, PING_MS);
  pings.unref();
  socket.on('message', receive);
  socket.on('pong', () => {
    alive = true;
  });
  socket.on('close', finish);
  socket.on('error', finish); // an oversized or broken frame ends this socket, never the process

  return {
    call: (action, payload, supersede) =>
      new Promise((end) => {
        if (over) return end({ kind: 'closed' });
        const old = supersede === undefined ? -1 : queue.findIndex((waiting) => waiting.supersede === supersede);
        if (old >= 0) queue.splice(old, 1)[0]!.end({ kind: 'superseded' });
        if (queue.length >= DEEPEST) return end({ kind: 'overflow' });
        queue.push({ action, payload, supersede, end });
        next();
      }),
    terminate: finish,
    close: (code, reason) => socket.close(code, reason),
  };
}
