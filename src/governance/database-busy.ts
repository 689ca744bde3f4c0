/** Prisma's transaction API: unable to start a transaction in the given time (Prisma error reference, P2028). */
const NOT_STARTED = /Unable to start a transaction in the given time/;
/** node-postgres' pool, whose errors have no code: none came free in time, or none could be opened in time. */
const NOT_CONNECTED = /^(timeout exceeded when trying to connect|Connection terminated due to connection timeout)$/;
/** too_many_connections, cannot_connect_now (PostgreSQL error codes). */
const REFUSED: ReadonlySet<unknown> = new Set(['53300', '57P03']);

interface Failure {
  message?: unknown;
  code?: unknown;
  /** Where the driver adapter keeps Postgres' own code. */
  originalCode?: unknown;
  cause?: unknown;
  meta?: { driverAdapterError?: unknown };
}

/** Whether a piece of work did not begin as there was no free connection to Postgres: nothing was done, and a later try may go through. */
export function isDatabaseBusy(error: unknown): boolean {
  for (let at = error as Failure | null | undefined, depth = 0; at && depth < 5; depth += 1) {
    if (REFUSED.has(at.code) || REFUSED.has(at.originalCode)) return true;
    if (at.code === 'P2028' && NOT_STARTED.test(String(at.message))) return true;
    if (NOT_CONNECTED.test(String(at.message))) return true;
    at = (at.meta?.driverAdapterError ?? at.cause) as Failure | null | undefined;
  }
  return false;
}
