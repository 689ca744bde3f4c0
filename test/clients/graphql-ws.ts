import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { FOLLOW, type Followed, type Follower, follow, socketUrl, type Target } from './follow.js';

/** Follows by a plain client of graphql-ws. */
export function followByGraphqlWs({ url, token }: Target, from: string): Follower {
  return follow(from, async ({ after, take, stopping }) => {
    const client = createClient({
      url: socketUrl(url()),
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${token}` },
      retryAttempts: 0,
    });
    const stop = (): void => client.terminate();
    stopping.addEventListener('abort', stop, { once: true });
    try {
      for await (const { data, errors } of client.iterate<{ meshEvents: Followed }>({
        query: FOLLOW,
        variables: { after },
      })) {
        if (!data) throw errors;
        take(data.meshEvents);
      }
    } finally {
      stopping.removeEventListener('abort', stop);
      await client.dispose();
    }
  });
}
