import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.js';
import type { RunStatement } from '../governance/read/select.js';
import type { Log } from './log.js';

/** Prisma and plain SQL over one pool of connections, with the server's role. */
export interface Database {
  pool: pg.Pool;
  prisma: PrismaClient;
  /** Runs one statement of the read side as a prepared one. */
  run: RunStatement;
  close(): Promise<void>;
}

/** `poolSize` connections at most; `applicationName` is what pg_stat_activity shows. */
export interface DatabaseOptions {
  poolSize: number;
  applicationName?: string;
  log?: Log;
}

/** Opens the pool lazily: the first query connects. */
export function openDatabase(serverUrl: string, options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: serverUrl,
    max: options.poolSize,
    application_name: options.applicationName ?? 'meshgate',
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    // A process that hangs inside a transaction must not hold its locks for ever.
    idle_in_transaction_session_timeout: 5_000,
    // Nor may one costly query hold a connection for ever.
    statement_timeout: 20_000,
  });
  // Without a listener a dropped idle connection would end the process; the next query simply opens another.
  pool.on('error', (error) => options.log?.warn({ err: error }, 'idle database connection lost'));
  const adapter = new PrismaPg(pool, { statementNameGenerator: ({ sql }) => statementName(sql) });
  const prisma = new PrismaClient({ adapter });
  return {
    pool,
    prisma,
    run: async ({ text, values }) => {
      const { rows } = await pool.query<{ answer: unknown }>({ name: statementName(text), text, values });
      return rows;
    },
    close: async () => {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

const names = new Map<string, string>();

/**
 * One prepared statement per distinct SQL text, for the first five hundred texts: a connection keeps each for as long as it lives,
 * so that whoever invents ever new queries gets them unnamed ('').
 */
function statementName(sql: string): string {
  const known = names.get(sql);
  if (known !== undefined) return known;
  if (names.size >= 500) return '';
  const name = `p${createHash('sha256').update(sql).digest('base64url').slice(0, 22)}`;
  names.set(sql, name);
  return name;
}
