import pg from 'pg';
import { verifyChain } from '../../src/events/verify.js';
import { linkName } from '../../src/governance/names.js';
import type { ProcessMesh } from './process-mesh.js';

/** A grant as the database holds it, with what was asked for and where it is read. */
interface GrantRow {
  id: string;
  status: string;
  principals: string[];
  tables: string[];
  columns: string[];
  domain: string;
  product: string;
  account: string;
  productTables: { name: string; columns: string[] }[];
}

interface ResourceRow {
  id: string;
  kind: string;
  account: string;
  key: string;
  spec: { permissions?: Record<string, 'ALL_COLUMNS' | string[]> };
  desired: string;
  status: string;
  claims: number;
  released: number;
}

interface SandboxState {
  glue: { tables: { CatalogId: string; DatabaseName: string; Name: string; TargetTable?: object }[] };
  lakeformation: { grants: LakeGrant[] };
  ram: { shares: Share[] };
}

interface LakeGrant {
  grantor: string;
  principal: string;
  target: { kind: string; catalog: string; database?: string; table?: string };
  permissions: Record<string, { names?: string[]; excluded?: string[] }>;
}

interface Share {
  status: string;
  class: string;
  principals: Record<string, { status: string }>;
}

/**
 * Everything in which Postgres, the event log and AWS do not say the same of a mesh that has come to rest: nothing lost, nothing
 * double, nothing left over. Empty: they agree. Knows access by name.
 */
export async function disagreements(mesh: ProcessMesh): Promise<string[]> {
  const [grants, resources, state] = await Promise.all([readGrants(mesh), readResources(mesh), readState(mesh)]);
  const found = await Promise.all([
    unsettledRows(grants, resources),
    lostClaims(mesh),
    differentObjects(resources, state),
    wrongReads(mesh, grants),
    logProblems(mesh),
  ]);
  return found.flat();
}

/** Whether every grant and resource has come to rest. */
export async function isAtRest(mesh: ProcessMesh): Promise<boolean> {
  const [row] = await mesh.query<{ moving: number }>(`
    SELECT (SELECT count(*) FROM "Resource" WHERE "status" NOT IN ('READY', 'REMOVED', 'FAILED'))
      + (SELECT count(*) FROM "AccessGrant" WHERE "status" IN ('PROVISIONING', 'REVOKING'))
      + (SELECT count(*) FROM "DataProduct" WHERE "status" = 'PUBLISHING')
      + (SELECT count(*) FROM "EventPending") AS moving`);
  return Number(row?.moving) === 0;
}

const readGrants = (mesh: ProcessMesh): Promise<GrantRow[]> =>
  mesh.query<GrantRow>(`
    SELECT g."id", g."status"::text AS status, r."principals", r."tables", r."columns", d."name" AS domain, p."name" AS product,
      c."awsAccountId" AS account,
      (SELECT jsonb_agg(jsonb_build_object('name', t."name", 'columns',
          (SELECT jsonb_agg(col."name") FROM "ProductColumn" col WHERE col."tableId" = t."id")))
        FROM "ProductTable" t WHERE t."productId" = p."id") AS "productTables"
    FROM "AccessGrant" g JOIN "AccessRequest" r ON r."id" = g."requestId" JOIN "DataProduct" p ON p."id" = g."productId"
    JOIN "Domain" d ON d."id" = p."domainId" JOIN "Domain" c ON c."id" = g."consumerDomainId"`);

const readResources = (mesh: ProcessMesh): Promise<ResourceRow[]> =>
  mesh.query<ResourceRow>(`
    SELECT r."id", r."kind", r."account", r."key", r."spec", r."desired"::text AS desired, r."status"::text AS status,
      count(c."ownerId") FILTER (WHERE c."releasedAtGeneration" IS NULL)::int AS claims,
      count(c."releasedAtGeneration")::int AS released
    FROM "Resource" r LEFT JOIN "ResourceClaim" c ON c."resourceId" = r."id" GROUP BY r."id"`);

async function readState({ sandboxUrl }: ProcessMesh): Promise<SandboxState> {
  return (await (await fetch(`${sandboxUrl}/_sandbox/state`)).json()) as SandboxState;
}

function unsettledRows(grants: GrantRow[], resources: ResourceRow[]): string[] {
  const moving = grants.filter(({ status }) => !['ACTIVE', 'REVOKED', 'EXPIRED'].includes(status));
  const wrong = resources.filter(
    ({ desired, status, claims, released }) =>
      released > 0 || (desired === 'PRESENT' ? status !== 'READY' || claims === 0 : status !== 'REMOVED' || claims > 0),
  );
  return [
    ...moving.map(({ id, status }) => `grant ${id} is ${status}`),
    ...wrong.map(
      ({ kind, key, desired, status, claims, released }) =>
        `${kind} ${key} is ${desired} ${status} with ${claims} claims and ${released} released`,
    ),
  ];
}

/** Claims of grants that ended, and grants that claim nothing. */
async function lostClaims(mesh: ProcessMesh): Promise<string[]> {
  const rows = await mesh.query<{ id: string; status: string; claims: number }>(`
    SELECT g."id", g."status"::text AS status, count(c."resourceId")::int AS claims FROM "AccessGrant" g
    LEFT JOIN "ResourceClaim" c ON c."ownerType" = 'ACCESS_GRANT' AND c."ownerId" = g."id" GROUP BY g."id"
    HAVING (g."status" = 'ACTIVE') <> (count(c."resourceId") > 0)`);
  return rows.map(({ id, status, claims }) => `grant ${id} is ${status} with ${claims} claims`);
}

/** Grants, tables, links and shares: what stands in AWS against what the READY resources say. */
function differentObjects(resources: ResourceRow[], { glue, lakeformation, ram }: SandboxState): string[] {
  const ready = resources.filter(({ status }) => status === 'READY');
  const wanted = (kind: string) => ready.filter((resource) => resource.kind === kind);
  const byName = (kind: string) => wanted(kind).map(({ account, key }) => `${account} ${key}`);
  const tables = (isLink: boolean) =>
    glue.tables
      .filter(({ TargetTable }) => (TargetTable !== undefined) === isLink)
      .map(({ CatalogId, DatabaseName, Name }) => `${CatalogId} ${DatabaseName}/${Name}`);
  // What our own role holds as the creator is nobody's grant.
  const granted = lakeformation.grants.filter(
    ({ principal, target }) => !principal.endsWith(':role/meshgate') && ['TABLE', 'DATABASE'].includes(target.kind),
  );
  const principals = new Set(wanted('LfGrant').map(({ key }) => key.split(' on ')[0]!));
  const shared = ram.shares
    .filter(({ status, class: carried }) => status === 'ACTIVE' && carried === 'TABLE')
    .flatMap((share) => Object.entries(share.principals))
    .filter(([principal, { status }]) => status === 'ASSOCIATED' && !principals.has(principal));
  const onData = wanted('LfGrant').filter(({ key }) => / on (table|database) /.test(key));
  return [
    ...differences('grants', { is: granted.map(grantText), wanted: onData.map(wantedText) }),
    ...differences('tables', { is: tables(false), wanted: byName('GlueTable') }),
    ...differences('links', { is: tables(true), wanted: byName('TableLink') }),
    ...shared.map(([principal]) => `a share still names ${principal}`),
  ];
}

function grantText({ grantor, principal, target, permissions }: LakeGrant): string {
  const place = [target.database, target.table].filter(Boolean).join('/');
  const names = Object.entries(permissions).map(([name, scope]) =>
    scope.names ? `${name}(${scope.names.sort()})` : name,
  );
  return `${grantor} ${principal} on ${target.kind.toLowerCase()} ${target.catalog}/${place}: ${permissionText(names)}`;
}

function wantedText({ account, key, spec }: ResourceRow): string {
  const names = Object.entries(spec.permissions ?? {}).map(([name, columns]) =>
    columns === 'ALL_COLUMNS' ? name : `${name}(${[...columns].sort()})`,
  );
  return `${account} ${key}: ${permissionText(names)}`;
}

/** ALL stands for itself and everything under it. */
const permissionText = (names: string[]): string => (names.includes('ALL') ? 'ALL' : names.sort().join(' '));

function differences(what: string, { is, wanted }: { is: string[]; wanted: string[] }): string[] {
  const [have, want] = [new Set(is), new Set(wanted)];
  return [
    ...is.filter((one) => !want.has(one)).map((one) => `left over among the ${what}: ${one}`),
    ...wanted.filter((one) => !have.has(one)).map((one) => `missing among the ${what}: ${one}`),
    ...(have.size < is.length ? [`there are doubles among the ${what}`] : []),
  ];
}

type Question = Parameters<ProcessMesh['sandbox']['canRead']>[0];

/**
 * Asks AWS of every principal that was ever named, for every table of every product of his: exactly the ACTIVE grants may be read. Each
 * column is asked for where single columns were ever granted to him; else they stand and fall together.
 */
async function wrongReads(mesh: ProcessMesh, grants: GrantRow[]): Promise<string[]> {
  const byColumn = new Set(
    grants
      .filter(({ columns }) => columns.length > 0)
      .flatMap(({ principals, product }) => principals.map((principal) => `${principal} ${product}`)),
  );
  const cells = new Map<string, { question: Question; allowed: boolean }>();
  for (const grant of grants) {
    for (const principal of grant.principals) {
      for (const table of grant.productTables ?? []) {
        const link = { database: 'data_products', table: linkName(grant.domain, grant.product, table.name) };
        for (const column of byColumn.has(`${principal} ${grant.product}`)
          ? table.columns
          : table.columns.slice(0, 1)) {
          const question = { principal, account: grant.account, ...link, column };
          const key = JSON.stringify(question);
          const allowed = grant.status === 'ACTIVE' && covers(grant, table, column);
          cells.set(key, { question, allowed: allowed || (cells.get(key)?.allowed ?? false) });
        }
      }
    }
  }
  return wrongAnswers(mesh, [...cells.values()]);
}

async function wrongAnswers(mesh: ProcessMesh, cells: { question: Question; allowed: boolean }[]): Promise<string[]> {
  const problems: string[] = [];
  const asker = async (): Promise<void> => {
    for (let cell = cells.pop(); cell; cell = cells.pop()) {
      const is = await mesh.sandbox.canRead(cell.question);
      const { principal, table, column } = cell.question;
      if (is !== cell.allowed) problems.push(`${principal} ${is ? 'can' : 'cannot'} read ${table}.${column}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, asker));
  return problems;
}

function covers({ tables, columns }: GrantRow, table: { name: string; columns: string[] }, column: string): boolean {
  if (tables.length > 0 && !tables.includes(table.name)) return false;
  const chosen = columns.filter((one) => one.startsWith(`${table.name}.`));
  return chosen.length === 0 || chosen.includes(`${table.name}.${column}`);
}

interface EventRow {
  seq: string;
  id: string;
  type: string;
  subjectId: string;
  before: string | null;
  after: string | null;
}

/** The log: numbered without a gap, its chain whole, each event once, and each subject's steps one after the other to where it is now. */
async function logProblems(mesh: ProcessMesh): Promise<string[]> {
  const events = await mesh.query<EventRow>(`
    SELECT "seq"::text, "id", "type", "subjectId", "data" #>> '{before,status}' AS before, "data" #>> '{after,status}' AS after
    FROM "Event" ORDER BY "Event"."seq"`);
  const status = await mesh.query<{ id: string; status: string }>(`
    SELECT "id", "status"::text FROM "AccessGrant" WHERE "status" <> 'PROVISIONING'
    UNION ALL SELECT "id", "status"::text FROM "AccessRequest" UNION ALL SELECT "id", "status"::text FROM "DataProduct"`);
  const problems: string[] = [];
  events.forEach(({ seq }, index) => {
    if (Number(seq) !== index + 1) problems.push(`the log has ${seq} in the place of ${index + 1}`);
  });
  if (new Set(events.map(({ id }) => id)).size < events.length) problems.push('an event is in the log twice');
  const reached = new Map<string, string>();
  for (const { seq, type, subjectId, before, after } of events) {
    if (after === null || before === after) continue;
    const last = reached.get(subjectId);
    // That a revoke began is told by no event of its own.
    if (last !== undefined && before !== last && before !== 'REVOKING')
      problems.push(`${seq} ${type} of ${subjectId} goes from ${before}, but ${last} was before`);
    if (last === 'REVOKED' || last === 'EXPIRED') problems.push(`${seq} ${type} of ${subjectId} comes after its end`);
    reached.set(subjectId, after);
  }
  for (const { id, status: is } of status) {
    if (reached.get(id) !== is && reached.has(id)) problems.push(`${id} is ${is}, but the log says ${reached.get(id)}`);
    if (!reached.has(id) && is !== 'DRAFT') problems.push(`${id} is ${is}, and the log does not say so`);
  }
  return [...problems, ...(await chainProblems(mesh))];
}

async function chainProblems(mesh: ProcessMesh): Promise<string[]> {
  const pool = new pg.Pool({ connectionString: mesh.ownerUrl, max: 1 });
  try {
    const verdict = await verifyChain(pool);
    return verdict.ok ? [] : [`the chain of the log breaks at ${verdict.firstBad}`];
  } finally {
    await pool.end();
  }
}
