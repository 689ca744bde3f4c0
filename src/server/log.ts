import { type DestinationStream, destination, type Logger, pino } from 'pino';

/** Structured log: one JSON line an entry, children carry `correlationId`, `lane` and the like. */
export type Log = Logger;

/** Log levels from the most to the least talkative. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/** Where entries go: `file` appends to a file (0600), otherwise standard output. */
export interface LogOptions {
  level: (typeof logLevels)[number];
  file?: string;
}

/** Opens the log; tokens, passwords and connection strings are cut out wherever they appear as a field. */
export function createLog({ level, file }: LogOptions): Log {
  const target: DestinationStream = file
    ? destination({ dest: file, append: true, mode: 0o600, sync: true, mkdir: true })
    : destination({ dest: 1, sync: false });
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: [
          'authorization',
          'token',
          'secret',
          'password',
          'secretAccessKey',
          'sessionToken',
          'connectionString',
        ].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[redacted]',
      },
    },
    target,
  );
}
