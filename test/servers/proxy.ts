import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';

/** What the way to a server does to what passes. */
export type Weather =
  | 'clear'
  | 'slow' // each piece a fifth of a second late
  | 'held' // connections open; what passes waits, and arrives when it is over
  | 'stalled' // connections open, nothing passes
  | 'mute' // what is asked arrives, no answer does
  | 'torn' // each answer ends after its first piece
  | 'closed'; // connections are reset
export type TcpProxy = {
  readonly port: number;
  /** Also changes what open connections meet. */
  weather: Weather;
  /** In each answer the first word becomes the second, which is as long: a server that says another version. Null: nothing does. */
  instead: readonly [word: string, other: string] | null;
  stop(): Promise<void>;
};

/** A TCP proxy on loopback before `port`, in fair weather until told otherwise. */
export async function startProxy(port: number): Promise<TcpProxy> {
  const open = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let weather: Weather = 'clear';
  const server = createServer((near) => {
    if (weather === 'closed') return void near.resetAndDestroy();
    const far = dial(port, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    pass(near, far, false);
    pass(far, near, true);
  });
  const pass = (from: Socket, to: Socket, answers: boolean): void => {
    // No network loses what lies between: of a connection that has lost something nothing more arrives, whatever the weather.
    let lost = false;
    const late: Buffer[] = []; // what is slow is not overtaken either
    const deliver = (piece: Buffer): void => {
      lost ||= weather === 'stalled' || (weather === 'mute' && answers);
      if (weather === 'closed') from.resetAndDestroy();
      else if (lost) return;
      else if (weather === 'held') {
        from.pause();
        waiting.push(() => {
          deliver(piece);
          from.resume();
        });
      } else if (weather === 'torn' && answers) to.end(piece.subarray(0, piece.length >> 1));
      else if (weather === 'slow' || late.length > 0) {
        late.push(piece);
        setTimeout(() => to.write(late.shift()!), weather === 'slow' ? 200 : 0);
      } else to.write(piece);
    };
    from.on('data', (data) => deliver(answers && proxy.instead ? reworded(data, proxy.instead) : data));
    from.on('end', () => to.end());
  };
  const proxy: TcpProxy = {
    port: 0,
    get weather() {
      return weather;
    },
    set weather(next: Weather) {
      weather = next;
      for (const go of waiting.splice(0)) go();
    },
    instead: null,
    stop: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.defineProperty(proxy, 'port', { value: (server.address() as { port: number }).port });
}

const reworded = (piece: Buffer, [word, other]: readonly [string, string]): Buffer =>
  Buffer.from(piece.toString('latin1').replaceAll(word, other), 'latin1');
