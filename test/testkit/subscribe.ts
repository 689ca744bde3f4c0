import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { until } from '../../src/demo/client.js';

/** One subscription over graphql-ws that keeps all it gets. */
export interface Subscribed<Data> {
  heard: Data[];
  /** `extensions.code` and message of what ended it, or came with an answer. */
  errors: { code: string; message: string }[];
  /** Waits until what was heard passes. */
  hears(passes: (heard: Data[]) => boolean): Promise<void>;
  /** Resolves once the server ended it, with errors or without. */
  ended: Promise<void>;
  stop(): void;
}

/** Subscribes as the bearer of the token; a test ends it, or its file's end does. */
export function subscribeTo<Data>(
  { graphql, token }: { graphql: string; token: string },
  query: string,
  variables: Record<string, unknown> = {},
): Subscribed<Data> {
  const client = createClient({
    url: graphql.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
  });
  const heard: Data[] = [];
  const errors: { code: string; message: string }[] = [];
  const keep = (failures: readonly { message: string; extensions?: Record<string, unknown> | undefined }[]) => {
    for (const { message, extensions } of failures) errors.push({ code: String(extensions?.code), message });
  };
  const ended = new Promise<void>((resolve) => {
    client.subscribe<Data>(
      { query, variables },
      {
        next: (answer) => {
          if (answer.data) heard.push(answer.data);
          keep(answer.errors ?? []);
        },
        error: (failure) => {
          keep(Array.isArray(failure) ? failure : [{ message: String((failure as { reason?: string }).reason) }]);
          resolve();
        },
        complete: resolve,
      },
    );
  });
  return {
    heard,
    errors,
    ended,
    hears: async (passes) => {
      await until('what was subscribed to is heard', async () => (passes(heard) ? true : undefined), 20_000).catch(
        (error: unknown) => {
          throw new Error(`${(error as Error).message}: heard ${JSON.stringify(heard)} ${JSON.stringify(errors)}`);
        },
      );
    },
    stop: () => void client.dispose(),
  };
}
