import { type Logger, pino } from 'pino';
import type { Config } from './config.ts';

/** Structured lines to stderr, one JSON object each; stdout belongs to people. Secrets and personal fields never get out. */
export function openLog(config: Pick<Config, 'log'>): Logger {
  return pino(
    {
      level: config.log.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: [...hidden, ...hidden.map((name) => `*.${name}`)], censor: '[hidden]' },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

// Facts and logs carry ids; a name or an address in a log line is a leak even when somebody meant well.
const hidden = ['password', 'token', 'authorization', 'secret', 'privateKey', 'name', 'phone', 'address', 'email', 'document'];
