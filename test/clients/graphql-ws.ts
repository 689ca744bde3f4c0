import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { type Follower, follow, socketUrl, type Target, takeEach } from './follow.js';

/** Follows by a plain client of graphql-ws. */
export function followByGraphqlWs({ url, token }: Target, from: string): Follower {
  return follow(from, async (connection) => {
    const client = createClient({
      url: socketUrl(url()),
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${token}` },
      retryAttempts: 0,
    });
    try {
      await takeEach(connection, { client, stop: () => client.terminate() });
    } finally {
      await client.dispose();
    }
  });
}
