import { z } from 'zod';

/** What Lake Formation grants permissions on, as specs, keys and messages name it (Lake Formation API, Resource). */

/** An AWS account id, 12 digits. */
export const account = z.string().regex(/^\d{12}$/);

/** The Lake Formation resource that a grant or a tag is on; `catalogId` is the account that owns it. */
export const lfResource = z.discriminatedUnion('type', [
  z.object({ type: z.literal('CATALOG'), catalogId: account }),
  z.object({ type: z.literal('DATABASE'), catalogId: account, database: z.string() }),
  z.object({ type: z.literal('TABLE'), catalogId: account, database: z.string(), table: z.string() }),
  /** A data cells filter of a table. */
  z.object({
    type: z.literal('DATA_FILTER'),
    catalogId: account,
    database: z.string(),
    table: z.string(),
    filter: z.string(),
  }),
  /** A registered location, by its S3 ARN. */
  z.object({ type: z.literal('DATA_LOCATION'), catalogId: account, arn: z.string() }),
  /** One value of an LF-tag. */
  z.object({ type: z.literal('LF_TAG'), catalogId: account, key: z.string(), value: z.string() }),
  /**
   * All databases or tables that carry, for each key, one of its values. Keys and values are in order. Where others granted by an
   * expression that AWS keeps under a name, the name stands for it; `expression` is then what it says now, empty where that is unknown.
   */
  z.object({
    type: z.literal('LF_TAG_POLICY'),
    catalogId: account,
    on: z.enum(['DATABASE', 'TABLE']),
    expression: z.array(z.object({ key: z.string(), values: z.array(z.string()).min(1) })).min(1),
    expressionName: z.string().optional(),
  }),
]);
export type LfResource = z.infer<typeof lfResource>;

/** One key of a tag expression with the values it may have. */
export interface TagCondition {
  key: string;
  values: string[];
}

/** How every table of a database, the table wildcard, is named in a grant on it; no table has this name. */
export const EVERY_TABLE = '*';

/** A tag expression as a resource, in the one order that makes equal expressions equal. */
export function tagPolicy(
  catalogId: string,
  on: 'DATABASE' | 'TABLE',
  expression: TagCondition[],
): LfResource & { type: 'LF_TAG_POLICY' } {
  const ordered = expression.map(({ key, values }) => ({ key, values: [...new Set(values)].sort() }));
  return { type: 'LF_TAG_POLICY', catalogId, on, expression: ordered.sort((a, b) => (a.key < b.key ? -1 : 1)) };
}

/** The one-line text of a Lake Formation resource in keys and messages: `table 111122223333/db/t`. */
export function lfResourceText(resource: LfResource): string {
  switch (resource.type) {
    case 'CATALOG':
      return `catalog ${resource.catalogId}`;
    case 'DATABASE':
      return `database ${resource.catalogId}/${resource.database}`;
    case 'TABLE':
      return `table ${resource.catalogId}/${resource.database}/${resource.table}`;
    case 'DATA_FILTER':
      return `filter ${resource.catalogId}/${resource.database}/${resource.table}/${resource.filter}`;
    case 'DATA_LOCATION':
      return `location ${resource.catalogId}/${resource.arn}`;
    case 'LF_TAG':
      return `tag ${resource.catalogId}/${resource.key}=${resource.value}`;
    case 'LF_TAG_POLICY':
      if (resource.expressionName !== undefined)
        return `${resource.on.toLowerCase()}s of ${resource.catalogId} by expression ${resource.expressionName}`;
      return `${resource.on.toLowerCase()}s of ${resource.catalogId} with ${expressionText(resource.expression)}`;
  }
}

/**
 * The database, table, filter or tag expression that `lfResourceText` wrote; null for others, and for what cannot be told from its text:
 * an expression that goes by a name needs its content.
 */
export function lfResourceOf(text: string, expression?: TagCondition[]): LfResource | null {
  const [, type, catalogId = '', rest = ''] = /^(\w+)(?: of)? (\d{12})[ /](.+)$/.exec(text) ?? [];
  const [database = '', table = '', ...more] = rest.split('/');
  switch (type) {
    case 'database':
      return { type: 'DATABASE', catalogId, database: rest };
    case 'table':
      return { type: 'TABLE', catalogId, database, table };
    case 'filter':
      return { type: 'DATA_FILTER', catalogId, database, table, filter: more.join('/') };
    case 'databases':
    case 'tables': {
      const on = type === 'tables' ? ('TABLE' as const) : ('DATABASE' as const);
      const conditions = expression ?? conditionsOf(rest.replace(/^with /, ''));
      return conditions && { type: 'LF_TAG_POLICY', catalogId, on, expression: conditions };
    }
    default:
      return null;
  }
}

function conditionsOf(text: string): TagCondition[] | null {
  const conditions = text.split(/(?<=\)) and /).map((condition) => {
    const [, key = '', values = ''] = /^(.+?)=\((.*)\)$/.exec(condition) ?? [];
    return { key, values: values.split('|') };
  });
  return expressionText(conditions) === text ? conditions : null;
}

/** `confidentiality=(non-sensitive) and product-commerce=(orders)`. */
export function expressionText(expression: TagCondition[]): string {
  return expression.map(({ key, values }) => `${key}=(${values.join('|')})`).join(' and ');
}
