import { Prisma } from '../generated/prisma/client.js';
import type { Tx } from './declare.js';
import type { SpecOf } from './kinds.js';
import type { Outcome } from './plan.js';
import { QUOTAS, quotasOf, TAG_VALUES } from './quotas.js';

/** How much room a plan leaves in one quota. */
export interface Headroom {
  name: string;
  account: string;
  /** What it is counted by within the account: a database, a bus, a table; empty for the account as a whole. */
  scope: string;
  /** Of it in our rows now; what others made in the account is not known. */
  used: number;
  /** What the plan adds; negative where it frees some. */
  planned: number;
  limit: number;
  /** Left once the plan is carried out; negative where it would not fit. */
  headroom: number;
  source: string;
}

/** The quotas that outcomes eat into or free, by account, name and scope. One statement, none where nothing is created or removed. */
export async function headroomOf(tx: Tx, outcomes: Outcome[]): Promise<Headroom[]> {
  const rooms = new Map<string, Omit<Headroom, 'used' | 'headroom'> & { region: string }>();
  for (const outcome of outcomes) {
    if (outcome.action !== 'CREATE' && outcome.action !== 'DELETE') continue;
    const { account, region } = outcome;
    for (const { quota, scope } of quotasOf(outcome)) {
      const { name, limit, source } = quota;
      const key = [account, region, name, scope].join('\n');
      const room = rooms.get(key) ?? { name, account, region, scope, planned: 0, limit, source };
      rooms.set(key, { ...room, planned: room.planned + (outcome.action === 'CREATE' ? 1 : -1) });
    }
  }
  const counted = await countUsed(tx, [...rooms.values()]);
  const byRows = [...rooms].map(([key, { region: _, ...room }]) => {
    const used = counted.get(key) ?? 0;
    return { ...room, used, headroom: room.limit - used - room.planned };
  });
  return [...byRows, ...tagValues(outcomes)].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

const keyOf = ({ account, name, scope }: Pick<Headroom, 'account' | 'name' | 'scope'>) => `${account} ${name} ${scope}`;

async function countUsed(
  tx: Tx,
  rooms: { account: string; region: string; name: string; scope: string }[],
): Promise<Map<string, number>> {
  if (rooms.length === 0) return new Map();
  const counts = QUOTAS.filter((quota) => rooms.some(({ name }) => name === quota.name)).map(
    ({ name, kinds, keys, cut }) => Prisma.sql`
      SELECT ${name}::text AS name, "account", "region", regexp_replace("key", ${cut}::text, '') AS scope, count(*)::int AS used
      FROM "Resource" WHERE "kind" = ANY (${[...kinds]}::text[]) AND "desired" = 'PRESENT' AND "key" ~ ${keys?.source ?? ''}::text
        AND "account" = ANY (${rooms.filter((room) => room.name === name).map(({ account }) => account)}::text[])
      GROUP BY 1, 2, 3, 4`,
  );
  const rows = await tx.$queryRaw<{ name: string; account: string; region: string; scope: string; used: number }[]>`
    ${Prisma.join(counts, ' UNION ALL ')}`;
  return new Map(
    rows.map(({ account, region, name, scope, used }) => [[account, region, name, scope].join('\n'), used]),
  );
}

/** The values of each tag that the outcomes change: its spec has them all. */
function tagValues(outcomes: Outcome[]): Headroom[] {
  return outcomes.flatMap(({ kind, account, key, action, before, after }) => {
    if (kind !== 'LfTag' || action === 'NOOP') return [];
    const count = (spec: unknown) => (spec as SpecOf<'LfTag'> | null)?.values.length ?? 0;
    const [used, then] = [count(before), count(after)];
    return [{ ...TAG_VALUES, account, scope: key, used, planned: then - used, headroom: TAG_VALUES.limit - then }];
  });
}
