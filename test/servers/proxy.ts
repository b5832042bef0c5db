import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';

/** What the way to a server does to what passes. */
export type Weather =
  | 'clear'
  | 'slow' // each piece a fifth of a second late
  | 'stalled' // connections open, nothing passes
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
  const server = createServer((near) => {
    if (proxy.weather === 'closed') return void near.resetAndDestroy();
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
    from.on('data', (data) => {
      const piece = answers && proxy.instead ? reworded(data, proxy.instead) : data;
      if (proxy.weather === 'closed') from.resetAndDestroy();
      else if (proxy.weather === 'clear') to.write(piece);
      else if (proxy.weather === 'slow') setTimeout(() => to.write(piece), 200);
      else if (proxy.weather === 'torn') {
        if (answers) to.end(piece.subarray(0, piece.length >> 1));
        else to.write(piece);
      }
    });
    from.on('end', () => to.end());
  };
  const proxy: TcpProxy = {
    port: 0,
    weather: 'clear',
    instead: null,
    stop: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(proxy, { port: (server.address() as { port: number }).port });
}

const reworded = (piece: Buffer, [word, other]: readonly [string, string]): Buffer =>
  Buffer.from(piece.toString('latin1').replaceAll(word, other), 'latin1');
