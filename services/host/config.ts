/** The validated configuration: file, then environment (LACHAK_…), then flags; each later one wins. */
export type Config = {
  /** The locked folder that holds everything when no server is named. */
  readonly folder: string;
  /** PostgreSQL by URL; empty = embedded, in `<folder>/postgres`. */
  readonly databaseUrl: string;
  /** Domain time follows the wall, or is stepped by the conductor (`lachak.v1.Clock/Advance`). */
  readonly clock: 'system' | 'stepped';
  /** Where a stepped clock starts when the folder is new, ms UTC. */
  readonly clockStart: number;
  readonly gateway: {
    readonly host: string;
    readonly port: number;
    readonly issuer: string;
    readonly rateLimitPerMinute: number;
  };
  readonly mqtt: { readonly host: string; readonly port: number };
  readonly ocpp: { readonly host: string; readonly port: number };
  /** Address of the rooms' gRPC server; empty = Unix socket `<folder>/lachak.sock`. */
  readonly grpc: { readonly address: string };
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent' };
};

/** What holds when nothing else is said. */
export const defaults: Config = {
  folder: 'lachak-data',
  databaseUrl: '',
  clock: 'system',
  clockStart: Date.parse('2026-05-01T00:00:00Z'),
  gateway: { host: '127.0.0.1', port: 8080, issuer: '', rateLimitPerMinute: 600 },
  mqtt: { host: '127.0.0.1', port: 1883 },
  ocpp: { host: '127.0.0.1', port: 8887 },
  grpc: { address: '' },
  log: { level: 'info' },
};
