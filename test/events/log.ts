import { randomUUID } from 'node:crypto';
import pino from 'pino';
import { afterAll } from 'vitest';
import { append, type EventHead, type NewEvent } from '../../src/events/append.js';
import { startListener } from '../../src/events/listen.js';
import { startSequencer } from '../../src/events/sequencer.js';
import { type EventType, SYSTEM_ACTOR } from '../../src/events/types.js';
import type { Prisma } from '../../src/generated/prisma/client.js';
import { type Database, openDatabase } from '../../src/server/database.js';
import { createTestDatabase, type TestDatabase } from '../testkit/database.js';

export const silent = pino({ level: 'silent' });

/** A database with a pool of the server's role, a pool of the owner, and a sequencer at work where asked for. */
export interface TestLog extends Database {
  urls: TestDatabase;
  owner: Database;
  sequencer: ReturnType<typeof startSequencer>;
  listener: ReturnType<typeof startListener>;
  /** Ends all that is connected to it; the database stays. */
  disconnect(): Promise<void>;
}

/** Opens an empty one, or a copy of the database that was prepared. */
export async function openTestLog({ poolSize = 10, from = 'meshgate' } = {}): Promise<TestLog> {
  const urls = await createTestDatabase({ madeUp: true, from });
  const database = openDatabase(urls.serverUrl, { poolSize });
  const owner = openDatabase(urls.ownerUrl, { poolSize: 2 });
  const sequencer = startSequencer({ pool: database.pool, log: silent });
  const listener = startListener({ databaseUrl: urls.serverUrl, log: silent });
  const disconnect = async (): Promise<void> => {
    await Promise.all([sequencer.stop(), listener.stop()]);
    await Promise.all([database.close(), owner.close()]);
  };
  return {
    ...database,
    urls,
    owner,
    sequencer,
    listener,
    disconnect,
    close: async () => {
      await disconnect();
      await urls.leave();
    },
  };
}

/** Fills a log once for all tests of a file; answers the database to open copies from. Call it where the file begins. */
export async function prepareLog(fill: (log: TestLog) => Promise<void>): Promise<string> {
  const log = await openTestLog();
  await fill(log);
  await log.disconnect();
  afterAll(() => log.urls.leave());
  return log.urls.name;
}

/** An event about a made-up product, everything overridable. */
export function someEvent(change: Partial<MadeUp> = {}): NewEvent {
  const subjectId = change.subjectId ?? randomUUID();
  return {
    type: 'DataProductUpdated',
    subject: { type: 'DataProduct', id: `product:${subjectId}`, name: 'orders', domain: 'commerce' },
    subjectId,
    domainId: null,
    audience: { public: true, domains: [], subjects: [] },
    actor: SYSTEM_ACTOR,
    correlationId: randomUUID(),
    data: {},
    ...change,
  } as NewEvent;
}

/** The log carries whatever it is given; what events of the mesh say is another matter. */
type MadeUp = EventHead & { type: EventType; data: Record<string, unknown> };

/** Commits events in transactions of `batch`, pokes the sequencer after each, and answers their ids. */
export async function write(log: TestLog, events: NewEvent[], batch = 100): Promise<string[]> {
  const ids: string[] = [];
  for (let start = 0; start < events.length; start += batch) {
    await log.prisma.$transaction(
      async (tx: Prisma.TransactionClient) => {
        for (const event of events.slice(start, start + batch)) ids.push(await append(tx, event));
      },
      { timeout: 20_000 },
    );
    log.sequencer.poke();
  }
  return ids;
}

export function someEvents(count: number, change: Partial<MadeUp> = {}): NewEvent[] {
  return Array.from({ length: count }, (_, n) => someEvent({ data: { n }, ...change }));
}

/** The last number given; read as the owner, so that tests may cut every connection of the server's role. */
export async function headOf(log: TestLog): Promise<number> {
  return Number((await log.owner.prisma.eventHead.findUniqueOrThrow({ where: { id: 1 } })).seq);
}

/** Waits until the log's head has this number. */
export async function headReaches(log: TestLog, seq: number): Promise<void> {
  await until(async () => (await headOf(log)) >= seq);
}

/** Cuts every other connection of the server's role to this database. */
export async function cutConnections(log: TestLog): Promise<void> {
  await log.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`,
  );
}

let accounts = 100_000_000_000;

/** A domain of that name, in an account of its own; answers its uuid. */
export async function createDomain(log: TestLog, name: string): Promise<string> {
  accounts += 1;
  const { id } = await log.prisma.domain.create({
    data: {
      name,
      displayName: name,
      awsAccountId: String(accounts),
      awsRegion: 'eu-west-1',
      roleArn: `arn:aws:iam::${accounts}:role/meshgate`,
      externalId: name,
      dataLocation: `s3://${name}`,
      eventBusName: 'data-mesh-bus',
    },
  });
  return id;
}

/** Waits until the condition holds; fails after the deadline. */
export async function until(condition: () => boolean | Promise<boolean>, deadlineMs = 10_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('The condition did not come true in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Takes this many events from an iteration, then leaves it. */
export async function take<Event>(events: AsyncIterable<Event>, count: number): Promise<Event[]> {
  const taken: Event[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

/** The numbers first, first + 1, ... last. */
export function numbers(first: number, last: number): bigint[] {
  return Array.from({ length: last - first + 1 }, (_, index) => BigInt(first + index));
}
