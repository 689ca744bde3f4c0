import { randomBytes } from 'node:crypto';
import { type Classification, Prisma } from '../../generated/prisma/client.js';

/** Somebody read, of one object, fields that say who may read a sensitive product, which rows of it, or how. */
export interface SensitiveRead {
  product: { id: string; name: string; domainId: string; domain: string; classification: Classification };
  /** The object that was read, by type and row id. */
  object: { type: string; id: string };
  fields: string[];
}

/** Under this key a statement answers what it read beside what was asked for. By lot, so that no JSON from outside can bear it. */
export const SENSITIVE_READ = `__read_${randomBytes(9).toString('base64url')}`;

interface SensitiveColumns {
  type: string;
  id: Prisma.Sql;
  productId: Prisma.Sql;
  /** The names of those that were read, as an array. */
  fields: Prisma.Sql;
  audited: readonly string[];
}

/** A SensitiveRead as JSON; null where the product is of no classification that is audited. */
export function sensitiveReadSql({ type, id, productId, fields, audited }: SensitiveColumns): Prisma.Sql {
  return Prisma.sql`(SELECT json_build_object(
      'product', json_build_object('id', sp."id", 'name', sp."name", 'domainId', sp."domainId", 'domain', sd."name",
        'classification', sp."classification"),
      'object', json_build_object('type', ${type}::text, 'id', ${id}), 'fields', f."fields")
    FROM "DataProduct" sp JOIN "Domain" sd ON sd."id" = sp."domainId"
    CROSS JOIN LATERAL (SELECT ${fields} AS "fields") f
    WHERE cardinality(f."fields") > 0 AND sp."id" = ${productId} AND sp."classification"::text = ANY(${audited}::text[]))`;
}

/** All that is to be told of an answer, wherever in it. */
export function sensitiveReadsIn(answer: unknown): SensitiveRead[] {
  if (Array.isArray(answer)) return answer.flatMap(sensitiveReadsIn);
  if (answer === null || typeof answer !== 'object') return [];
  const { [SENSITIVE_READ]: read, ...rest } = answer as Record<string, unknown>;
  const own = read ? [read as SensitiveRead] : [];
  return [...own, ...Object.values(rest).flatMap(sensitiveReadsIn)];
}
