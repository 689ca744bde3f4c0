import type { Viewer } from '../context.js';
import { guardOf } from './field-rules.js';
import { type Relation, type Shape, type Sql, sql } from './select.js';

/** Whether the viewer may read this field of the row, as SQL; undefined where whoever sees the row may. Throws where nobody may. */
export function guardSql(shape: Shape, field: string, { t, viewer }: { t: Sql; viewer: Viewer }): Sql | undefined {
  const guard = guardOf(shape.type, field);
  if (guard === undefined) return undefined;
  const may = shape.guards?.[guard];
  if (!may)
    throw new Error(`${shape.type}.${field} is under ${guard}, of which its shape says nothing: nobody reads it.`);
  return may(t, viewer);
}

/** The same, where it is asked in any case. */
export const mayRead: (...asked: Parameters<typeof guardSql>) => Sql = (...asked) => guardSql(...asked) ?? sql`true`;

/** The relation for those who may read it: empty, or null, for others. */
export function within(relation: Relation, may: Sql): Relation {
  if (relation.kind === 'computed')
    return { ...relation, from: (t) => sql`SELECT * FROM (${relation.from(t)}) readable WHERE ${may}` };
  const where = relation.where as (...rows: unknown[]) => Sql;
  return { ...relation, where: (...rows: unknown[]) => sql`${may} AND ${where(...rows)}` };
}
