import { createClient, NetworkError } from 'graphql-sse';
import { type Follower, follow, type Target, takeEach } from './follow.js';

/** Follows by the client of graphql-sse. Its own retries are off: they would repeat the first cursor, as it sends no `Last-Event-ID`. */
export function followByGraphqlSse({ url, token }: Target, from: string): Follower {
  return follow(from, async (connection) => {
    const client = createClient({
      url: `${url()}/stream`,
      headers: { authorization: `Bearer ${token}` },
      retryAttempts: 0,
    });
    try {
      await takeEach(connection, { client, stop: () => client.dispose() });
    } catch (reason) {
      // Refused before it began: the errors are in the answer, which ends with the client.
      if (!(reason instanceof NetworkError && reason.response instanceof Response)) throw reason;
      throw ((await reason.response.json()) as { errors: unknown }).errors;
    } finally {
      client.dispose();
    }
  });
}
