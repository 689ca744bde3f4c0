import { domainShape } from './domain.js';
import { plain, raw, type Shape, type Sql, sql } from './select.js';
import { seesDeputy } from './visible.js';

/** What has not ended, early or by the clock; its time may be to come. */
export const isNotOver = (r: Sql): Sql => sql`${r}."endedAt" IS NULL AND ${r}."until" > statement_timestamp()`;

/** What the view says of it that lets the deputy decide. */
const now = (t: Sql, expression: Sql): Sql => sql`(SELECT ${expression} FROM "Deputyship" v WHERE v."id" = ${t}."id")`;

export const deputyShape: Shape = {
  type: 'Deputy',
  from: raw('"Deputy"'),
  always: ['id', 'domainId', 'deputy', 'standsInFor', 'over'],
  columns: {
    ...plain('id', 'domainId', 'deputy', 'standsInFor', 'from', 'until', 'createdAt', 'endedAt', 'endedBy'),
    over: (t) => sql`NOT (${isNotOver(t)})`,
    inForce: (t) => sql`coalesce(${now(t, sql`v."startsIn" <= 0`)}, false)`,
    role: (t) => now(t, sql`v."role"`),
  },
  relations: {
    domain: { kind: 'one', shape: () => domainShape, where: (t, r) => sql`${r}."id" = ${t}."domainId"` },
  },
  scope: 'CATALOGUE_READ',
  visible: seesDeputy,
};
