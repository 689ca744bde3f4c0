import {
  createSourceEventStream,
  type ExecutionArgs,
  GraphQLInt,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql';
import { expect, test } from 'vitest';
import { type FanOut, openFanOut } from '../../src/events/fan-out.js';
import { openHistory } from '../../src/events/history.js';
import type { Rendered } from '../../src/events/subscription.js';
import type { LogEvent } from '../../src/events/types.js';
import { createLog } from '../../src/server/log.js';
import { prepareSubscription, type StreamSession } from '../../src/server/subscription.js';
import { noTrustedDocuments } from '../../src/server/trusted-documents.js';

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

/** What a subscription's resolver is given here in place of the product's context. */
interface Opened {
  open(): AsyncIterableIterator<never>;
}

function schemaOver(read: (seq: bigint) => Promise<number>): GraphQLSchema {
  const query = new GraphQLObjectType({ name: 'Query', fields: { nothing: { type: GraphQLString } } });
  const meshEvents = {
    type: new GraphQLNonNull(GraphQLInt),
    subscribe: (_: unknown, __: unknown, context: Opened) => context.open(),
    resolve: ({ seq }: LogEvent) => read(seq),
  };
  const subscription = new GraphQLObjectType({ name: 'Subscription', fields: { meshEvents } });
  return new GraphQLSchema({ query, subscription });
}

/** One who subscribes to what is made for him alone; answers what reaches him. */
async function subscribe(fanOut: FanOut, schema: GraphQLSchema): Promise<string[]> {
  const heard: string[] = [];
  const session: StreamSession = {
    expiresAt: new Date(Date.now() + 60_000),
    ended: new AbortController().signal,
    admit: async () => undefined,
    close: () => undefined,
    contextOf: ({ render, outlet, key }) => ({
      open: () =>
        fanOut.open({
          ...{ key, outlet, subject: 'ada', personal: true, viewerClass: () => 'class', reach: () => 'ALL' },
          render: (event) => render(event, true),
        }),
    }),
  };
  const args = await prepareSubscription({
    rules: { schema, introspection: true, trusted: noTrustedDocuments },
    session,
    request: { query: 'subscription { meshEvents }' },
    signal: new AbortController().signal,
    outlet: {
      send: (results: readonly Rendered[]) => {
        heard.push(...results.map(({ json }) => json.toString()));
        return true;
      },
      whenReady: () => undefined,
    },
    log: createLog({ level: 'silent' }),
  });
  const source = (await createSourceEventStream(args as ExecutionArgs)) as AsyncIterableIterator<unknown>;
  void source.next();
  return heard;
}

const eventOf = (n: number): LogEvent =>
  ({
    seq: BigInt(n),
    id: `event-${n}`,
    audience: { public: true, domains: [], subjects: [] },
  }) as Partial<LogEvent> as LogEvent;

/** One result as its subscriber gets it. */
interface Heard {
  data: unknown;
  errors?: { extensions: { code: string } }[];
}

/** As Postgres ends a statement at its time limit. */
const timedOut = () => Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });

test.each([
  ['could not be read', () => new Error('terminating connection due to administrator command')],
  ['took too long to read', timedOut],
])('an event comes though what it refers to %s at the moment when it came', async (_, failure) => {
  const fanOut = openFanOut(openHistory({ head: 0n, read: async () => [] }));
  let down = false;
  const schema = schemaOver(async (seq) => {
    if (down) throw failure();
    return Number(seq);
  });
  const heard = await subscribe(fanOut, schema);
  fanOut.offer(eventOf(1));
  await settled();
  down = true;
  fanOut.offer(eventOf(2));
  await settled();
  fanOut.offer(eventOf(3));
  await settled();
  expect(heard).toEqual(['{"data":{"meshEvents":1}}']);
  down = false;
  await expect.poll(() => heard.length).toBe(3);
  expect(heard).toEqual([1, 2, 3].map((n) => `{"data":{"meshEvents":${n}}}`));
});

test('an event that can never be read is sent with its errors after a while, and those after it come', async () => {
  const history = openHistory({ head: 0n, read: async () => [] });
  const fanOut = openFanOut(history, { retriedForMs: 100 });
  const schema = schemaOver(async (seq) => {
    if (seq % 2n === 0n) throw timedOut();
    return Number(seq);
  });
  const heard = await subscribe(fanOut, schema);
  for (let n = 1; n <= 7; n += 1) fanOut.offer(eventOf(n));
  await expect.poll(() => heard.length, { timeout: 5_000 }).toBe(7);
  const results = heard.map((text): Heard => JSON.parse(text));
  expect(results.map(({ data }) => data)).toEqual(
    [1, null, 3, null, 5, null, 7].map((meshEvents) => meshEvents && { meshEvents }),
  );
  expect(results.map(({ errors }) => errors?.[0]?.extensions.code)).toEqual(
    results.map(({ data }) => (data === null ? 'QUERY_TOO_COSTLY' : undefined)),
  );
});
