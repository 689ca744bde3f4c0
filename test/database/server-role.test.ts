import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testkit/database.js';

let database: TestDatabase;
let server: pg.Client;
let owner: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await connected(database.serverUrl);
  owner = await connected(database.ownerUrl);
});
afterAll(async () => {
  await server.end();
  await owner.end();
  await database.leave();
});

async function connected(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}

async function read<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
  return (await owner.query<Row>(sql)).rows;
}

/** Who reads (S), inserts (I), updates (U), deletes (D); nobody truncates, references or makes triggers. A table that is not here fails. */
const TABLES: Record<string, string> = {
  AccessApproval: 'SI',
  /** Some columns are updated: see COLUMNS. */
  AccessDecision: 'SI',
  AccessGrant: 'SIU',
  AccessRequest: 'SIU',
  AccessRequestComment: 'SI',
  DataContract: 'SIU',
  DataContractRevision: 'SI',
  DataProduct: 'SIU',
  /** Some columns are updated: see COLUMNS. */
  DeadLetter: 'SI',
  /** Its end is updated: see COLUMNS. */
  Deputy: 'SI',
  /** A view: who decides for whom now. */
  Deputyship: 'S',
  Domain: 'SIU',
  DomainMember: 'SIUD',
  /** Of event types and held events, some columns are updated: see COLUMNS. */
  DomainEventType: 'SI',
  DomainEventTypeVersion: 'SI',
  Event: 'S',
  EventArchive: 'S',
  /** A partition: read through the whole alone. */
  Event_000000000: '',
  EventCursor: 'SIU',
  EventHead: 'S',
  EventPending: 'SI',
  EventRoute: 'SIUD',
  ForeignGrant: 'SIUD',
  IdempotencyKey: 'SIUD',
  Lane: 'SIU',
  /** Of tokens and accounts, some columns are updated: see COLUMNS. */
  PersonalAccessToken: 'SI',
  Policy: 'SIU',
  PolicyVersion: 'SIU',
  ProductColumn: 'SIUD',
  ProductTable: 'SIUD',
  QualityResult: 'SIU',
  QuarantinedEvent: 'SID',
  ReceivedEvent: 'SID',
  RequestTemplate: 'SI',
  Resource: 'SIUD',
  ResourceClaim: 'SIUD',
  SchemaVersion: 'SI',
  ServiceAccount: 'SI',
  ServiceAccountSecret: 'SI',
  /** Of webhooks, some columns are updated: see COLUMNS. */
  Webhook: 'SI',
  WebhookAttempt: 'SID',
  WebhookDelivery: 'SIUD',
  WebhookProgress: 'SIU',
  _prisma_migrations: 'S',
};

/** Rights on columns alone. */
const COLUMNS = [
  'AccessDecision.factsDigest UPDATE',
  'AccessDecision.outcome UPDATE',
  'AccessDecision.policies UPDATE',
  'AccessDecision.policyVersion UPDATE',
  'AccessDecision.reasons UPDATE',
  'AccessDecision.required UPDATE',
  'AccessDecision.updatedAt UPDATE',
  ...['attempts', 'code', 'message', 'redriveId', 'redrivenBy', 'refusedAt', 'sentAt', 'status'].map(
    (column) => `DeadLetter.${column} UPDATE`,
  ),
  'Deputy.endedAt UPDATE',
  'Deputy.endedBy UPDATE',
  'DomainEventType.description UPDATE',
  'DomainEventType.removedAt UPDATE',
  'DomainEventType.removedBy UPDATE',
  'DomainEventType.version UPDATE',
  'DomainEventType.visibility UPDATE',
  'PersonalAccessToken.lastUsedAt UPDATE',
  'PersonalAccessToken.revokedAt UPDATE',
  'PersonalAccessToken.revokedBy UPDATE',
  'QuarantinedEvent.comment UPDATE',
  'QuarantinedEvent.resolvedAt UPDATE',
  'QuarantinedEvent.resolvedBy UPDATE',
  'QuarantinedEvent.status UPDATE',
  'ServiceAccount.removedAt UPDATE',
  'ServiceAccount.removedBy UPDATE',
  'ServiceAccountSecret.lastUsedAt UPDATE',
  'ServiceAccountSecret.revokedAt UPDATE',
  'ServiceAccountSecret.revokedBy UPDATE',
  'ServiceAccountSecret.slot UPDATE',
  'Webhook.disabledAt UPDATE',
  'Webhook.disabledReason UPDATE',
  'Webhook.filter UPDATE',
  'Webhook.name UPDATE',
  'Webhook.previousSecretEndsAt UPDATE',
  'Webhook.removedAt UPDATE',
  'Webhook.removedBy UPDATE',
  'Webhook.secretVersion UPDATE',
  'Webhook.status UPDATE',
  'Webhook.url UPDATE',
];

/** The rights of the server's login, table by table. */
async function rightsOn(): Promise<Record<string, string>> {
  const login = new URL(database.serverUrl).username;
  const has = (letter: string, right: string) =>
    `CASE WHEN has_table_privilege('${login}', oid, '${right}') THEN '${letter}' ELSE '' END`;
  const rights = await read<{ name: string; rights: string }>(`
    SELECT relname AS name, ${has('S', 'SELECT')} || ${has('I', 'INSERT')} || ${has('U', 'UPDATE')} || ${has('D', 'DELETE')}
      || ${has('T', 'TRUNCATE')} || ${has('R', 'REFERENCES')} || ${has('G', 'TRIGGER')} || ${has('M', 'MAINTAIN')} AS rights
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')`);
  return Object.fromEntries(rights.map(({ name, rights }) => [name, rights]));
}

test("the server's role has exactly these rights on exactly these tables", async () => {
  expect(await rightsOn()).toEqual(TABLES);
});

test('rights on columns alone are these, and none is given to everybody', async () => {
  const onColumns = await read<{ says: string }>(`
    SELECT relname || '.' || attname || ' ' || a.privilege_type AS says
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid, aclexplode(attacl) a WHERE relnamespace = 'public'::regnamespace`);
  expect(onColumns.map(({ says }) => says).sort()).toEqual(COLUMNS);
  expect(
    await read(`SELECT relname FROM pg_class c, aclexplode(relacl) a
    WHERE relnamespace = 'public'::regnamespace AND a.grantee = 0`),
  ).toEqual([]);
});

test("the server's role may run these functions of ours and no others, and one alone runs as the owner", async () => {
  const functions = await read<{ name: string; may: boolean; definer: boolean; path: string[] | null }>(`
    SELECT proname AS name, has_function_privilege('meshgate_server', oid, 'EXECUTE') AS may, prosecdef AS definer, proconfig AS path
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace`);
  expect(
    functions
      .filter(({ may }) => may)
      .map(({ name }) => name)
      .sort(),
  ).toEqual([
    'direct_makers_of',
    'domain_of_policy',
    'domain_of_product',
    'is_removed_machine',
    'makers_of',
    'requester_of_grant',
    'search_text',
    'sequence_events',
    'writer_approved',
    'writer_approved_end_for_another',
    'writer_approved_for_another',
    'writer_asks',
    'writer_belongs_to',
    'writer_stands_in_for',
    'writer_steers_policy_of',
    'writes_as_admin',
    'writes_as_system',
    'writing_subject',
  ]);
  expect(functions.filter(({ definer }) => definer)).toEqual([
    { name: 'sequence_events', may: true, definer: true, path: ['search_path=public, pg_temp', 'enable_seqscan=off'] },
  ]);
});

test("the server's login is an ordinary one: it owns nothing, is above no rule and belongs to no other role", async () => {
  const login = new URL(database.serverUrl).username;
  expect(
    await read(
      `SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = '${login}'`,
    ),
  ).toEqual([
    { rolsuper: false, rolcreaterole: false, rolcreatedb: false, rolreplication: false, rolbypassrls: false },
  ]);
  const roles = await read<{ rolname: string }>(
    `SELECT rolname FROM pg_roles WHERE pg_has_role('${login}', oid, 'MEMBER') AND rolname <> '${login}'`,
  );
  expect(roles).toEqual([{ rolname: 'meshgate_server' }]);
  expect(
    await read(`SELECT relname FROM pg_class WHERE relowner IN (
    SELECT oid FROM pg_roles WHERE rolname IN ('${login}', 'meshgate_server'))`),
  ).toEqual([]);
});

/** What an attacker would try who has got hold of the server's connection. */
const FORBIDDEN: [string, string][] = [
  ['write the log', `INSERT INTO "Event" SELECT * FROM "Event"`],
  ['change the log', `UPDATE "Event" SET "data" = '{}'`],
  ['delete from the log', `DELETE FROM "Event"`],
  ['empty the log', `TRUNCATE "Event"`],
  ['empty a partition of the log', `TRUNCATE "Event_000000000"`],
  ['write a partition of the log', `INSERT INTO "Event_000000000" SELECT * FROM "Event"`],
  ['read a partition past the whole', `SELECT * FROM "Event_000000000"`],
  ['detach a partition', `ALTER TABLE "Event" DETACH PARTITION "Event_000000000"`],
  ['change what waits to be numbered', `UPDATE "EventPending" SET "data" = '{}'`],
  ['delete what waits to be numbered', `DELETE FROM "EventPending"`],
  ['empty what waits to be numbered', `TRUNCATE "EventPending"`],
  ['lock what waits to be numbered', `SELECT * FROM "EventPending" FOR UPDATE`],
  ['turn the counter', `UPDATE "EventHead" SET "seq" = 0`],
  ['take the counter away', `DELETE FROM "EventHead"`],
  ['add a counter', `INSERT INTO "EventHead" VALUES (2, 0, '')`],
  ['hold the counter', `SELECT * FROM "EventHead" FOR UPDATE`],
  ['lock the counter as a table', `LOCK TABLE "EventHead" IN ACCESS EXCLUSIVE MODE`],
  ['make a partition', 'SELECT ensure_event_partition(5000000)'],
  [
    'replace the sequencer',
    `CREATE OR REPLACE FUNCTION sequence_events(batch integer DEFAULT 2000, afresh boolean DEFAULT false) RETURNS integer LANGUAGE sql AS 'SELECT 0'`,
  ],
  ['rename the sequencer', 'ALTER FUNCTION sequence_events(integer, boolean) RENAME TO was_it'],
  ['give the sequencer another path', 'ALTER FUNCTION sequence_events(integer, boolean) SET search_path = pg_temp'],
  [
    'shadow a function in public',
    `CREATE FUNCTION public.sha256(text) RETURNS bytea LANGUAGE sql AS 'SELECT NULL::bytea'`,
  ],
  ['disable triggers', 'ALTER TABLE "Event" DISABLE TRIGGER ALL'],
  ['drop a trigger', 'DROP TRIGGER "Event_append_only" ON "Event"'],
  ['act as a replica, where triggers sleep', 'SET session_replication_role = replica'],
  ['disable row-level security', 'ALTER TABLE "AccessGrant" DISABLE ROW LEVEL SECURITY'],
  ['add a policy', 'CREATE POLICY mine ON "AccessGrant" USING (true) WITH CHECK (true)'],
  ['drop a policy', 'DROP POLICY "AccessGrant_by_who_decides" ON "AccessGrant"'],
  [
    'replace what policies ask',
    `CREATE OR REPLACE FUNCTION writes_as_system() RETURNS boolean LANGUAGE sql AS 'SELECT true'`,
  ],
  ['delete a request', 'DELETE FROM "AccessRequest"'],
  ['delete a grant', 'DELETE FROM "AccessGrant"'],
  ['delete a domain', 'DELETE FROM "Domain"'],
  ['make a table', 'CREATE TABLE mine (id int)'],
  ['make a schema', 'CREATE SCHEMA mine'],
  ['make a function', `CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`],
  ['make a type', 'CREATE TYPE mine AS ENUM ()'],
  ['make a view', 'CREATE VIEW mine AS SELECT 1'],
  ['make a rule', 'CREATE RULE mine AS ON INSERT TO "EventPending" DO INSTEAD NOTHING'],
  [
    'make a trigger',
    'CREATE TRIGGER mine BEFORE INSERT ON "EventPending" FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
  ],
  ['make an extension', 'CREATE EXTENSION dblink'],
  ['make an event trigger', 'CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION refuse_change()'],
  ['make a publication of the log', 'CREATE PUBLICATION mine FOR TABLE "Event"'],
  ['listen to the write-ahead log', `SELECT pg_create_logical_replication_slot('mine', 'pgoutput')`],
  ['change a table', 'ALTER TABLE "Domain" ADD COLUMN mine int'],
  ['drop a constraint', 'ALTER TABLE "AccessRequest" DROP CONSTRAINT "AccessRequest_nobody_decides_his_own"'],
  ['drop a table', 'DROP TABLE "Domain"'],
  ['drop the schema', 'DROP SCHEMA public CASCADE'],
  ['drop the database', 'DROP DATABASE meshgate WITH (FORCE)'],
  ['make a role', 'CREATE ROLE mine SUPERUSER'],
  ['become a superuser', 'ALTER ROLE CURRENT_USER SUPERUSER'],
  ['step over row-level security', 'ALTER ROLE CURRENT_USER BYPASSRLS'],
  ["take the owner's password", `ALTER ROLE meshgate_owner PASSWORD 'mine'`],
  ['become the owner', 'SET ROLE meshgate_owner'],
  ['log on as the owner', 'SET SESSION AUTHORIZATION meshgate_owner'],
  ['join the owner', 'GRANT meshgate_owner TO CURRENT_USER'],
  ['take objects over', 'REASSIGN OWNED BY meshgate_owner TO CURRENT_USER'],
  ['read passwords', 'SELECT rolpassword FROM pg_authid'],
  ['read a file', `SELECT pg_read_file('postgresql.conf')`],
  ['list a folder', `SELECT pg_ls_dir('.')`],
  ['load a file as a large object', `SELECT lo_import('/etc/passwd')`],
  ['write a large object to a file', `SELECT lo_export(1, '/tmp/mine')`],
  ['read a program', `COPY "IdempotencyKey" FROM PROGRAM 'id'`],
  ['write to a program', `COPY "Event" TO PROGRAM 'cat'`],
  ['write to a file', `COPY "Event" TO '/tmp/mine'`],
  ['read from a file', `COPY "IdempotencyKey" FROM '/etc/passwd'`],
  ['change the settings of all', `ALTER SYSTEM SET fsync = off`],
  ['read the settings anew', 'SELECT pg_reload_conf()'],
  ['log into the journal less', 'SET log_statement = none'],
  ['load a library', `LOAD '/tmp/mine.so'`],
  [
    "end the owner's connections",
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'meshgate_owner'`,
  ],
  ['change migrations', `DELETE FROM "_prisma_migrations"`],
  ["change the queue's tables", 'ALTER TABLE pgboss.job ADD COLUMN mine int'],
  ['make a table beside the queue', 'CREATE TABLE pgboss.mine (id int)'],
];

describe("the server's role cannot", () => {
  test.each(FORBIDDEN)('%s', async (_what, sql) => {
    // These two stand outside of transactions alone.
    const alone = /^(ALTER SYSTEM|DROP DATABASE)/.test(sql);
    if (!alone) await server.query('BEGIN');
    try {
      await expect(server.query(sql), sql).rejects.toMatchObject({ code: '42501' });
    } finally {
      if (!alone) await server.query('ROLLBACK');
    }
  });

  test('give itself a right', async () => {
    // Postgres only warns, and gives nothing.
    await server.query('GRANT ALL ON "Event", "EventPending", "EventHead" TO CURRENT_USER');
    expect(await rightsOn()).toEqual(TABLES);
  });
});

describe('the function that numbers events works for the owner alone', () => {
  test('with tables of the same names laid before it, the real log is written', async () => {
    await server.query('BEGIN');
    await server.query(`CREATE TEMP TABLE "EventHead" (id int, seq bigint, hash bytea) ON COMMIT DROP;
      CREATE TEMP TABLE "EventPending" (LIKE public."EventPending") ON COMMIT DROP;
      CREATE TEMP TABLE "Event" (LIKE public."Event") ON COMMIT DROP;
      INSERT INTO pg_temp."EventHead" VALUES (1, 900, '');
      SET LOCAL search_path = pg_temp, public`);
    await server.query(`INSERT INTO public."EventPending" ("id", "type", "version", "subjectType", "subjectId", "subject", "audiencePublic",
        "audienceDomains", "audienceSubjects", "actor", "correlationId", "occurredAt", "data", "canonical")
      VALUES (gen_random_uuid(), 'DomainUpdated', 1, 'Domain', gen_random_uuid(), '{}', true, '{}', '{}', '{}', 'c', now(), '{}', '{}')`);
    expect((await server.query('SELECT sequence_events(10) AS moved')).rows).toEqual([{ moved: 1 }]);
    expect((await server.query('SELECT count(*)::int AS n FROM pg_temp."Event"')).rows).toEqual([{ n: 0 }]);
    expect((await server.query('SELECT "seq" FROM public."Event"')).rows).toEqual([{ seq: '1' }]);
    await server.query('ROLLBACK');
  });

  test.each(['NULL', '0', '-1', '2147483647'])(
    'called with %s, it numbers nothing that is not there',
    async (batch) => {
      await server.query('BEGIN');
      const { rows } = await server.query(`SELECT sequence_events(${batch}) AS moved`);
      await server.query('ROLLBACK');
      expect(rows).toEqual([{ moved: 0 }]);
    },
  );
});
