import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Authenticate, DeviceKey, Heard } from '../driver.ts';

export const SUBPROTOCOL = 'ocpp1.6';
const MOST_BYTES = 256 * 1024;

export type Door = { readonly port: number; close(): Promise<void> };

/**
 * Where stations connect: `ws://host:port/ocpp/<station>`, security profile 1 (HTTP Basic; user = station id). An unknown station gets
 * 404, a wrong password 401. One that does not offer ocpp1.6 gets the handshake without a subprotocol and is closed (1.6-J §3.1.2).
 */
export async function openDoor({
  host,
  port,
  authenticate,
  refused,
  entered,
}: {
  host: string;
  port: number;
  authenticate: Authenticate;
  refused: Heard['refused'];
  entered: (device: DeviceKey, socket: WebSocket) => void;
}): Promise<Door> {
  // Compression costs more memory for each station than everything else together.
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MOST_BYTES,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  const server = createServer((_request, response) => {
    response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end();
  });
  const deny = (socket: Duplex, status: string, header = ''): void => {
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${header}\r\n`);
  };
  const admit = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const stationId = stationOf(request.url ?? '');
    const known =
      stationId === null ? 'unknown_device' : await authenticate(stationId, passwordOf(request, stationId), SUBPROTOCOL);
    if (typeof known === 'string') {
      const unknown = known === 'unknown_device';
      refused(unknown ? 'unknown_station' : 'login', { device: stationId ?? '?', detail: known });
      return unknown
        ? deny(socket, '404 Not Found')
        : deny(socket, '401 Unauthorized', 'WWW-Authenticate: Basic realm="ocpp"\r\n');
    }
    sockets.handleUpgrade(request, socket, head, (station) => {
      if (station.protocol === SUBPROTOCOL) return entered(known, station);
      refused('subprotocol', {
        device: known.deviceId,
        detail: `offers ${String(request.headers['sec-websocket-protocol'] ?? 'none').slice(0, 80)}`,
      });
      station.on('error', () => {});
      station.close(1002, `offer ${SUBPROTOCOL}`);
    });
  };
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    admit(request, socket, head).catch(() => deny(socket, '503 Service Unavailable', 'Retry-After: 5\r\n'));
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      done();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((done) => void server.close(() => done()));
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await closed;
    },
  };
}

// The last segment of the path, percent-decoded.
function stationOf(url: string): string | null {
  const segment = /\/([^/?]{1,200})(?:\?.*)?$/.exec(url)?.[1];
  if (!segment) return null;
  try {
    const id = decodeURIComponent(segment);
    return /^[A-Za-z0-9*\-_=:+|@.]{1,48}$/.test(id) ? id : null;
  } catch {
    return null;
  }
}

// `<station>:<password>`: the id may hold colons, so it is matched as a whole.
function passwordOf(request: IncomingMessage, stationId: string): string {
  const given = /^Basic\s+([A-Za-z0-9+/=]+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const text = given ? Buffer.from(given, 'base64').toString('utf8') : '';
  return text.startsWith(`${stationId}:`) ? text.slice(stationId.length + 1) : '';
}
