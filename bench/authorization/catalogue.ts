import type { Stack } from '../provisioning/stack.js';

/** How much there is to see: products of one domain, each with tags and an active contract, among those of others. */
export interface CatalogueSize {
  products: number;
  domains: number;
}

/** Members who ask belong to so many domains, none of which the page is of: nothing is theirs already. */
const MEMBERSHIPS = 5;

/** Fills the catalogue by hand, as AWS would have to agree with every product otherwise. */
export async function fillCatalogue(
  stack: Stack,
  { products, domains }: CatalogueSize,
  members: string[],
): Promise<void> {
  await stack.query(
    `INSERT INTO "Domain" ("id", "name", "displayName", "description", "awsAccountId", "awsRegion", "roleArn", "externalId",
       "dataLocation", "eventBusName", "status", "readyAt")
     SELECT gen_random_uuid(), 'domain-' || n, 'Domain ' || n, 'One of many', lpad(n::text, 12, '9'), 'eu-west-1',
       'arn:aws:iam::' || lpad(n::text, 12, '9') || ':role/meshgate', md5(n::text), 's3://lake-' || n, 'meshgate', 'READY', now()
     FROM generate_series(1, $1::int) n`,
    [domains],
  );
  await stack.query(
    `INSERT INTO "DataProduct" ("id", "domainId", "name", "displayName", "description", "owner", "accessMode", "classification",
       "status", "tags", "publishedAt", "updatedAt")
     SELECT gen_random_uuid(), d."id", 'product-' || n, 'Product ' || n, 'All about ' || n, 'owner-' || n % 7, 'NRAC', 'INTERNAL',
       (CASE n % 5 WHEN 0 THEN 'DRAFT' ELSE 'PUBLISHED' END)::"DataProductStatus", ARRAY['sales', 'tag-' || n % 20],
       CASE n % 5 WHEN 0 THEN NULL ELSE now() END, now()
     FROM "Domain" d, generate_series(1, $1::int) n`,
    [products],
  );
  await stack.query(
    `INSERT INTO "DataContract" ("id", "productId", "odcsId", "version", "apiVersion", "status", "document", "format", "digest",
       "parsed", "sla", "quality", "warnings", "notes", "createdBy", "activatedAt")
     SELECT gen_random_uuid(), p."id", p."id"::text, v || '.0.0', 'v3.1.0', (CASE v WHEN 2 THEN 'ACTIVE' ELSE 'DEPRECATED' END)::"DataContractStatus",
       '', 'YAML', md5(p."id"::text || v), '{}', '[]', '[]', '[]', '{}', 'bench', now()
     FROM "DataProduct" p, generate_series(1, 2) v`,
  );
  await stack.query(
    `INSERT INTO "DomainMember" ("id", "domainId", "subject", "role", "createdBy")
     SELECT gen_random_uuid(), d."id", s, 'STEWARD', 'bench'
     FROM unnest($1::text[]) s, (SELECT "id" FROM "Domain" WHERE "name" <> 'domain-1' ORDER BY "name" LIMIT $2::int) d`,
    [members, MEMBERSHIPS],
  );
  await stack.query('ANALYZE');
}
