import { type Answer, tellColumnsApart } from './cedar/engine.js';
import type { Judging } from './policy-approvals.js';
import { askEach } from './policy-asking.js';
import { askColumn, type ColumnFacts } from './policy-facts.js';

/** Where policies name columns, each is asked about: about 1 ms of CPU. */
const MOST_COLUMNS = 500;

/** Columns that may not be read, and what says so. */
interface RefusedColumns {
  answer: Answer;
  /** As `table.column`. */
  columns: string[];
  /** Where it is not for what the columns are. */
  says?: string;
}

/** Those of the columns that may not be read. Columns that are alike are asked about once, unless a policy can tell them apart. */
export async function refusedColumns(
  { engine, slice, facts }: Judging,
  columns: ColumnFacts[],
): Promise<RefusedColumns[]> {
  const apart = tellColumnsApart(slice);
  const groups = apart.length > 0 ? columns.flatMap(eachColumn) : alikeColumns(columns);
  if (apart.length > 0 && groups.length > MOST_COLUMNS) {
    const says = `It would open ${groups.length} columns; where policies name columns, at most ${MOST_COLUMNS} can be judged: ask for fewer tables or columns.`;
    const all = groups.flatMap((group) => group.columns);
    return [{ answer: { allowed: false, determining: apart, errors: [] }, columns: all, says }];
  }
  const questions = groups.map(({ columns: _, ...column }) => askColumn(facts, column));
  const answers = await askEach({ engine, slice }, questions);
  const byReason = new Map<string, { answer: Answer; columns: string[] }>();
  for (const [index, answer] of answers.entries()) {
    if (answer.allowed) continue;
    const key = JSON.stringify(answer);
    const found = byReason.get(key) ?? { answer, columns: [] };
    found.columns.push(...(groups[index]?.columns ?? []));
    byReason.set(key, found);
  }
  return [...byReason.values()];
}

/** A column to ask about, and those that its answer is about, as `table.column`. */
interface AskedColumn extends Omit<ColumnFacts, 'names'> {
  name: string;
  columns: string[];
}

/** Each column for itself. */
export const eachColumn = ({ names, ...alike }: ColumnFacts): AskedColumn[] =>
  names.map((name) => ({ ...alike, name, columns: [`${alike.table}.${name}`] }));

/** One for all columns of any table that have the same classification and personal data. */
function alikeColumns(columns: ColumnFacts[]): AskedColumn[] {
  const groups = new Map<string, AskedColumn>();
  for (const column of columns.flatMap(eachColumn)) {
    const key = `${column.pii} ${column.classification}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, column);
    else group.columns.push(...column.columns);
  }
  return [...groups.values()];
}

/** At most ten of them. */
export const shortened = (names: readonly string[]): string =>
  names.length <= 10 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
