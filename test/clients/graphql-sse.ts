import { createClient, NetworkError } from 'graphql-sse';
import { FOLLOW, type Followed, type Follower, follow, type Target } from './follow.js';

/** Follows by the client of graphql-sse. Its own retries are off: they would repeat the first cursor, as it sends no `Last-Event-ID`. */
export function followByGraphqlSse({ url, token }: Target, from: string): Follower {
  return follow(from, async ({ after, take, stopping }) => {
    const client = createClient({
      url: `${url()}/stream`,
      headers: { authorization: `Bearer ${token}` },
      retryAttempts: 0,
    });
    const stop = (): void => client.dispose();
    stopping.addEventListener('abort', stop, { once: true });
    try {
      for await (const { data, errors } of client.iterate<{ meshEvents: Followed }>({
        query: FOLLOW,
        variables: { after },
      })) {
        if (!data) throw errors;
        take(data.meshEvents);
      }
    } catch (reason) {
      // Refused before it began: the errors are in the answer, which ends with the client.
      if (!(reason instanceof NetworkError && reason.response instanceof Response)) throw reason;
      throw ((await reason.response.json()) as { errors: unknown }).errors;
    } finally {
      stopping.removeEventListener('abort', stop);
      client.dispose();
    }
  });
}
