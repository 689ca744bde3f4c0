import { setTimeout as sleep } from 'node:timers/promises';

/** One event as these clients ask for it. */
export interface Followed {
  sequence: string;
  cursor: string;
  type: string;
}

export const FOLLOW = 'subscription Follow($after: EventCursor) { meshEvents(after: $after) { sequence cursor type } }';

/** Where and as whom a client connects; the URL is asked anew for each connection, as a balancer would send it elsewhere. */
export interface Target {
  /** `http://.../graphql` */
  url(): string;
  token: string;
}

/** A client that keeps all it hears until it is stopped. */
export interface Follower {
  heard: Followed[];
  /** How often it connected again. */
  reconnects: number;
  /** Why connections ended, where it was by an error. */
  failures: unknown[];
  stop(): Promise<void>;
}

/** What one connection is to do. */
export interface Connection {
  after: string;
  take: (event: Followed) => void;
  stopping: AbortSignal;
}

/** One connection: subscribes behind the cursor and resolves or rejects once it has ended, whatever the reason. */
export type Connect = (connection: Connection) => Promise<unknown>;

/** The code of the error that a client was told, as each of them hands it on. */
export function codeOf(failure: unknown): unknown {
  const { errors, graphQLErrors } = failure as Record<'errors' | 'graphQLErrors', unknown>;
  const told = (Array.isArray(failure) ? failure : (errors ?? graphQLErrors)) as { extensions?: { code?: unknown } }[];
  return told?.[0]?.extensions?.code;
}

/** Where the same cursor cannot help. */
const FOR_GOOD: ReadonlySet<unknown> = new Set(['RESYNC_REQUIRED', 'INVALID_CURSOR']);

/** Follows the log from a cursor on by connection after connection, each behind the last event heard, as docs/events.md says. */
export function follow(after: string, connect: Connect): Follower {
  const stopping = new AbortController();
  const follower: Follower = { heard: [], reconnects: -1, failures: [], stop: () => Promise.resolve() };
  const run = async (): Promise<void> => {
    let over = false;
    for (let tries = 0; !stopping.signal.aborted && !over; tries += 1) {
      follower.reconnects += 1;
      const cursor = follower.heard.at(-1)?.cursor ?? after;
      const take = (event: Followed): void => {
        follower.heard.push(event);
        tries = 0;
      };
      await connect({ after: cursor, take, stopping: stopping.signal }).catch((reason: unknown) => {
        follower.failures.push(reason);
        over = FOR_GOOD.has(codeOf(reason));
      });
      await sleep(Math.random() * Math.min(1_000, 50 * 2 ** tries), undefined, { signal: stopping.signal }).catch(
        () => undefined,
      );
    }
  };
  const ended = run();
  follower.stop = () => {
    stopping.abort();
    return ended;
  };
  return follower;
}

/** A client whose results are iterated; `stop` ends the iteration. */
interface Iterated {
  client: { iterate<D>(request: { query: string; variables: { after: string } }): AsyncIterable<Result<D>> };
  stop: () => void;
}
interface Result<D> {
  data?: D | null | undefined;
  errors?: readonly unknown[] | undefined;
}

/** Takes each event until the client comes to its end or is stopped; throws what it is told instead of an event. */
export async function takeEach({ after, take, stopping }: Connection, { client, stop }: Iterated): Promise<void> {
  stopping.addEventListener('abort', stop, { once: true });
  try {
    const results = client.iterate<{ meshEvents: Followed }>({ query: FOLLOW, variables: { after } });
    for await (const { data, errors } of results) {
      if (!data) throw errors;
      take(data.meshEvents);
    }
  } finally {
    stopping.removeEventListener('abort', stop);
  }
}

/** The same address for sockets. */
export const socketUrl = (url: string): string => url.replace(/^http/, 'ws');
