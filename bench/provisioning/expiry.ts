import { type Figure, ms, percentile, tally } from '../figures.js';
import { isProvisioning, listed } from './batching.js';
import { type Market, names, roleOf, rowId, together, until } from './market.js';
import { GOVERNANCE, type LoggedCall, type Stack } from './stack.js';

/** Grants that all end at one instant: when each was revoked in the governance account, by the call log. */
export async function measureExpiry(stack: Stack, market: Market, { grants: count }: { grants: number }) {
  const tables = names('expiring_', 20);
  const product = await market.publish('expiring', tables);
  const wishes = names('expiring-reader-', count).map((role, n) => ({
    product,
    principal: roleOf(role),
    tables: [tables[n % tables.length]!],
  }));
  const grants = await together(wishes, async (wish) => market.approve(await market.request(wish)));
  await market.active(grants, 600_000);
  const expiresAt = await endAtOnce(stack, grants);
  const before = await stack.lastCall();
  await until('all are EXPIRED', 300_000, async () => {
    const [left] = await stack.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM "AccessGrant" WHERE "id" = ANY($1::uuid[]) AND "status" <> 'EXPIRED'`,
      [grants.map(rowId)],
    );
    return left?.n === 0;
  });
  const settledMs = Date.now() - expiresAt.getTime();
  const calls = (await stack.callsAfter(before)).filter(isProvisioning);
  const revokedAt = revokes(calls);
  const delays = wishes.map(({ principal }) => (revokedAt.get(principal) ?? Number.NaN) - expiresAt.getTime());
  const missing = delays.filter(Number.isNaN).length;
  const [p50, p99] = [percentile(delays, 0.5), percentile(delays, 0.99)];
  const figures: Figure[] = [
    {
      what: `${count.toLocaleString('en')} grants that end at one instant: revoked in the governance account after p50 / p99`,
      measured: missing > 0 ? `${missing} were never revoked` : `${ms(p50)} / ${ms(p99)}`,
      target: 'p99 <= 60 s',
      reached: missing === 0 && p99 <= 60_000,
    },
    { what: '- until the last was EXPIRED', measured: ms(settledMs), target: '', reached: null },
    { what: '- calls', measured: listed(tally(calls.map(({ operation }) => operation))), target: '', reached: null },
  ];
  return { figures, detail: { grants: count, delaysMs: delays, settledMs } };
}

/** Sets one end for all of them in the database, as no number of approvals is sure to be done by a time that was set before. */
async function endAtOnce(stack: Stack, grants: string[]): Promise<Date> {
  const [end] = await stack.query<{ at: Date }>(
    `WITH ended AS (UPDATE "AccessGrant" SET "expiresAt" = now() + interval '5 seconds' WHERE "id" = ANY($1::uuid[]) RETURNING "expiresAt")
     SELECT DISTINCT "expiresAt" AS at FROM ended`,
    [grants.map(rowId)],
  );
  if (!end) throw new Error('There is no grant to end.');
  return end.at;
}

interface RevokeEntry {
  Principal?: { DataLakePrincipalIdentifier?: string };
}

/** When each principal's permission was first revoked in the governance account. */
function revokes(calls: LoggedCall[]): Map<string, number> {
  const at = new Map<string, number>();
  for (const call of calls) {
    if (call.account !== GOVERNANCE || call.operation !== 'BatchRevokePermissions' || call.error !== null) continue;
    for (const entry of (call.parameters.Entries ?? []) as RevokeEntry[]) {
      const principal = entry.Principal?.DataLakePrincipalIdentifier ?? '';
      if (!at.has(principal)) at.set(principal, Date.parse(call.at));
    }
  }
  return at;
}
