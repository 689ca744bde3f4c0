import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MeshEventFilter, matches, mayGet } from '../../src/events/filter.js';
import { readEvents } from '../../src/events/read.js';
import type { EventType, LogEvent } from '../../src/events/types.js';
import { Classification, DomainRole } from '../../src/generated/prisma/enums.js';
import type { Viewer } from '../../src/governance/context.js';
import { keysetCursor } from '../../src/governance/read/connection.js';
import { eventList } from '../../src/governance/read/event.js';
import { eventDataFor, eventDataSql } from '../../src/governance/read/event-data.js';
import { join, sql } from '../../src/governance/read/select.js';
import { headReaches, openTestLog, someEvent, type TestLog, write } from './log.js';

const DOMAINS = ['d0000000-0000-4000-8000-000000000001', 'd0000000-0000-4000-8000-000000000002'];
const PRODUCTS = ['f0000000-0000-4000-8000-000000000001', 'f0000000-0000-4000-8000-000000000002'];
const TYPES: EventType[] = ['DomainReady', 'AccessRequested', 'DataProductUpdated'];
const ABOUT = ['DataProduct', 'AccessRequest', 'AccessGrant', 'Resource', 'QuarantinedEvent'] as const;
const SUBJECTS = ['ana', 'ben'];
const TAGS = ['pii', 'orders'];
const CLASSES = Object.values(Classification);

const anyOf = <T>(values: readonly T[]) => fc.option(fc.subarray([...values]), { nil: undefined });
const filters: fc.Arbitrary<MeshEventFilter> = fc.record({
  types: anyOf(TYPES),
  domains: anyOf(DOMAINS),
  dataProducts: anyOf(PRODUCTS),
  tags: anyOf(TAGS),
  minimumClassification: fc.option(fc.constantFrom(...CLASSES), { nil: undefined }),
  mine: fc.option(fc.boolean(), { nil: null }),
});
const viewers = fc.record({
  admin: fc.boolean(),
  memberships: fc
    .tuple(fc.subarray(DOMAINS), fc.constantFrom(...Object.values(DomainRole)))
    .map(([ids, role]) => new Map(ids.map((id) => [id, role]))),
  deputyships: fc.subarray(DOMAINS).map((ids) => ids.map((domainId) => ({ domainId }))),
  subject: fc.constantFrom(...SUBJECTS, 'nobody'),
});

let log: TestLog;
let events: LogEvent[];
beforeAll(async () => {
  log = await openTestLog();
  const classification = fc.constantFrom<unknown>(...CLASSES, 7);
  const before = fc.option(fc.record({ classification }, { requiredKeys: [] }));
  const classified = fc.record({ classification, before }, { requiredKeys: [] });
  const told = fc.record({
    kind: fc.constant('LfGrant'),
    principals: fc.constant(['somebody']),
    reason: fc.constant('x'),
  });
  const some = fc.record({
    subject: fc.constantFrom(...ABOUT).map((type) => ({ type, id: 'x', name: 'x', domain: null })),
    type: fc.constantFrom(...TYPES),
    domainId: fc.constantFrom(null, ...DOMAINS),
    productId: fc.constantFrom(null, ...PRODUCTS),
    actor: fc
      .constantFrom(...SUBJECTS)
      .map((subject) => ({ kind: 'USER' as const, subject, name: null, tokenId: null, address: null })),
    audience: fc.record({ public: fc.boolean(), domains: fc.subarray(DOMAINS), subjects: fc.subarray(SUBJECTS) }),
    data: fc.oneof(
      fc.constant({}),
      fc.constant({ tags: 'pii' }),
      fc.record({ tags: fc.subarray(TAGS) }),
      classified,
      told,
    ),
  });
  await write(log, fc.sample(some, { numRuns: 150, seed: 7 }).map(someEvent));
  await headReaches(log, 150);
  events = await readEvents(log.pool, { after: 0n, limit: 1_000 });
});
afterAll(() => log.close());

async function select(condition: string, values: unknown[]): Promise<bigint[]> {
  const { rows } = await log.pool.query<{ seq: string }>(
    `SELECT "seq" FROM "Event" WHERE ${condition} ORDER BY "seq"`,
    values,
  );
  return rows.map(({ seq }) => BigInt(seq));
}

test('a filter means in the process what it means in SQL', async () => {
  await fc.assert(
    fc.asyncProperty(filters, fc.constantFrom(...SUBJECTS), async (filter, subject) => {
      const viewer = { subject } as Viewer;
      const conditions = eventList(keysetCursor).filter(sql`"Event"`, { filter }, viewer);
      const { text, values } = join([sql`true`, ...conditions], ' AND ');
      const selected = await select(text, values);
      expect(events.filter(matches(filter, subject)).map((event) => event.seq)).toEqual(selected);
    }),
    { numRuns: 60 },
  );
});

test.each([
  ['a product', { dataProducts: [PRODUCTS[0]!] }, '"productId" = ANY'],
  ['what is addressed to somebody', { mine: true }, '"audienceSubjects" @>'],
])('the list of events finds %s by an index', async (_, filter, condition) => {
  const conditions = eventList(keysetCursor).filter(sql`"Event"`, { filter }, { subject: 'ana' } as Viewer);
  const { text, values } = join(conditions, ' AND ');
  const client = await log.pool.connect();
  try {
    // The log of a test is too short for it to pay.
    await client.query('BEGIN; SET LOCAL enable_seqscan = off');
    const plan = await client.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN SELECT "seq" FROM "Event" WHERE ${text}`,
      values,
    );
    const found = plan.rows.map((row) => row['QUERY PLAN']).filter((line) => line.includes('Index Cond:'));
    expect(found.join('\n')).toContain(condition);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
});

test('who may get an event is in the process what it is in SQL', async () => {
  await fc.assert(
    fc.asyncProperty(viewers, async (viewer) => {
      const selected = await select(
        `$1 OR "audiencePublic" OR "audienceDomains" && $2::uuid[] OR $3 = ANY ("audienceSubjects")
           OR "subjectType" IN ('AccessRequest', 'AccessGrant') AND "domainId" = ANY ($4::uuid[]) AND "domainId" = ANY ("audienceDomains")`,
        [
          viewer.admin,
          [...viewer.memberships.keys()],
          viewer.subject,
          viewer.deputyships.map(({ domainId }) => domainId),
        ],
      );
      expect(events.filter((event) => mayGet(viewer, event)).map((event) => event.seq)).toEqual(selected);
    }),
    { numRuns: 30 },
  );
});

test('what an event tells is in the process what it is in SQL', async () => {
  await fc.assert(
    fc.asyncProperty(viewers, async (viewer) => {
      const { text, values } =
        sql`SELECT ${eventDataSql(sql`"Event"`, viewer as never)} AS "data" FROM "Event" ORDER BY "seq"`;
      const { rows } = await log.pool.query<{ data: object }>(text, values);
      expect(events.map((event) => eventDataFor(viewer as never, event))).toEqual(rows.map(({ data }) => data));
    }),
    { numRuns: 60 },
  );
});

test('outsiders get public events alone, admins every event', () => {
  const outsider = { admin: false, memberships: new Map(), subject: 'nobody' };
  expect(events.filter((event) => mayGet(outsider, event))).toEqual(events.filter((event) => event.audience.public));
  expect(events.filter((event) => mayGet({ ...outsider, admin: true }, event))).toEqual(events);
});
