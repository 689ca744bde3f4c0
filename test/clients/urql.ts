import { Client, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { FOLLOW, type Followed, type Follower, follow, socketUrl, type Target } from './follow.js';

/** Follows by urql, whose subscription exchange takes a client of graphql-ws. */
export function followByUrql({ url, token }: Target, from: string): Follower {
  const sockets = createClient({
    url: () => socketUrl(url()),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
  const exchange = subscriptionExchange({
    forwardSubscription: ({ query = '', variables }) => ({
      subscribe: (sink) => ({
        unsubscribe: sockets.subscribe({ query, variables: variables as Record<string, unknown> }, sink as never),
      }),
    }),
  });
  return follow(from, ({ after, take, stopping }) => {
    const client = new Client({ url: url(), exchanges: [exchange], preferGetMethod: false });
    return new Promise<void>((resolve, reject) => {
      const subscription = client
        .subscription<{ meshEvents: Followed }>(FOLLOW, { after })
        .subscribe(({ data, error, hasNext }) => {
          if (error) reject(error);
          else if (data) take(data.meshEvents);
          if (hasNext === false) resolve();
        });
      stopping.addEventListener(
        'abort',
        () => {
          subscription.unsubscribe();
          resolve();
        },
        { once: true },
      );
    });
  });
}
