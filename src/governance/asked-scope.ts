import type { AccessMode, Domain, GrantTarget, Permission } from '../generated/prisma/client.js';
import { confidentiality } from './confidentiality.js';
import { askedTables, givenByNameAlone } from './desired-access.js';
import { conflict, GovernanceError, invalid } from './error.js';
import { readRowFilter } from './row-filter.js';
import type { ProductWithTables, RequestRow } from './rows.js';

/** What somebody asks for, read and in order. */
interface Asked {
  permissions: Permission[];
  tables: string[];
  columns: string[];
  rowFilter?: string | null | undefined;
  accessMode?: AccessMode | null | undefined;
  grantTo?: GrantTarget | null | undefined;
}

/** What a request comes to on the product as it is: columns of the request's row. */
interface Scope {
  permissions: Permission[];
  tables: string[];
  columns: string[];
  rowFilter: string | null;
  accessMode: AccessMode;
  grantTo: GrantTarget;
}

/** What is asked of a product in its access mode; what does not fit is refused by name, what the policy forbids is POLICY_DENIED. */
export function judgeScope(asked: Asked, product: ProductWithTables, consumer: Pick<Domain, 'id'>): Scope {
  const { accessMode } = product;
  if (asked.accessMode && asked.accessMode !== accessMode) {
    throw invalid(
      'accessMode',
      `accessMode: access to this product is given by ${accessMode}: ask for that, or leave it out.`,
    );
  }
  const writes = asked.permissions.filter((permission) => WRITES.has(permission));
  const scope = accessMode === 'NRAC' ? scopeByName(asked, product) : scopeByTag(asked, writes);
  if (writes.length > 0 && (scope.columns.length > 0 || scope.rowFilter !== null)) {
    throw invalid('permissions', `permissions: ${writes.join(', ')} is given on whole tables only: ask for SELECT.`);
  }
  refuseWrites(asked, product, consumer);
  return { permissions: asked.permissions, accessMode, ...scope };
}

/** POLICY_DENIED where what is asked holds permissions to write that the consumer may not have. */
export function refuseWrites(
  asked: Pick<Asked, 'permissions'>,
  product: WrittenProduct,
  consumer: Pick<Domain, 'id'>,
): void {
  if (writePermissionsAllowed(asked, product, consumer)) return;
  throw new GovernanceError('POLICY_DENIED', `Permissions to write are ${WRITE_RULE}.`, { policies: [WRITE_POLICY] });
}

const WRITES: ReadonlySet<Permission> = new Set(['INSERT', 'DELETE', 'ALTER']);

/** The id of the rule below, and what it says. */
const WRITE_POLICY = 'built-in/write-permissions';
export const WRITE_RULE =
  "given to principals of the product's own domain alone, and never on CONFIDENTIAL or RESTRICTED data";

type WrittenProduct = Pick<ProductWithTables, 'domainId' | 'classification'>;

/**
 * Whether what is asked holds to the rule who may get INSERT, DELETE or ALTER by a request: principals of the product's own domain, on data that is PUBLIC or INTERNAL. What
 * others read is changed by those alone who answer for it, and sensitive data only by the domain's own workflow.
 */
export function writePermissionsAllowed(
  { permissions }: Pick<Asked, 'permissions'>,
  product: WrittenProduct,
  consumer: Pick<Domain, 'id'>,
): boolean {
  if (!permissions.some((permission) => WRITES.has(permission))) return true;
  return consumer.id === product.domainId && confidentiality(product.classification) === 'non-sensitive';
}

type Part = Pick<Scope, 'tables' | 'columns' | 'rowFilter' | 'grantTo'>;

/** Access by tag is to the product as a whole, as it is now and will be, and always to the consumer's account. */
function scopeByTag(asked: Asked, writes: Permission[]): Part {
  for (const [path, given] of [
    ['tables', asked.tables.length > 0],
    ['columns', asked.columns.length > 0],
    ['rowFilter', (asked.rowFilter ?? null) !== null],
  ] as const) {
    if (given) throw invalid(path, `${path}: access by tag (LF_TBAC) is to all of the product: leave it out.`);
  }
  if (writes.length > 0) {
    throw invalid('permissions', `permissions: ${writes.join(', ')} is given by name (NRAC) only: ask for SELECT.`);
  }
  if (asked.grantTo === 'PRINCIPALS') {
    throw invalid(
      'grantTo',
      "grantTo: access by tag (LF_TBAC) goes through the consumer's account: give ACCOUNT, or nothing.",
    );
  }
  return { tables: [], columns: [], rowFilter: null, grantTo: 'ACCOUNT' };
}

function scopeByName(asked: Asked, product: ProductWithTables): Part {
  const { tables, columns } = askedScope(asked, product);
  const rowFilter = (asked.rowFilter ?? null) === null ? null : filterFor(asked.rowFilter as string, tables, product);
  if ((columns.length > 0 || rowFilter !== null) && !asked.permissions.includes('SELECT')) {
    throw invalid('permissions', 'permissions: on chosen columns or rows there is SELECT only; ask for it.');
  }
  return { tables, columns, rowFilter, grantTo: asked.grantTo ?? 'PRINCIPALS' };
}

/** One filter for every table asked for: each must have the columns that it names. Throws VALIDATION. */
export function filterFor(text: string, tables: string[], product: ProductWithTables): string {
  const read = product.tables
    .filter(({ name }) => tables.includes(name))
    .map(({ name, columns }) => {
      try {
        return readRowFilter(text, columns);
      } catch (error) {
        if (tables.length <= 1 || !(error instanceof GovernanceError)) throw error;
        throw invalid(
          'rowFilter',
          `${error.message} The filter is for every table asked for; this is of ${name}: name the others in \`tables\`.`,
        );
      }
    });
  return read[0]?.text ?? readRowFilter(text, []).text;
}

/** Both in order, so that equal requests are equal rows; `columns` as `table.column`. */
interface Names {
  tables: string[];
  columns: string[];
}

/**
 * What is asked, by name: tables that the product has (all of them, or those of the columns, where none are given) and columns as
 * `table.column`, where a bare name means the one table asked for. Tables that come to the product later are not part of it.
 */
function askedScope({ tables, columns }: Names, product: ProductWithTables): Names {
  const has = product.tables.map(({ name }) => name);
  tables.forEach((name, index) => {
    if (has.includes(name)) return;
    const path = `tables.${index}`;
    throw invalid(path, `${path}: the product has no table ${name}; it has ${has.join(', ')}.`);
  });
  const alone = tables.length === 1 ? tables[0] : has.length === 1 && tables.length === 0 ? has[0] : undefined;
  const full = columns.map((column, index) => fullColumn({ column, path: `columns.${index}`, alone }, product));
  const named = full.map((column) => column.slice(0, column.indexOf('.')));
  const asked = tables.length > 0 ? tables : named.length > 0 ? named : has;
  const outside = named.findIndex((name) => !asked.includes(name));
  if (outside >= 0) {
    const path = `columns.${outside}`;
    throw invalid(path, `${path}: ${columns[outside]} is of a table that is not among the tables asked for.`);
  }
  return { tables: [...new Set(asked)].sort(), columns: [...new Set(full)].sort() };
}

interface AskedColumn {
  column: string;
  path: string;
  /** The one table that a bare name can be of. */
  alone: string | undefined;
}

function fullColumn({ column, path, alone }: AskedColumn, product: ProductWithTables): string {
  for (const { name, columns } of product.tables) {
    if (columns.some((one) => `${name}.${one.name}` === column)) return column;
  }
  if (alone === undefined) {
    throw invalid(
      path,
      `${path}: the product has no column ${column}; where several tables are asked for, give \`table.column\`.`,
    );
  }
  const table = product.tables.find(({ name }) => name === alone);
  if (table?.columns.some(({ name }) => name === column)) return `${alone}.${column}`;
  throw invalid(path, `${path}: the table ${alone} has no column ${column}.`);
}

/** The product may have changed since it was asked for: what is not there any more cannot be granted. */
export function refuseVanished(request: Omit<RequestRow, 'product'>, product: ProductWithTables): void {
  const there = askedTables(request, product);
  const tables = request.tables.filter((name) => !there.some((table) => table.name === name));
  const columns = request.columns.filter(
    (column) => !there.some(({ name, columns }) => columns?.some((one) => `${name}.${one}` === column)),
  );
  const missing = [...tables, ...columns];
  if (missing.length > 0) {
    throw conflict(
      `The product has no ${missing.join(', ')} any more: reject the request, and let him ask for what there is.`,
    );
  }
  // A grant that opens nothing would wait for AWS for ever.
  if (there.length === 0) {
    throw conflict(
      `A ${product.classification} product opens no sensitive column by tag, and it has no others: reject the request.`,
    );
  }
  if (request.rowFilter !== null) filterFor(request.rowFilter, request.tables, product);
  refuseWrites(request, product, request.consumerDomain);
  if (product.accessMode === 'LF_TBAC' && givenByNameAlone(request, product)) {
    throw conflict('The product is given by tag now, as a whole: reject the request, and let him ask anew.');
  }
}
