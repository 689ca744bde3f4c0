import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { appendAll, type NewEvent } from '../../src/events/append.js';
import { encodeCursor } from '../../src/events/cursor.js';
import { startSequencer } from '../../src/events/sequencer.js';
import { SYSTEM_ACTOR } from '../../src/events/types.js';
import { openDatabase } from '../../src/server/database.js';
import { createLog } from '../../src/server/log.js';
import { type Stack, startStack } from '../provisioning/stack.js';
import type { PeerKind } from './peers.js';
import { ask, type Connecting, now, waitFor } from './protocol.js';

/** Somebody whom subscribers connect to. */
export interface Server {
  name: string;
  url: string;
  pid: number;
  speaks: Connecting['speaks'];
  /** Sends so many events to all; answers when each was committed, or handed over. */
  send(count: number): Promise<number[]>;
}

/** The product with its database, the peers, and the processes that make the load. */
export interface Stage {
  ours: Server;
  peers: Server[];
  /** People whom the product knows. */
  tokens: string[];
  /** Starts so many processes that make load. */
  startLoads(count: number): ChildProcess[];
  /** Number of the last event of the log. */
  head(): Promise<number>;
  close(): Promise<void>;
}

const SUBJECTS = 200;
const DOMAINS = 10;
const script = fileURLToPath(import.meta.url);

/** Starts all of it. Two hundred people are members of ten domains, each of one: ten classes of viewers. */
export async function openStage(): Promise<Stage> {
  const stack = await startStack();
  const database = openDatabase(stack.databaseUrl, { poolSize: 4 });
  const sequencer = startSequencer({ pool: database.pool, log: createLog({ level: 'silent' }) });
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    for (const child of children) child.kill();
    await sequencer.stop();
    await database.close();
    await stack.close();
  };
  const start = (...args: string[]): ChildProcess => {
    const child = fork(script, args, { execArgv: ['--enable-source-maps'] });
    children.push(child);
    return child;
  };
  const append = async (events: NewEvent[]): Promise<void> => {
    for (let from = 0; from < events.length; from += 2_000)
      await appendAll(database.prisma, events.slice(from, from + 2_000));
    sequencer.poke();
  };
  try {
    const domains = await seedDomains(stack);
    return {
      ours: {
        name: 'ours',
        url: stack.graphql,
        pid: stack.apiPid,
        speaks: 'graphql-ws',
        send: async (count) => {
          await append(Array.from({ length: count }, () => eventFor(domains)));
          return Array<number>(count).fill(now());
        },
      },
      peers: await Promise.all((['raw', 'send', 'plain'] as const).map((kind) => startPeer(kind, start('peer', kind)))),
      tokens: await Promise.all(Array.from({ length: SUBJECTS }, (_, n) => stack.tokenOf(`reader-${n}`))),
      startLoads: (count) => Array.from({ length: count }, () => start('load')),
      head: async () => Number((await stack.query<{ seq: string }>('SELECT "seq" FROM "EventHead"'))[0]!.seq),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function seedDomains(stack: Stack): Promise<string[]> {
  const rows = await stack.query<{ id: string }>(
    `INSERT INTO "Domain" ("id", "name", "displayName", "awsAccountId", "awsRegion", "roleArn", "externalId", "dataLocation", "eventBusName", "updatedAt")
     SELECT gen_random_uuid(), 'domain-' || n, 'Domain ' || n, (200000000000 + n)::text, 'eu-west-1', 'arn:aws:iam::' || (200000000000 + n) || ':role/meshgate',
       'external-' || n, 's3://domain-' || n, 'data-mesh-bus', now()
     FROM generate_series(1, ${DOMAINS}) n RETURNING "id"`,
  );
  await stack.query(
    `INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
     SELECT gen_random_uuid(), ($1::uuid[])[1 + n % ${DOMAINS}], 'reader-' || n, 'MEMBER', 'bench' FROM generate_series(0, ${SUBJECTS} - 1) n`,
    [rows.map(({ id }) => id)],
  );
  return rows.map(({ id }) => id);
}

/** About one product; for the members of all the domains, so that every subscriber gets it by his membership. */
function eventFor(domains: string[]): NewEvent {
  const subjectId = crypto.randomUUID();
  return {
    type: 'DataProductUpdated',
    subject: { type: 'DataProduct', id: `product:${subjectId}`, name: 'orders', domain: 'domain-1' },
    subjectId,
    domainId: domains[0]!,
    audience: { public: false, domains, subjects: [] },
    actor: SYSTEM_ACTOR,
    correlationId: crypto.randomUUID(),
    data: {
      ...{ dataProduct: `product:${subjectId}`, tags: ['orders', 'shop'], classification: 'INTERNAL' },
      before: { description: 'Every order placed in the shops.' },
      after: { description: 'Every order placed in the shops and the app, with its lines.' },
    },
  };
}

/** The same bytes as ours: the number is as long, and so is everything else. */
const EVENT = {
  sequence: '1000',
  id: crypto.randomUUID(),
  cursor: encodeCursor(1_000n),
  type: 'DATA_PRODUCT_UPDATED',
  occurredAt: new Date().toISOString(),
  correlationId: crypto.randomUUID(),
  actor: { kind: 'SYSTEM', subject: 'meshgate', name: 'Meshgate' },
  data: {
    ...{ dataProduct: `product:${crypto.randomUUID()}`, tags: ['orders', 'shop'], classification: 'INTERNAL' },
    before: { description: 'Every order placed in the shops.' },
    after: { description: 'Every order placed in the shops and the app, with its lines.' },
  },
};

async function startPeer(kind: PeerKind, child: ChildProcess): Promise<Server> {
  // One that falls behind its pace has many events under way.
  child.setMaxListeners(0);
  const { url } = await waitFor<{ kind: 'ready'; url: string }>(child, 'ready');
  return {
    name: kind,
    url,
    pid: child.pid!,
    speaks: kind === 'plain' ? 'graphql-ws' : 'nothing',
    send: async (count) => {
      const at = now();
      await ask(child, { kind: 'send', event: EVENT, count }, 'sent');
      return Array<number>(count).fill(at);
    },
  };
}
