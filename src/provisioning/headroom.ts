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

/** How many of our wanted resources count in each quota, by account, region, name and scope. */
export type Used = ReadonlyMap<string, number>;

/** Counts what outcomes have to be compared with: one statement, none where nothing is created or removed. */
export async function readUsed(tx: Tx, outcomes: Outcome[]): Promise<Used> {
  const rooms = [...roomsOf(outcomes).values()];
  if (rooms.length === 0) return new Map();
  const counts = QUOTAS.filter((quota) => rooms.some(({ name }) => name === quota.name)).map(
    ({ name, kinds, keys, cut }) => Prisma.sql`
      SELECT ${name}::text AS name, "account", "region", regexp_replace("key", ${cut}::text, '') AS scope, count(*)::int AS used
      FROM "Resource" WHERE "kind" = ANY (${[...kinds]}::text[]) AND "desired" = 'PRESENT' AND "key" ~ ${keys?.source ?? ''}::text
        AND "account" = ANY (${rooms.filter((room) => room.name === name).map(({ account }) => account)}::text[])
      GROUP BY 1, 2, 3, 4`,
  );
  const rows = await tx.$queryRaw<(RoomKey & { used: number })[]>`${Prisma.join(counts, ' UNION ALL ')}`;
  return new Map(rows.map((row) => [roomKey(row), row.used]));
}

/** The quotas that outcomes eat into or free, by account, name and scope. */
export function headroomOf(outcomes: Outcome[], counted: Used): Headroom[] {
  const byRows = [...roomsOf(outcomes)].map(([key, { region: _, ...room }]) => {
    const used = counted.get(key) ?? 0;
    return { ...room, used, headroom: room.limit - used - room.planned };
  });
  return [...byRows, ...tagValues(outcomes)].sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
}

interface RoomKey {
  account: string;
  region: string;
  name: string;
  scope: string;
}
type Room = RoomKey & Pick<Headroom, 'planned' | 'limit' | 'source'>;

const roomKey = ({ account, region, name, scope }: RoomKey) => [account, region, name, scope].join('\n');
const textOf = ({ account, name, scope }: Headroom) => [account, name, scope].join(' ');

function roomsOf(outcomes: Outcome[]): Map<string, Room> {
  const rooms = new Map<string, Room>();
  for (const outcome of outcomes) {
    if (outcome.action !== 'CREATE' && outcome.action !== 'DELETE') continue;
    const { account, region, action } = outcome;
    for (const { quota, scope } of quotasOf(outcome)) {
      const { name, limit, source } = quota;
      const key = roomKey({ account, region, name, scope });
      const room = rooms.get(key) ?? { name, account, region, scope, planned: 0, limit, source };
      rooms.set(key, { ...room, planned: room.planned + (action === 'CREATE' ? 1 : -1) });
    }
  }
  return rooms;
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
