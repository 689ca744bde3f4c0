/** Prisma's transaction API: unable to start a transaction in the given time (Prisma error reference, P2028). */
const NOT_STARTED = /Unable to start a transaction in the given time/;
/** The same code where a transaction was rolled back at its time limit, or as the process stops, before its commit (TransactionManagerError). */
const ROLLED_BACK = /on an expired transaction|on a transaction that was rolled back|Transaction not found/;
/** node-postgres' pool, whose errors have no code: none came free in time, or none could be opened in time. */
const NOT_CONNECTED = /timeout exceeded when trying to connect|Connection terminated due to connection timeout/;
/** node-postgres' client: the connection ended while it was used, or before (client.js). Prisma puts its own words before them. */
const CUT =
  /Connection terminated( unexpectedly)?$|Client has encountered a connection error|Client was closed and is not queryable/;
/** too_many_connections, cannot_connect_now (PostgreSQL error codes); the former in Prisma's words. */
const REFUSED: ReadonlySet<unknown> = new Set(['53300', '57P03', 'P2037']);
/**
 * idle_in_transaction_session_timeout, admin_shutdown, crash_shutdown, idle_session_timeout, and class 08 (PostgreSQL error codes); Prisma's
 * server not reached, timed out on the socket, connection closed (P1001, P1008, P1017).
 */
const ENDED = /^(25P03|57P01|57P02|57P05|08...|P1001|P1008|P1017)$/;
/** Of Node's sockets and its resolver, where node-postgres hands them on: the way to the database is gone. */
const SOCKET: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_DESTROYED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** query_canceled: of a transaction's statement, whose code the driver adapter keeps; a read's own is the reader's affair. */
const CANCELED = '57014';

/** Why the database did not do a piece of work, though another try may go through: the words for whoever asked. */
const WORDS = {
  NO_CONNECTION: 'The server has no free connection to its database at the moment: try again.',
  TOO_SLOW: 'The database took longer than an action may, and nothing was changed: try again.',
  CUT: 'The connection to the database was lost: try again, a mutation with the same idempotency key, as it may have been carried out.',
};

interface Failure {
  message?: unknown;
  code?: unknown;
  /** Where the driver adapter keeps Postgres' own code. */
  originalCode?: unknown;
  cause?: unknown;
  meta?: { driverAdapterError?: unknown };
}

/** What to tell whoever asked where there was no connection to Postgres, or not the time, or the connection was lost; undefined for any other failure. */
export function databaseBusy(error: unknown): string | undefined {
  for (let at = error as Failure | null | undefined, depth = 0; at && depth < 5; depth += 1) {
    const word = wordOf(at);
    if (word !== undefined) return WORDS[word];
    // Deeper ones may be of other servers.
    if (depth === 0 && SOCKET.has(at.code)) return WORDS.CUT;
    at = (at.meta?.driverAdapterError ?? at.cause) as Failure | null | undefined;
  }
  return undefined;
}

function wordOf({ code, originalCode, message }: Failure): keyof typeof WORDS | undefined {
  const text = String(message);
  if (REFUSED.has(code) || REFUSED.has(originalCode) || NOT_CONNECTED.test(text)) return 'NO_CONNECTION';
  if (code === 'P2028' && NOT_STARTED.test(text)) return 'NO_CONNECTION';
  if (originalCode === CANCELED || (code === 'P2028' && ROLLED_BACK.test(text))) return 'TOO_SLOW';
  return ENDED.test(String(code)) || ENDED.test(String(originalCode)) || CUT.test(text) ? 'CUT' : undefined;
}
