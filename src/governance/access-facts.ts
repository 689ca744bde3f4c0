import { type AccessGrantStatus, type Classification, Prisma, type PrismaClient } from '../generated/prisma/client.js';
import type { Kind, SpecOf } from '../provisioning/kinds.js';
import { leavingInAccount } from './account-revocation.js';
import type { Context, Mesh } from './context.js';
import { type AccessWorld, accountOf, type HeldClaim, shareKey, worldOf } from './explain.js';
import { type ForeignFact, foreignClaims, foreignFacts } from './foreign-access.js';
import { centralDatabase } from './names.js';

/** A product as explanations need it. */
export interface ExplainedProduct {
  id: string;
  name: string;
  status: string;
  domainId: string;
  domain: string;
  domainAccount: string;
  classification: Classification;
  tables: { name: string; columns: string[] }[];
}

/** A grant of the product that names a principal. */
export interface GrantFact {
  id: string;
  requestId: string;
  status: AccessGrantStatus;
  /** Its end has come by the database's clock. */
  over: boolean;
  expiresAt: string | null;
  reason: string | null;
  revokedAt: string | null;
  revokedBy: string | null;
  principals: string[];
  purpose: string;
  decidedBy: string | null;
  /** For whom, where a deputy decided. */
  decidedFor: string | null;
  decidedAt: string | null;
  /** The version of the policies that granted it. */
  policy: string | null;
  /** It was taken back, and AWS still holds permissions of it. */
  lingers: boolean;
}

/** A resource's row with the claims that concern the product. */
interface RowFact {
  kind: Kind;
  account: string;
  key: string;
  spec: SpecOf<Kind>;
  desired: 'PRESENT' | 'ABSENT';
  status: string;
  observed: boolean;
  failing: boolean;
  /** Differences that were found and are left as they are. */
  drift: string[] | null;
  claims: { type: HeldClaim['owner']['type']; id: string; spec: SpecOf<Kind>; released: boolean; seen: boolean }[];
}

export interface Facts {
  grants: GrantFact[];
  /** Requests that name a principal and wait for a decision. */
  requests: { id: string; principals: string[]; requestedBy: string }[];
  rows: RowFact[];
  /** Grants to the principals and their accounts that nothing in Meshgate asked for. */
  foreign: ForeignFact[];
  /** Those of the principals' accounts whose domains provision for themselves. */
  delegated: string[];
}

/** A product with its tables, and whose account a principal is of; null where there is no such product. One statement. */
export async function readExplained(db: PrismaClient, productId: string): Promise<ExplainedProduct | null> {
  const [row] = await db.$queryRaw<ExplainedProduct[]>`
    SELECT p."id"::text, p."name", p."status"::text, p."domainId"::text, d."name" AS "domain", d."awsAccountId" AS "domainAccount",
      p."classification"::text,
      coalesce((SELECT jsonb_agg(jsonb_build_object('name', t."name", 'columns', (
        SELECT coalesce(jsonb_agg(c."name" ORDER BY c."position"), '[]') FROM "ProductColumn" c WHERE c."tableId" = t."id"
      )) ORDER BY t."position") FROM "ProductTable" t WHERE t."productId" = p."id"), '[]') AS "tables"
    FROM "DataProduct" p JOIN "Domain" d ON d."id" = p."domainId" WHERE p."id" = ${productId}::uuid`;
  return row ?? null;
}

/** What the access of these principals to a product follows from: one statement, however many grants and tables. */
export async function readFacts(
  { db, mesh }: Pick<Context, 'db' | 'mesh'>,
  productId: string,
  principals: string[],
): Promise<Facts> {
  const grantees = [...principals, ...new Set(principals.map(accountOf))];
  const [facts] = await db.$queryRaw<Facts[]>`
    WITH named AS (
      SELECT g."id", g."status", g."expiresAt", g."reason", g."revokedAt", g."revokedBy", q."id" AS "requestId", q."principals",
        q."purpose", q."decidedBy", q."decidedFor", q."decidedAt",
        (SELECT string_agg(concat(policy ->> 'name', '/', policy ->> 'version'), ', ' ORDER BY policy ->> 'name')
          FROM "AccessDecision" a, jsonb_array_elements(a."policies") AS policy WHERE a."requestId" = q."id") AS "policy", coalesce(g."expiresAt" <= now(), false) AS "over",
        g."status" = 'REVOKING' AND EXISTS (SELECT FROM "ResourceClaim" claim JOIN "Resource" resource ON resource."id" = claim."resourceId"
          WHERE claim."ownerType" = 'ACCESS_GRANT' AND claim."ownerId" = g."id" AND ${givesStill(mesh)}
            AND resource."spec" ->> 'principal' = ANY (${grantees}::text[])) AS "lingers"
      FROM "AccessGrant" g JOIN "AccessRequest" q ON q."id" = g."requestId"
      WHERE g."productId" = ${productId}::uuid AND q."principals" && ${principals}::text[]
      ORDER BY g."status" IN ('REVOKED', 'EXPIRED'), g."createdAt" DESC LIMIT 1000
    ), owners AS (
      SELECT "id" FROM named WHERE "status" NOT IN ('REVOKED', 'EXPIRED')
      UNION ALL SELECT "id" FROM "DataProduct" WHERE "id" = ${productId}::uuid
      UNION ALL SELECT "domainId" FROM "DataProduct" WHERE "id" = ${productId}::uuid
    ), facts AS (
      SELECT r."kind", r."account", r."key", r."spec" - 'columns' AS "spec", r."desired", r."status",
        r."observedGeneration" > 0 AS "observed", r."lastError" IS NOT NULL AS "failing", r."drift" -> 'differences' AS "drift",
        jsonb_agg(jsonb_build_object('type', c."ownerType", 'id', c."ownerId", 'spec',
          CASE r."kind" WHEN 'GlueTable' THEN c."spec" - 'columns' ELSE c."spec" END, 'released', c."releasedAtGeneration" IS NOT NULL, 'seen', coalesce(r."observedAt" >= c."createdAt", false))
          ORDER BY c."createdAt", c."ownerId") AS "claims"
      FROM "ResourceClaim" c JOIN "Resource" r ON r."id" = c."resourceId"
      WHERE c."ownerId" IN (SELECT "id" FROM owners) AND (
        r."kind" IN ('GlueTable', 'DataLocation', 'DataFilter', 'TableLink', 'DatabaseLink', 'LfTagAttachment', 'ShareAcceptance')
        OR (r."kind" = 'LfGrant' AND r."spec" ->> 'principal' = ANY (${grantees}::text[])))
      GROUP BY r."id"
    )
    SELECT
      (SELECT coalesce(jsonb_agg(to_jsonb(named)), '[]') FROM named) AS "grants",
      (SELECT coalesce(jsonb_agg(to_jsonb(facts)), '[]') FROM facts) AS "rows",
      ${foreignFacts(grantees)} AS "foreign",
      (SELECT coalesce(jsonb_agg(jsonb_build_object('id', q."id", 'principals', q."principals", 'requestedBy', q."requestedBy")), '[]')
        FROM "AccessRequest" q WHERE q."productId" = ${productId}::uuid AND q."status" = 'PENDING' AND q."extendsId" IS NULL
        AND q."principals" && ${principals}::text[]) AS "requests",
      (SELECT coalesce(jsonb_agg(d."awsAccountId"), '[]') FROM "Domain" d
        WHERE d."provisioning" = 'DELEGATED' AND d."awsAccountId" = ANY (${principals.map(accountOf)}::text[])) AS "delegated"`;
  return facts ?? { grants: [], requests: [], rows: [], foreign: [], delegated: [] };
}

/** What is in force of it: claims that hold, of grants that count, on objects that stand in AWS as far as is known. */
export function worldInForce(
  mesh: Mesh,
  product: ExplainedProduct,
  { grants, rows, foreign, delegated }: Facts,
): AccessWorld {
  const counted = new Map(grants.map((grant) => [grant.id, counts(grant) ? grant.status : null]));
  return worldOf({
    governanceAccount: mesh.governanceAccount,
    tables: tablesOfWorld(mesh, product),
    claims: rows
      .flatMap((row) =>
        row.claims.flatMap(({ type, id, spec, released, seen }) => {
          const status = type === 'ACCESS_GRANT' ? counted.get(id) : 'ACTIVE';
          if (released || !status || !(stands(row) || (status === 'ACTIVE' && seen && isChanging(row)))) return [];
          return [{ kind: row.kind, account: row.account, spec, owner: { type, id } } as HeldClaim];
        }),
      )
      .concat(foreignClaims(mesh.governanceAccount, foreign)),
    closedShares: new Set(
      rows.flatMap((row) => {
        if (row.kind !== 'ShareAcceptance' || stands(row) || isChanging(row)) return [];
        const { principal, resource } = row.spec as SpecOf<'ShareAcceptance'>;
        return [shareKey(principal, resource)];
      }),
    ),
    delegated: {
      accounts: new Set(delegated),
      principalsOf: new Map(grants.map(({ id, principals }) => [id, principals])),
    },
  });
}

/** A product's tables with the databases that they may stand in, by access mode. */
export function tablesOfWorld(
  mesh: Mesh,
  { domain, domainAccount, tables }: Pick<ExplainedProduct, 'domain' | 'domainAccount' | 'tables'>,
): AccessWorld['tables'] {
  const owner = { name: domain, awsAccountId: domainAccount };
  const databases = (['nrac', 'tbac'] as const).map((mode) => centralDatabase(mesh, owner, mode));
  return tables.map(({ name, columns }) => ({ name, columns, databases }));
}

/** A grant that gives access: one on its way, ended, or past its end gives none, whatever AWS still holds. A failed one gives what stands. */
export function counts({ status, over }: GrantFact): boolean {
  return !over && (status === 'ACTIVE' || status === 'FAILED');
}

/** AWS was last seen to hold it. What somebody added to a grant takes nothing away from it. */
function stands({ kind, desired, status, drift }: RowFact): boolean {
  if (desired !== 'PRESENT' || status !== 'READY') return false;
  return drift === null || (kind === 'LfGrant' && drift.every((difference) => difference.startsWith('holds ')));
}

/** It stood, and is being changed or looked at anew: what was in force before still is. */
function isChanging({ desired, status, observed, failing }: RowFact): boolean {
  return desired === 'PRESENT' && (status === 'PENDING' || status === 'APPLYING') && observed && !failing;
}

/** Permissions that were released and still give access: those in G, and in an account those that G's grant to the account keeps up. */
const givesStill = ({ governanceAccount }: Mesh): Prisma.Sql =>
  Prisma.sql`((claim."releasedAtGeneration" IS NOT NULL AND resource."kind" = 'LfGrant' AND resource."account" = ${governanceAccount})
    OR ${leavingInAccount(governanceAccount)})`;
