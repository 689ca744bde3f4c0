import type { ConnectionList, Order } from './connection.js';
import { domainShape } from './domain.js';
import { empty, plain, raw, type Shape, type Sql, sql } from './select.js';
import { seesQuarantined } from './visible.js';

export const quarantinedEventShape: Shape = {
  type: 'QuarantinedEvent',
  from: raw('"QuarantinedEvent"'),
  always: ['id'],
  columns: {
    ...plain('id', 'account', 'eventId', 'source', 'detailType', 'reason', 'explanation', 'body', 'bytes', 'status'),
    ...plain('receivedAt', 'resolvedAt', 'resolvedBy', 'comment'),
  },
  relations: {
    domain: { kind: 'one', shape: () => domainShape, where: (t, r) => sql`${r}."awsAccountId" = ${t}."account"` },
  },
  documents: ['body'],
  scope: 'DOMAIN_WRITE',
  visible: seesQuarantined,
};

const newest: Order = {
  name: 'receivedAt',
  descending: true,
  keys: [
    { sql: (r) => sql`${r}."receivedAt"`, cast: 'timestamptz' },
    { sql: (r) => sql`${r}."id"`, cast: 'uuid' },
  ],
};

/** QuarantinedEventFilter, decoded. */
interface QuarantinedEventFilter {
  status?: string[] | null;
  reasons?: string[] | null;
  domain?: string | null;
  detailType?: string | null;
}

/** What came in and was held, the newest first. */
export const quarantinedEventList: ConnectionList = {
  shape: () => quarantinedEventShape,
  order: () => newest,
  facets: { reason: (row) => ({ value: sql`${row}."reason"`, from: empty }) },
  filter: (r, args) => {
    const filter = (args.filter ?? {}) as QuarantinedEventFilter;
    const conditions: Sql[] = [];
    if (filter.status) conditions.push(sql`${r}."status"::text = ANY(${filter.status}::text[])`);
    if (filter.reasons) conditions.push(sql`${r}."reason"::text = ANY(${filter.reasons}::text[])`);
    if (filter.detailType) conditions.push(sql`${r}."detailType" = ${filter.detailType}`);
    if (filter.domain) {
      conditions.push(
        sql`${r}."account" = (SELECT d."awsAccountId" FROM "Domain" d WHERE d."id" = ${filter.domain}::uuid)`,
      );
    }
    return conditions;
  },
};
