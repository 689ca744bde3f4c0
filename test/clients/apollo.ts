import { ApolloClient, gql, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { FOLLOW, type Followed, type Follower, follow, socketUrl, type Target } from './follow.js';

/** Follows by Apollo Client over its graphql-ws link. */
export function followByApollo({ url, token }: Target, from: string): Follower {
  const sockets = createClient({
    url: () => socketUrl(url()),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
  const client = new ApolloClient({ link: new GraphQLWsLink(sockets), cache: new InMemoryCache() });
  const query = gql(FOLLOW);
  return follow(from, ({ after, take, stopping }) => {
    // A result is an event, not the state of an object: the cache has no part in it.
    const results = client.subscribe<{ meshEvents: Followed }>({
      query,
      variables: { after },
      fetchPolicy: 'no-cache',
    });
    return new Promise<void>((resolve, reject) => {
      const subscription = results.subscribe({
        next: ({ data, error }) => (data ? take(data.meshEvents) : reject(error)),
        error: reject,
        complete: resolve,
      });
      stopping.addEventListener('abort', () => end(resolve), { once: true });
      const end = (done: () => void): void => {
        subscription.unsubscribe();
        done();
      };
    });
  });
}
