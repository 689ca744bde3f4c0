import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import pg from 'pg';
import { afterAll, vi } from 'vitest';

/** Counts the SQL statements that requests to a server in this process run, apart from those of its loops. */
export interface Statements {
  /** The statements of the requests sent while `work` runs, request by request; mark them with `mark`. */
  of(work: () => Promise<unknown>): Promise<string[]>;
}

/** The header that marks a request as counted. */
export const mark = { 'x-count-statements': 'yes' };

/** Follows each marked request from node:http's own channel to the pool. Stops after the file's tests. */
export function statementsOfTest(): Statements {
  const request = new AsyncLocalStorage<string[]>();
  let counted: string[] = [];
  const onRequest = (message: unknown): void => {
    const { headers } = (message as { request: IncomingMessage }).request;
    request.enterWith('x-count-statements' in headers ? counted : []);
  };
  subscribe('http.server.request.start', onRequest);
  // Prisma and plain SQL both run statements by the pool, and transactions by a connection taken from it.
  const textOf = (query: unknown): string =>
    typeof query === 'string' ? query : ((query as { text?: string } | undefined)?.text ?? 'a statement');
  const { query, connect } = pg.Pool.prototype as unknown as Record<
    'query' | 'connect',
    (...args: unknown[]) => unknown
  >;
  vi.spyOn(pg.Pool.prototype, 'query').mockImplementation(function (this: pg.Pool, ...args: unknown[]) {
    request.getStore()?.push(textOf(args[0]));
    return query.apply(this, args);
  } as never);
  vi.spyOn(pg.Pool.prototype, 'connect').mockImplementation(function (this: pg.Pool, ...args: unknown[]) {
    // The pool's own `query` connects by a callback.
    if (args.length === 0) request.getStore()?.push('a transaction');
    return connect.apply(this, args);
  } as never);
  afterAll(() => {
    unsubscribe('http.server.request.start', onRequest);
    vi.restoreAllMocks();
  });
  return {
    of: async (work) => {
      counted = [];
      await work();
      return counted;
    },
  };
}
