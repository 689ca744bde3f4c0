import type { State } from './state.js';

/** Keys and messages in transit are no part of the readable state. */
const HIDDEN = /^(sts\/keys|sandbox\/|sqs\/messages\/)/;

/**
 * The stored state as `{ service: { table: [ { key, ...row } ] } }`. With an account: the rows whose key or owner names it
 * or that mention it (a share or a grant belongs to both its sides).
 */
export function stateOf(state: State, account: string | undefined): Record<string, Record<string, unknown[]>> {
  const result: Record<string, Record<string, unknown[]>> = {};
  for (const name of state.tableNames()) {
    if (HIDDEN.test(name)) continue;
    const [service = '', table = service] = name.split('/');
    const rows = [...state.table<unknown>(name).entries()]
      .filter(([key, row]) => account === undefined || key.includes(account) || JSON.stringify(row).includes(account))
      .map(([key, row]) => (typeof row === 'object' && row !== null ? { key, ...row } : { key, value: row }));
    const tables = result[service] ?? {};
    tables[table] = rows;
    result[service] = tables;
  }
  return result;
}
