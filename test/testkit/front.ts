import { setTimeout as sleep } from 'node:timers/promises';
import {
  GraphQLError,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql';
import { GraphQLJSON } from 'graphql-scalars';
import { afterAll } from 'vitest';
import type { Config } from '../../src/server/config.js';
import { createConnections } from '../../src/server/connections.js';
import { type EventStreams, serveEventStreams } from '../../src/server/event-stream.js';
import { createHealth } from '../../src/server/health.js';
import { createHttp } from '../../src/server/http.js';
import { type IncomingRequest } from '../../src/server/incoming.js';
import { createLog } from '../../src/server/log.js';
import { type Admit, createAllowance, pointsOf, type Rate } from '../../src/server/rates.js';
import type { StreamSession } from '../../src/server/subscription.js';
import { noTrustedDocuments, type TrustedDocuments } from '../../src/server/trusted-documents.js';
import { serveWebSockets, type WebSockets } from '../../src/server/websocket.js';

/** The server's front over a small schema: HTTP, WebSocket and server-sent events, as the product joins them. */
export interface Front {
  /** The GraphQL URL. */
  url: string;
  sockets: WebSockets;
  streams: EventStreams;
  /** How many resolvers of the root ran since it was set. */
  ran: { resolvers: number };
  /** What readiness says of the database. */
  database: { up: boolean; asked: number };
  /** Removes a viewer: his sessions end. */
  remove(subject: string): void;
  /** Sessions that were opened and not closed. */
  readonly sessions: number;
  /** Ends it as the product is ended; once for all. */
  stop(): Promise<void>;
}

/** Who is asked for, and how the front differs from a server on loopback in development. */
export interface FrontOptions {
  config?: Partial<Parameters<typeof createHttp>[0]['config']>;
  rate?: Rate;
  /** Sockets and streams of a viewer. */
  most?: number;
  trusted?: TrustedDocuments;
  /** In place of the small one; its resolvers have nothing to work on. */
  schema?: GraphQLSchema;
  /** How long a subscriber's session takes to open, in ms. */
  signInMs?: number;
  /** How long its end waits for a client, in ms. */
  closingMs?: number;
}

/** Starts it; it goes away after the file's tests. `Bearer <name>` is who asks, `Bearer <name> <milliseconds>` expires. */
export async function startFront({
  config: given = {},
  rate,
  most = 2_000,
  trusted = noTrustedDocuments,
  schema: givenSchema,
  signInMs = 0,
  closingMs = 10_000,
}: FrontOptions = {}): Promise<Front> {
  const ran = { resolvers: 0 };
  const database = { up: true, asked: 0 };
  const connections = createConnections(most);
  const watching = new Map<AbortController, string>();
  const log = createLog({ level: 'silent' });
  const config: Parameters<typeof createHttp>[0]['config'] & Pick<Config, 'publicUrl'> = {
    host: '127.0.0.1',
    port: 0,
    introspection: true,
    graphiql: true,
    allowedOrigins: ['https://portal.test'],
    publicUrl: null,
    ...given,
  };
  const schema = givenSchema ?? schemaOf(ran);
  const admit: Admit = rate ? createAllowance(rate).admit : async () => undefined;
  const contextOf = async (request: IncomingRequest) => {
    const { subject } = signIn(request);
    await admit(subject);
    return { subject };
  };
  const charge = async ({ subject }: { subject: string }, nodes: number) => admit(subject, pointsOf(nodes));
  const check = async () => {
    database.asked += 1;
    if (!database.up) throw new Error('no connection to postgres://secret');
  };
  const health = createHealth({ database: check }, { log });
  const http = await createHttp({ config, log, health, closingMs, api: { schema, trusted, contextOf, charge } });
  const open = async (request: IncomingRequest): Promise<StreamSession> => {
    const { subject, expiresAt } = signIn(request);
    const leave = connections.open(subject);
    const ended = new AbortController();
    if (signInMs > 0) await sleep(signInMs);
    watching.set(ended, subject);
    return {
      expiresAt,
      ended: ended.signal,
      admit: (nodes = 0) => admit(subject, 1 + pointsOf(nodes)),
      contextOf: ({ signal, resumeAfter }) => ({ subject, signal, resumeAfter }),
      close: () => {
        leave();
        watching.delete(ended);
      },
    };
  };
  const rules = { schema, introspection: config.introspection, trusted };
  const sockets = serveWebSockets({ server: http.app.server, rules, config, log, open });
  const cursorOf = (event: unknown) => `c${(event as { count: number }).count}`;
  const streams = serveEventStreams(http.app, { rules, log, open, cursorOf });
  const url = `http://127.0.0.1:${await http.listen()}/graphql`;
  let stopped: Promise<void> | undefined;
  const drained = async (): Promise<void> => {
    await sockets.drain(500);
    await streams.drain();
    await http.close();
  };
  const stop = (): Promise<void> => (stopped ??= drained());
  afterAll(stop);
  const remove = (gone: string): void => {
    for (const [ended, subject] of watching) if (subject === gone) ended.abort('Removed from a domain');
  };
  return {
    ...{ url, sockets, streams, ran, database, remove, stop },
    get sessions() {
      return watching.size;
    },
  };
}

function signIn({ authorization }: IncomingRequest): { subject: string; expiresAt: Date } {
  const [, subject, lives] = /^Bearer (\w+) ?(\d+)?$/.exec(authorization ?? '') ?? [];
  if (!subject) {
    throw new GraphQLError('Send a token.', { extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } } });
  }
  return { subject, expiresAt: new Date(Date.now() + Number(lives ?? 60_000)) };
}

function schemaOf(ran: { resolvers: number }): GraphQLSchema {
  const counted = <T>(value: T) => {
    ran.resolvers += 1;
    return value;
  };
  const item: GraphQLObjectType = new GraphQLObjectType({
    name: 'Item',
    fields: () => ({
      name: { type: GraphQLString, resolve: () => 'one' },
      parent: { type: item, resolve: () => ({}) },
      items: {
        type: connection,
        args: { first: { type: new GraphQLNonNull(GraphQLInt) } },
        resolve: () => ({ nodes: [{}] }),
      },
      tags: { type: new GraphQLList(item), resolve: () => [] },
    }),
  });
  const connection = new GraphQLObjectType({
    name: 'ItemConnection',
    fields: { nodes: { type: new GraphQLList(item) } },
  });
  const ItemFilter = new GraphQLInputObjectType({ name: 'ItemFilter', fields: { owner: { type: GraphQLString } } });
  const query = new GraphQLObjectType({
    name: 'Query',
    fields: {
      item: { type: item, resolve: () => counted({}) },
      echo: {
        type: GraphQLString,
        args: {
          text: { type: GraphQLString },
          texts: { type: new GraphQLList(GraphQLString) },
          number: { type: GraphQLInt },
          json: { type: GraphQLJSON },
          filter: { type: ItemFilter },
        },
        resolve: (_, { text }: { text?: string }) => counted(text ?? 'nothing'),
      },
      whoami: { type: GraphQLString, resolve: (_, __, context: { subject: string }) => counted(context.subject) },
      secret: {
        type: GraphQLString,
        resolve: () => {
          throw new Error('password=hunter2');
        },
      },
    },
  });
  const subscription = new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      count: {
        type: GraphQLInt,
        args: { to: { type: GraphQLInt }, filter: { type: ItemFilter }, json: { type: GraphQLJSON } },
        subscribe: async function* (_, { to }: { to: number }, context: { signal: AbortSignal; resumeAfter?: string }) {
          const last = Number(context.resumeAfter?.slice(1) ?? 0);
          for (let count = last + 1; count <= to; count += 1) yield { count };
          if (to === 0) await new Promise((done) => context.signal.addEventListener('abort', done));
        },
      },
      item: { type: item, subscribe: async function* () {} },
      large: {
        type: GraphQLString,
        subscribe: async function* (_, __, { signal }: { signal: AbortSignal }) {
          for (let sent = 1; !signal.aborted; sent += 1) {
            ran.resolvers = sent;
            yield { large: 'x'.repeat(100_000) };
          }
        },
      },
      interrupted: {
        type: GraphQLInt,
        subscribe: async function* () {
          yield { interrupted: 1 };
          const extensions = { code: 'STREAM_INTERRUPTED', cursor: 'c1' };
          throw new GraphQLError('Subscribe again.', { extensions });
        },
      },
      leak: {
        type: GraphQLInt,
        subscribe: () => {
          throw new Error('password=hunter2');
        },
      },
    },
  });
  const mutation = new GraphQLObjectType({
    name: 'Mutation',
    fields: { change: { type: GraphQLString, resolve: () => counted('changed') } },
  });
  return new GraphQLSchema({ query, mutation, subscription });
}
