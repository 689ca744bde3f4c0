import { type Client, createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { until } from '../../src/demo/client.js';
import { graphql } from '../../src/generated/graphql/gql.js';
import type { KitEventsSubscription } from '../../src/generated/graphql/graphql.js';

const Events = graphql(`
  subscription KitEvents($after: EventCursor) {
    meshEvents(after: $after) { sequence cursor type subject { id } }
  }
`);

/** Cut while it still connects, a socket fails, and by then graphql-ws has stopped listening. */
class CutSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    this.on('error', () => undefined);
  }
}

/** One event of a stream. */
export type StreamedEvent = KitEventsSubscription['meshEvents'];

/** A reader of `meshEvents` that keeps all it hears and never connects again by itself. */
export interface EventStream {
  heard: StreamedEvent[];
  hear(passes: (event: StreamedEvent, index: number) => boolean): Promise<void>;
  /** Waits until the event of this number, or a later one, was heard. */
  heardUpTo(sequence: number): Promise<void>;
  /** Cuts the socket without a word and goes on after the last event heard. */
  dropAndResume(): void;
  drop(): void;
  /** How the server closed the socket. */
  closed(): Promise<{ code: number; reason: string }>;
}

/** Opens it after this cursor; null: with the next event. */
export function openEventStream(options: { graphql: string; token: string; after: string | null }): EventStream {
  const heard: StreamedEvent[] = [];
  let failure: unknown;
  let closing: { code: number; reason: string } | undefined;
  let client = connect();

  function connect(): Client {
    const opened: Client = createClient({
      url: options.graphql.replace(/^http/, 'ws'),
      webSocketImpl: CutSocket,
      connectionParams: { authorization: `Bearer ${options.token}` },
      lazy: false,
      retryAttempts: 0,
      onNonLazyError: () => undefined,
      on: {
        closed: (event) => {
          const { code, reason } = event as { code: number; reason: string };
          if (opened === client) closing = { code, reason };
        },
      },
    });
    const after = heard.at(-1)?.cursor ?? options.after;
    opened.subscribe<KitEventsSubscription>(
      { query: Events.toString(), variables: { after } },
      {
        next: ({ data, errors }) => {
          // What a cut socket still had in its buffer was lost on its way.
          if (opened !== client) return;
          if (data) heard.push(data.meshEvents);
          else failure = new Error(JSON.stringify(errors));
        },
        error: (error) => {
          if (opened === client) failure = error;
        },
        complete: () => undefined,
      },
    );
    return opened;
  }

  function drop(): void {
    client.terminate();
    void client.dispose();
  }

  const waitFor = async (what: string, passes: () => boolean): Promise<void> => {
    await until(
      what,
      async () => {
        if (passes()) return true;
        if (failure) throw failure;
        return undefined;
      },
      15_000,
    );
  };
  return {
    heard,
    hear: (passes) => waitFor('the event is heard', () => heard.some(passes)),
    heardUpTo: (sequence) =>
      waitFor(`event ${sequence} is heard`, () => Number(heard.at(-1)?.sequence ?? 0) >= sequence),
    dropAndResume: () => {
      const former = client;
      failure = undefined;
      closing = undefined;
      client = connect();
      former.terminate();
      void former.dispose();
    },
    drop,
    closed: () => until('the socket is closed', async () => closing, 15_000),
  };
}
