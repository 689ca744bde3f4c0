import {
  counts,
  type ExplainedProduct,
  type Facts,
  type GrantFact,
  readExplained,
  readFacts,
  tablesOfWorld,
  worldInForce,
} from './access-facts.js';
import { assertTokenAllows, can } from './authorization.js';
import type { Context, Viewer } from './context.js';
import { notFound } from './error.js';
import { type AccessWorld, accessOf, accountOf, type TableAccess, type Way } from './explain.js';
import { readStrangers } from './foreign-access.js';
import { entryCounter } from './read/answer-size.js';
import { tellExplained } from './restricted-details.js';

/** A way with the decision that it came of; ids are null where it is the product's own. */
export interface ExplainedWay extends Way {
  accessGrantId: string | null;
  accessRequestId: string | null;
  status: string | null;
  purpose: string | null;
  decidedBy: string | null;
  decidedFor: string | null;
  decidedAt: string | null;
  policy: string | null;
}

/** One table with each of its columns, and the ways that open it. */
export interface ExplainedTable {
  name: string;
  allowed: boolean;
  reason: string | null;
  rowFilter: string | null;
  columns: { name: string; allowed: boolean; through: ExplainedWay[] }[];
  through: ExplainedWay[];
  /** The same ways, for what tells nothing of their columns: those of `columns` and `through` count against the size of the answer as they are read. */
  ways: readonly Omit<ExplainedWay, 'columns'>[];
}

/** What was asked or granted and does not count now, with why. */
export interface NotCounted {
  accessGrantId: string | null;
  accessRequestId: string;
  status: string;
  reason: string;
}

/** Whether a principal may read a product now, what of it, and through what. */
export interface AccessExplanation {
  principal: string;
  productId: string;
  allowed: boolean;
  reason: string;
  tables: ExplainedTable[];
  pending: NotCounted[];
}

/**
 * Explains what a principal may read of a product, as AWS would say now as far as is known. Three statements. Asked by owners and stewards of
 * the product's domain, for principals of its account by members of that account's domain, and by admins; for others there is nothing.
 */
export async function explainAccess(ctx: Context, principal: string, productId: string): Promise<AccessExplanation> {
  const product = await readExplained(ctx.db, productId);
  if (product === null) throw notFound('The data product');
  const account = accountOf(principal);
  if (!seesAll(ctx.viewer, product) && !(await accountsOf(ctx)).includes(account)) throw notFound('The data product');
  const facts = await readFacts(ctx, productId, [principal]);
  await tellExplained(ctx, product, 'explainAccess');
  const world = worldInForce(ctx.mesh, product, facts);
  return explainedFor({ product, facts, world, count: entryCounter() }, principal);
}

/** The principals with a way to a product or on their way to one, page by page in order of ARN, each with what he may read. At most six statements. */
export async function whoCanAccess(
  ctx: Context,
  productId: string,
  page: { first: number; after: string | null },
): Promise<{ explanations: AccessExplanation[]; more: boolean }> {
  const product = await readExplained(ctx.db, productId);
  if (product === null) throw notFound('The data product');
  const accounts = seesAll(ctx.viewer, product) ? null : await accountsOf(ctx);
  if (accounts?.length === 0) throw notFound('The data product');
  const strangers = await strangersIn(ctx, product, { ...page, accounts });
  const principals = await readPrincipals(ctx, product, { ...page, accounts, strangers });
  const shown = principals.slice(0, page.first);
  const facts = await readFacts(ctx, productId, shown);
  const world = worldInForce(ctx.mesh, product, facts);
  const subject = { product, facts, world, count: entryCounter() };
  await tellExplained(ctx, product, 'whoCanAccess');
  return {
    explanations: shown.map((principal) => explainedFor(subject, principal)),
    more: principals.length > shown.length,
  };
}

/** Owners and stewards of the product's domain and admins; the rest only asks for his own account, of products that he may see. */
function seesAll(viewer: Viewer, { domainId, status }: ExplainedProduct): boolean {
  const subject = { type: 'DataProduct' as const, domainId, status: status as never };
  assertTokenAllows(viewer, 'data-product:explain');
  if (!can(viewer, 'data-product:read', subject)) throw notFound('The data product');
  return can(viewer, 'data-product:explain', subject);
}

/** The accounts of the domains that the viewer belongs to. */
async function accountsOf({ db, viewer }: Context): Promise<string[]> {
  if (viewer.memberships.size === 0) return [];
  const domains = await db.domain.findMany({
    where: { id: { in: [...viewer.memberships.keys()] } },
    select: { awsAccountId: true },
  });
  return domains.map(({ awsAccountId }) => awsAccountId);
}

/** Those whom a grant that nothing in Meshgate asked for lets read the product. */
async function strangersIn(
  ctx: Context,
  product: ExplainedProduct,
  page: Omit<PrincipalPage, 'first' | 'strangers'>,
): Promise<string[]> {
  const candidates = await readStrangers(ctx, tablesOfWorld(ctx.mesh, product), page);
  if (candidates.length === 0) return [];
  const world = worldInForce(ctx.mesh, product, await readFacts(ctx, product.id, candidates));
  return candidates.filter((principal) => accessOf(world, principal).some(({ allowed }) => allowed));
}

interface PrincipalPage {
  first: number;
  after: string | null;
  /** null: of all accounts. */
  accounts: string[] | null;
  /** Readers whom neither a grant nor the product names. */
  strangers: string[];
}

/** One more than the page has, so that whether there are more is known. */
async function readPrincipals(
  { db }: Context,
  { id }: ExplainedProduct,
  { first, after, accounts, strangers }: PrincipalPage,
): Promise<string[]> {
  const rows = await db.$queryRaw<{ principal: string }[]>`
    SELECT "principal" FROM (
      SELECT unnest(q."principals") AS "principal" FROM "AccessGrant" g JOIN "AccessRequest" q ON q."id" = g."requestId"
      WHERE g."productId" = ${id}::uuid AND g."status" NOT IN ('REVOKED', 'EXPIRED')
      UNION SELECT r."spec" ->> 'principal' FROM "ResourceClaim" c JOIN "Resource" r ON r."id" = c."resourceId"
      WHERE c."ownerType" = 'DATA_PRODUCT' AND c."ownerId" = ${id}::uuid AND r."kind" = 'LfGrant'
        AND r."spec" ->> 'principal' LIKE 'arn:%'
      UNION SELECT unnest(${strangers}::text[])
    ) AS named
    WHERE "principal" COLLATE "C" > ${after ?? ''} AND (${accounts === null} OR split_part("principal", ':', 5) = ANY (${accounts ?? []}::text[]))
    ORDER BY "principal" COLLATE "C" LIMIT ${first + 1}::int`;
  return rows.map(({ principal }) => principal);
}

interface Subject {
  product: ExplainedProduct;
  facts: Facts;
  world: AccessWorld;
  /** Takes the entries of lists as they are told; throws where they become too many for one answer. */
  count: (entries: number) => void;
}

function explainedFor(subject: Subject, principal: string): AccessExplanation {
  const { product, facts, world } = subject;
  const grants = new Map(facts.grants.map((grant) => [grant.id, grant]));
  const access = accessOf(world, principal);
  const tables = access.map((table, index) => {
    const columns = product.tables[index]?.columns ?? [];
    return explainedTable(table, { columns, grants, count: subject.count });
  });
  const pending = notCounted(subject, principal);
  const open = tables.filter(({ allowed }) => allowed);
  return {
    principal,
    productId: product.id,
    allowed: open.length > 0,
    reason:
      open.length > 0
        ? openReason(tables, facts.delegated.includes(accountOf(principal)))
        : closedReason(subject, { principal, access, pending }),
    tables,
    pending,
  };
}

function explainedTable(
  { name, allowed, ways, missing }: TableAccess,
  { columns, grants, count }: Pick<Subject, 'count'> & { columns: string[]; grants: Map<string, GrantFact> },
): ExplainedTable {
  const through = ways.map((way) => explainedWay(way, { grants, count }));
  return {
    name,
    allowed,
    reason: missing,
    rowFilter: rowsOf(ways),
    ways: through,
    // Made where they are asked for: most ask of a page of principals which tables they read.
    get columns() {
      count(columns.length);
      return columnsOf(columns, { ways, through, count });
    },
    get through() {
      count(through.length);
      return through;
    },
  };
}

function columnsOf(
  columns: string[],
  { ways, through, count }: Pick<Subject, 'count'> & { ways: Way[]; through: ExplainedWay[] },
): ExplainedTable['columns'] {
  const opened = ways.map((way, index) => ({ way: through[index] as ExplainedWay, names: new Set(way.columns) }));
  return columns.map((name) => {
    const opening = opened.flatMap(({ way, names }) => (names.has(name) ? [way] : []));
    return {
      name,
      allowed: opening.length > 0,
      get through() {
        count(opening.length);
        return opening;
      },
    };
  });
}

function explainedWay(
  { columns, ...way }: Way,
  { grants, count }: Pick<Subject, 'count'> & { grants: Map<string, GrantFact> },
): ExplainedWay {
  const grant = grants.get(way.owner.id);
  return {
    ...way,
    get columns() {
      count(columns.length);
      return columns;
    },
    accessGrantId: grant?.id ?? null,
    accessRequestId: grant?.requestId ?? null,
    status: grant?.status ?? null,
    purpose: grant?.purpose ?? null,
    decidedBy: grant?.decidedBy ?? null,
    decidedFor: grant?.decidedFor ?? null,
    decidedAt: grant?.decidedAt ?? null,
    policy: grant?.policy ?? null,
  };
}

/** Filters add up: a row is read that one of them lets through; every row where one way has none. */
function rowsOf(ways: Way[]): string | null {
  const filters = [...new Set(ways.map(({ rowFilter }) => rowFilter))];
  if (filters.length === 0 || filters.includes(null)) return null;
  if (filters.length === 1) return filters[0] ?? null;
  return filters
    .map((filter) => `(${filter})`)
    .sort()
    .join(' OR ');
}

const UNCONFIRMED = ", as far as the governance account goes: the principal's account provisions for itself";

function openReason(tables: ExplainedTable[], delegated: boolean): string {
  const open = tables.filter(({ allowed }) => allowed);
  const grants = new Set(open.flatMap(({ ways }) => ways.flatMap(({ accessGrantId }) => accessGrantId ?? [])));
  const [own, foreign] = ['OWNER', 'FOREIGN'].map((of) =>
    open.some(({ ways }) => ways.some(({ kind }) => kind === of)),
  );
  const through = [
    ...(grants.size > 0 ? [`${grants.size} ${grants.size === 1 ? 'grant' : 'grants'}`] : []),
    ...(own ? ["the product's own permissions"] : []),
    ...(foreign ? ['a grant that nothing in Meshgate asked for'] : []),
  ];
  return `Reads ${open.length} of ${tables.length} ${tables.length === 1 ? 'table' : 'tables'} through ${through.join(' and ')}${delegated ? UNCONFIRMED : ''}.`;
}

function closedReason(
  { facts, product }: Subject,
  { principal, access, pending }: { principal: string; access: TableAccess[]; pending: NotCounted[] },
): string {
  const missing = access.find((table) => table.missing !== null)?.missing;
  const standing = facts.grants.filter((grant) => grant.principals.includes(principal) && counts(grant));
  if (missing) return `A grant names the principal, but ${missing}.`;
  if (standing.length > 0) return 'A grant names the principal, but what it needs does not stand in AWS now.';
  if (pending[0]) return pending[0].reason;
  return `No grant on ${product.domain}/${product.name} names the principal.`;
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/** What names the principal and gives nothing now: on its way, on its way out, over, or not decided. */
function notCounted({ facts }: Subject, principal: string): NotCounted[] {
  const grants = facts.grants
    .filter((grant) => grant.principals.includes(principal) && !counts(grant))
    .map((grant) => ({
      accessGrantId: grant.id,
      accessRequestId: grant.requestId,
      status: grant.status,
      reason: whyNot(grant),
    }));
  const requests = facts.requests
    .filter(({ principals }) => principals.includes(principal))
    .map(({ id, requestedBy }) => ({
      accessGrantId: null,
      accessRequestId: id,
      status: 'PENDING',
      reason: `${requestedBy} has asked for access; nobody has decided yet.`,
    }));
  return [...grants, ...requests];
}

function whyNot({ status, over, lingers, expiresAt, revokedAt, revokedBy, reason }: GrantFact): string {
  const why = reason === null ? '.' : `: ${sentence(reason)}`;
  switch (status) {
    case 'PROVISIONING':
      return 'A grant is on its way into AWS.';
    case 'REVOKING':
      return lingers
        ? `A grant was taken back${why} AWS has not let go of it yet, so the principal may still be able to read.`
        : `A grant was taken back${why}`;
    case 'REVOKED':
      return `A grant was revoked by ${revokedBy} at ${revokedAt}${why}`;
    case 'EXPIRED':
      return `A grant ended at ${expiresAt}.`;
    default:
      return over ? `The grant's end, ${expiresAt}, has come.` : `The grant is ${status}${why}`;
  }
}
