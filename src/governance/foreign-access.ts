import { Prisma } from '../generated/prisma/client.js';
import type { PermissionMap, SpecOf } from '../provisioning/kinds.js';
import { EVERY_TABLE, lfResourceOf, lfResourceText, type TagCondition } from '../provisioning/lake-resource.js';
import type { Context } from './context.js';
import type { AccessWorld, HeldClaim } from './explain.js';

/** Access by grants that nothing in Meshgate asked for: AWS gives it all the same, accepted or not, until they are gone. */

/** A foreign grant as last listed. */
export interface ForeignFact {
  id: string;
  /** The account whose listing shows it. */
  account: string;
  principal: string;
  /** The text of the Lake Formation resource. */
  resource: string;
  permissions: PermissionMap;
  /** What an expression with a name says; null: the resource says it. */
  expression: TagCondition[] | null;
  /** The filter that it is on, where that is one of Meshgate's. */
  filter: SpecOf<'DataFilter'> | null;
}

/** The foreign grants `f` to these principals and accounts, as JSON. */
export const foreignFacts = (grantees: string[]): Prisma.Sql =>
  Prisma.sql`(SELECT coalesce(jsonb_agg(jsonb_build_object('id', f."id", 'account', f."account", 'principal', f."principal",
      'resource', f."resource", 'permissions', f."permissions" -> 'permissions', 'expression', f."permissions" -> 'expression',
      'filter', CASE WHEN o."kind" = 'DataFilter' THEN o."spec" END) ORDER BY f."id"), '[]')
    FROM "ForeignGrant" f JOIN "Resource" o ON o."id" = f."resourceId"
    WHERE f."status" <> 'GONE' AND f."principal" = ANY (${grantees}::text[]))`;

/** What the foreign grants are to explanations: claims of nobody. Of a filter that others made nobody here knows what it hides: it counts as none. */
export function foreignClaims(governanceAccount: string, facts: ForeignFact[]): HeldClaim[] {
  return facts.flatMap(({ id, account, principal, permissions, filter, ...named }): HeldClaim[] => {
    const granted = lfResourceOf(named.resource, named.expression ?? undefined);
    if (granted === null) return [];
    const owner = { type: 'FOREIGN' as const, id };
    const unknown = granted.type === 'DATA_FILTER' && filter === null;
    const { database, table } = granted as { database: string; table: string };
    const resource = unknown ? { type: 'TABLE' as const, catalogId: granted.catalogId, database, table } : granted;
    const grant = {
      kind: 'LfGrant' as const,
      account,
      spec: { principal, resource, permissions, grantable: {} },
      owner,
    };
    if (filter === null) return [grant];
    return [grant, { kind: 'DataFilter', account: governanceAccount, spec: filter, owner }];
  });
}

/** Principals with a foreign grant on one of the tables, on a filter of one, or on tags that they may have; by ARN. One statement. */
export async function readStrangers(
  { db, mesh }: Pick<Context, 'db' | 'mesh'>,
  tables: AccessWorld['tables'],
  { after, accounts }: { after: string | null; accounts: string[] | null },
): Promise<string[]> {
  const catalogId = mesh.governanceAccount;
  const places = tables.flatMap(({ name, databases }) =>
    databases.map((database) => ({ catalogId, database, table: name })),
  );
  const exact = places.flatMap((place) =>
    [place, { ...place, table: EVERY_TABLE }].map((each) => lfResourceText({ type: 'TABLE', ...each })),
  );
  const filters = places.map((place) => lfResourceText({ type: 'DATA_FILTER', ...place, filter: '' }));
  const rows = await db.$queryRaw<{ principal: string }[]>`
    SELECT DISTINCT f."principal" FROM "ForeignGrant" f
    WHERE f."status" <> 'GONE' AND f."principal" LIKE 'arn:aws%:iam::%' AND f."principal" COLLATE "C" > ${after ?? ''}
      AND (${accounts === null} OR split_part(f."principal", ':', 5) = ANY (${accounts ?? []}::text[]))
      AND (f."resource" = ANY (${exact}::text[]) OR starts_with(f."resource", ${`tables of ${catalogId} `})
        OR EXISTS (SELECT FROM unnest(${filters}::text[]) AS prefix WHERE starts_with(f."resource", prefix)))
    ORDER BY 1`;
  return rows.map(({ principal }) => principal);
}
