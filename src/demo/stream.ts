import { type Client, createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { DomainEventsDocument, MeshEventsDocument } from './documents.js';

/** What the tour keeps of an event. */
export interface HeardEvent {
  sequence: string;
  cursor: string;
  type: string;
  data: unknown;
  subjectId: string | null;
}

/** A subscriber that remembers what it heard, and can drop its socket and resume. */
export interface Stream {
  heard: HeardEvent[];
  /** Resolves once an event passes; rejects after the deadline. */
  hear(what: string, passes: (event: HeardEvent) => boolean, deadlineMs?: number): Promise<HeardEvent>;
  /** Drops the socket without a word and goes on after the last event heard, on a new one. */
  dropAndResume(): void;
  close(): Promise<void>;
}

const connectTo = (graphqlUrl: string, token: string): Client =>
  createClient({
    url: graphqlUrl.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 5,
  });

/** What a domain's own systems told. */
export interface DomainEvent {
  source: string;
  detailType: string;
  detail: unknown;
}

/** Subscribes to `domainEvents` behind a cursor, and answers the first event that comes. */
export async function hearDomainEvent(
  graphqlUrl: string,
  token: string,
  variables: { domain: string; after: string },
): Promise<DomainEvent> {
  const client = connectTo(graphqlUrl, token);
  try {
    const query = DomainEventsDocument.toString();
    for await (const { data, errors } of client.iterate<{ domainEvents: DomainEvent }>({ query, variables })) {
      if (errors) throw new Error(errors.map(({ message }) => message).join('; '));
      if (data) return data.domainEvents;
    }
    throw new Error('The stream of what the domain tells came to its end.');
  } finally {
    await client.dispose();
  }
}

/** Subscribes to `meshEvents` over graphql-ws. */
export function openStream(graphqlUrl: string, token: string): Stream {
  const heard: HeardEvent[] = [];
  const waiting = new Set<() => void>();
  let failure: unknown;
  let client = connect();

  function connect(): Client {
    const opened = connectTo(graphqlUrl, token);
    const variables = { after: heard.at(-1)?.cursor ?? null };
    opened.subscribe<{ meshEvents: HeardEvent & { subject: { id: string } | null } }>(
      { query: MeshEventsDocument.toString(), variables },
      {
        next: ({ data, errors }) => {
          if (errors) failure = new Error(errors.map(({ message }) => message).join('; '));
          if (data) {
            const { subject, ...event } = data.meshEvents;
            heard.push({ ...event, subjectId: subject?.id ?? null });
          }
          for (const wake of waiting) wake();
        },
        error: (error) => {
          if (opened === client) failure = error;
          for (const wake of waiting) wake();
        },
        complete: () => undefined,
      },
    );
    return opened;
  }

  return {
    heard,
    hear: (what, passes, deadlineMs = 60_000) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = heard.find(passes);
          if (!found && failure === undefined) return;
          end();
          if (found) resolve(found);
          else reject(failure);
        };
        const timer = setTimeout(() => {
          end();
          reject(new Error(`${what}: not heard within ${deadlineMs / 1000} s`));
        }, deadlineMs);
        const end = () => {
          clearTimeout(timer);
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    dropAndResume: () => {
      const former = client;
      client = connect();
      former.terminate();
      // Else the client would do what it is good at, and connect again.
      void former.dispose();
    },
    close: async () => {
      await client.dispose();
    },
  };
}
