import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openMesh, seedDomain, seedProduct, type TestMesh } from '../governance/mesh.js';
import { writeAs } from '../testkit/write-as.js';

/** The second wall of what comes in: own tells, and other has nothing to do with it. */
let mesh: TestMesh;
let own: string;
let product: string;
/** An event type of own's, a held event of own's account and one of nobody's, and one that was decided. */
const TYPE = 'd0000000-0000-4000-8000-000000000001';
const HELD = 'd0000000-0000-4000-8000-000000000002';
const NOBODYS = 'd0000000-0000-4000-8000-000000000003';
const DECIDED = 'd0000000-0000-4000-8000-000000000004';

beforeAll(async () => {
  mesh = await openMesh();
  own = await seedDomain(mesh, 'own', 1);
  await seedDomain(mesh, 'other', 2);
  product = await seedProduct(mesh, { id: own, name: 'own' }, 'sales');
  const { prisma } = mesh.database;
  const type = { id: TYPE, domainId: own, detailType: 'SaleRecorded', version: 1, createdBy: 'own-owner' };
  await prisma.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT set_config('meshgate.subject', 'own-owner', true), set_config('meshgate.authority', 'MEMBER', true)`;
    await tx.domainEventType.create({ data: type });
  });
  const held = { reason: 'UNKNOWN_TYPE' as const, explanation: 'x', body: 'x', bytes: 1 };
  await prisma.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT set_config('meshgate.authority', 'SYSTEM', true)`;
    for (const [id, account] of [
      [HELD, '111111111111'],
      [NOBODYS, '999999999999'],
      [DECIDED, '111111111111'],
    ] as const)
      await tx.quarantinedEvent.create({ data: { id, key: id, account, ...held } });
    await tx.receivedEvent.create({ data: { key: 'came before' } });
  });
  await prisma.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT set_config('meshgate.authority', 'ADMIN', true)`;
    const decided = { status: 'DISCARDED' as const, resolvedAt: new Date(), resolvedBy: 'ada' };
    await tx.quarantinedEvent.update({ where: { id: DECIDED }, data: decided });
  });
});
afterAll(() => mesh.close());

const REFUSED = expect.stringMatching(/row-level security policy|permission denied|does not change/);
const WHO = ['meshgate', 'admin', 'own-owner', 'own-steward', 'own-member', 'other-owner', 'other-steward', 'nobody'];
const STEERS = ['admin', 'own-owner', 'own-steward'];

const hold = (status: string): [string, unknown[]?] => [
  `INSERT INTO "QuarantinedEvent" ("id", "key", "account", "reason", "explanation", "body", "bytes", "status", "resolvedAt", "resolvedBy")
   VALUES (gen_random_uuid(), 'new', '111111111111', 'NOT_JSON', 'x', 'x', 1, '${status}', CASE WHEN '${status}' <> 'HELD' THEN now() END,
     CASE WHEN '${status}' <> 'HELD' THEN 'x' END)`,
];
const resolve = (id: string): [string, unknown[]?] => [
  `UPDATE "QuarantinedEvent" SET "status" = 'RELEASED', "resolvedAt" = now(), "resolvedBy" = 'x' WHERE "id" = $1`,
  [id],
];
const version = (createdBy: string): [string, unknown[]?] => [
  `INSERT INTO "DomainEventTypeVersion" ("id", "typeId", "number", "schema", "createdBy") VALUES (gen_random_uuid(), $1, 1, '{}', $2)`,
  [TYPE, createdBy],
];

/** Who may write what, whatever the code lets through. */
const WRITES: Record<string, { may: string[]; write: (who: string) => [string, unknown[]?] }> = {
  'a type of events': {
    may: STEERS,
    write: (who) => [
      `INSERT INTO "DomainEventType" ("id", "domainId", "detailType", "version", "createdBy") VALUES (gen_random_uuid(), $1, 'New', 1, $2)`,
      [own, who],
    ],
  },
  'who hears of a type': {
    may: STEERS,
    write: () => [`UPDATE "DomainEventType" SET "visibility" = 'MESH' WHERE "id" = $1`, [TYPE]],
  },
  'the schema that events are held against': { may: STEERS, write: version },
  "such a schema in another's name": { may: [], write: () => version('somebody') },
  'a note that an event came': {
    may: ['meshgate'],
    write: () => [`INSERT INTO "ReceivedEvent" ("key") VALUES ('111111111111/new')`],
  },
  'a held event': { may: ['meshgate'], write: () => hold('HELD') },
  'a held event that is decided already': { may: [], write: () => hold('RELEASED') },
  'a decision about an event of the account': { may: STEERS, write: () => resolve(HELD) },
  "a decision about an event of nobody's account": { may: ['admin'], write: () => resolve(NOBODYS) },
  'another decision about what was decided': { may: [], write: () => resolve(DECIDED) },
  'another text of an event that came': {
    may: [],
    write: () => [`UPDATE "QuarantinedEvent" SET "body" = 'y' WHERE "id" = $1`, [HELD]],
  },
  'a result of data quality': {
    may: ['meshgate', ...STEERS],
    write: () => [
      `INSERT INTO "QualityResult" ("productId", "table", "resultId", "state", "rulesSucceeded", "rulesFailed", "rulesSkipped", "evaluatedAt")
       VALUES ($1, 'orders', 'r', 'SUCCEEDED', 1, 0, 0, now())`,
      [product],
    ],
  },
};

describe('with no rule of governance before it, Postgres lets be written', () => {
  for (const [what, { may, write }] of Object.entries(WRITES)) {
    test(`${what}, by ${may.length === 0 ? 'nobody' : may.join(', ')}`, async () => {
      for (const who of WHO)
        expect(await writeAs(mesh.database.pool, who, write(who)), who).toEqual(may.includes(who) ? 1 : REFUSED);
      expect(await writeAs(mesh.database.pool, null, write('own-owner'))).toEqual(REFUSED);
    });
  }

  test.each(['ReceivedEvent', 'QuarantinedEvent'])('nobody forgets a %s before its time', async (table) => {
    for (const who of WHO) expect(await writeAs(mesh.database.pool, who, [`DELETE FROM "${table}"`]), who).toBe(0);
  });
});
