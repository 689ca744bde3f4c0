import { linkName } from '../../src/governance/names.js';
import type { ProcessMesh } from './process-mesh.js';

/** A grant as the database holds it, with what was asked for and where it is read. */
export interface GrantRow {
  id: string;
  status: string;
  principals: string[];
  permissions: string[];
  tables: string[];
  columns: string[];
  rowFilter: string | null;
  accessMode: string;
  approvedAs: string | null;
  account: string;
  productId: string;
  domain: string;
  product: string;
  productMode: string;
  productStatus: string;
  classification: string;
  productTables: ProductTable[] | null;
}

interface ProductTable {
  name: string;
  columns: { name: string; pii: boolean }[];
}

/** One thing that somebody may read or not: AWS's name of it, and ours. */
interface Cell {
  principal: string;
  productId: string;
  table: string;
  column: string;
  question: Record<string, string>;
  allowed: boolean;
  /** Whether he may see some rows only. */
  filtered: boolean;
}

/** `table.column` of all that a principal reads of a product, as Meshgate explains it. */
export type Explain = (principal: string, productId: string) => Promise<Set<string>>;

/** All grants that there ever were. */
export const readGrants = (mesh: ProcessMesh): Promise<GrantRow[]> =>
  mesh.query<GrantRow>(`
    SELECT g."id", g."status"::text AS status, r."principals", r."permissions"::text[] AS permissions, r."tables", r."columns", r."rowFilter",
      r."accessMode"::text AS "accessMode", r."approvedAs"::text AS "approvedAs", c."awsAccountId" AS account,
      p."id" AS "productId", d."name" AS domain, p."name" AS product, p."accessMode"::text AS "productMode",
      p."status"::text AS "productStatus", p."classification"::text AS classification,
      (SELECT jsonb_agg(jsonb_build_object('name', t."name", 'columns',
          (SELECT jsonb_agg(jsonb_build_object('name', col."name", 'pii', col."pii")) FROM "ProductColumn" col WHERE col."tableId" = t."id")))
        FROM "ProductTable" t WHERE t."productId" = p."id") AS "productTables"
    FROM "AccessGrant" g JOIN "AccessRequest" r ON r."id" = g."requestId" JOIN "DataProduct" p ON p."id" = g."productId"
    JOIN "Domain" d ON d."id" = p."domainId" JOIN "Domain" c ON c."id" = g."consumerDomainId"`);

/**
 * Asks AWS of every principal that was ever named, for every column of every table of every product of his, by the names of both access
 * modes: exactly what the ACTIVE grants say may be read, and the rows of it. What Meshgate explains must be the same.
 */
export async function wrongReads(mesh: ProcessMesh, grants: GrantRow[], explain?: Explain): Promise<string[]> {
  const cells = new Map<string, Cell>();
  for (const grant of grants) {
    for (const cell of cellsOf(grant)) {
      const key = JSON.stringify(cell.question);
      const known = cells.get(key);
      const both = known?.allowed && cell.allowed;
      cells.set(key, {
        ...cell,
        allowed: cell.allowed || (known?.allowed ?? false),
        // Filters on one column add up: who may see all rows by one grant sees them.
        filtered: both ? known.filtered && cell.filtered : known?.allowed ? known.filtered : cell.filtered,
      });
    }
  }
  const all = [...cells.values()];
  const inAws = await inParallel(all, (cell) => wrongAnswer(mesh, cell));
  return [...inAws, ...(explain ? await wrongExplanations(explain, all) : [])];
}

/** What a grant says of each of its principals, in the place of either mode; writes by themselves. */
function cellsOf(grant: GrantRow): Cell[] {
  const { productId, account, domain, product, productMode } = grant;
  const table = (name: string) => ({
    NRAC: { database: 'data_products', table: linkName(domain, product, name) },
    LF_TBAC: { database: `${domain.replaceAll('-', '_')}__tbac`, table: name },
  });
  const alive = grant.status === 'ACTIVE' && grant.productStatus !== 'RETIRED';
  return grant.principals.flatMap((principal) =>
    (grant.productTables ?? []).flatMap(({ name, columns }) =>
      Object.entries(table(name)).flatMap(([mode, place]) => {
        const here = alive && mode === productMode;
        const common = { principal, productId, table: name, filtered: grant.rowFilter !== null };
        const question = { principal, account, ...place };
        const read = columns.map((column): Cell => {
          const allowed = here && covers(grant, name, column);
          return { ...common, column: column.name, question: { ...question, column: column.name }, allowed };
        });
        if (!grant.permissions.includes('INSERT')) return read;
        const writes = here && mode === 'NRAC' && isAsked(grant, name);
        const write = { ...common, column: 'INSERT', question: { ...question, permission: 'INSERT' }, allowed: writes };
        return [...read, { ...write, filtered: false }];
      }),
    ),
  );
}

const isAsked = ({ tables }: GrantRow, table: string): boolean => tables.length === 0 || tables.includes(table);

/** By name every column that was asked for; by tag what is sensitive only to whom that was approved. */
function covers(grant: GrantRow, table: string, column: { name: string; pii: boolean }): boolean {
  if (!isAsked(grant, table)) return false;
  const sensitive = (level: string): boolean => level === 'CONFIDENTIAL' || level === 'RESTRICTED';
  const opensAll = grant.accessMode === 'NRAC' || sensitive(grant.approvedAs ?? grant.classification);
  if (!opensAll && (sensitive(grant.classification) || column.pii)) return false;
  const chosen = grant.columns.filter((one) => one.startsWith(`${table}.`));
  return chosen.length === 0 || chosen.includes(`${table}.${column.name}`);
}

async function wrongAnswer(mesh: ProcessMesh, { question, allowed, filtered }: Cell): Promise<string[]> {
  const answer = await fetch(`${mesh.sandboxUrl}/_sandbox/can-read?${new URLSearchParams(question)}`);
  const is = (await answer.json()) as { allowed: boolean; reason: string; rowFilter?: string };
  const what = `${question.permission ?? 'read'} ${question.database}/${question.table}.${question.column ?? ''}`;
  if (is.allowed !== allowed) {
    return [`${question.principal} ${is.allowed ? 'can' : 'cannot'} ${what}: ${is.reason}`];
  }
  if (allowed && (is.rowFilter !== undefined) !== filtered) {
    return [`${question.principal} may ${what} where ${is.rowFilter ?? 'anything is so'}`];
  }
  return [];
}

async function wrongExplanations(explain: Explain, cells: Cell[]): Promise<string[]> {
  const asked = new Map<string, Cell[]>();
  for (const cell of cells) {
    if (cell.question.permission !== undefined) continue;
    const key = `${cell.principal} ${cell.productId}`;
    asked.set(key, [...(asked.get(key) ?? []), cell]);
  }
  return inParallel([...asked.values()], async (of) => {
    const { principal, productId } = of[0] as Cell;
    const told = await explain(principal, productId);
    const open = new Set(of.filter(({ allowed }) => allowed).map(({ table, column }) => `${table}.${column}`));
    return [
      ...[...told]
        .filter((cell) => !open.has(cell))
        .map((cell) => `${principal} is told he reads ${cell} of ${productId}`),
      ...[...open]
        .filter((cell) => !told.has(cell))
        .map((cell) => `${principal} is not told he reads ${cell} of ${productId}`),
    ];
  });
}

async function inParallel<T>(items: T[], ask: (item: T) => Promise<string[]>): Promise<string[]> {
  const found: string[] = [];
  const left = [...items];
  const asker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) found.push(...(await ask(item)));
  };
  await Promise.all(Array.from({ length: 8 }, asker));
  return found;
}
