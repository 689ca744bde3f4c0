import { Prisma } from '../generated/prisma/client.js';
import type { PolicySlice, StoredVersion } from './cedar/engine.js';
import type { Context } from './context.js';
import { lockName, type Tx } from './transaction.js';

/**
 * Keeps policies from changing until the transaction ends: whoever decides holds them SHARED, whoever changes them EXCLUSIVE. Taken in a
 * statement of its own, before they are read: so what is read is what holds when the decision is committed, and no decision by older
 * policies is committed after the change was.
 */
export async function holdPolicies(tx: Tx, mode: 'SHARED' | 'EXCLUSIVE'): Promise<void> {
  if (mode === 'SHARED')
    await tx.$executeRaw`SELECT pg_advisory_xact_lock_shared(hashtextextended('meshgate.policies', 0))`;
  else await lockName(tx, 'policies');
}

/** A version that decides now; `domainId` null: about the whole mesh. */
export type ActiveVersion = StoredVersion & { domainId: string | null };

/** The active versions of the mesh's policies and of these domains', as one JSON array. */
export const activeVersions = (domainIds: string[]): Prisma.Sql => Prisma.sql`(
  SELECT coalesce(jsonb_agg(jsonb_build_object('policyId', p."id", 'name', p."name", 'domainId', p."domainId", 'domain', d."name",
    'number', v."number", 'source', v."source", 'digest', v."digest", 'authors', (
      SELECT jsonb_agg(DISTINCT a) FROM (
        SELECT unnest(ARRAY[v."createdBy", v."activatedBy"] || makers_of(v."createdBy") || makers_of(v."activatedBy"))
      ) authors (a) WHERE a IS NOT NULL))), '[]')
  FROM "PolicyVersion" v JOIN "Policy" p ON p."id" = v."policyId" LEFT JOIN "Domain" d ON d."id" = p."domainId"
  WHERE v."status" = 'ACTIVE' AND (p."domainId" IS NULL OR p."domainId" = ANY (${domainIds}::uuid[])))`;

/** Those of the versions that are about a domain's products, as one. */
export function sliceOf(
  { policies }: Pick<Context, 'policies'>,
  versions: ActiveVersion[],
  domainId: string,
): PolicySlice {
  return policies.slice(versions.filter((version) => version.domainId === null || version.domainId === domainId));
}
