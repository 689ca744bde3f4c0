import { asSystem, type SystemContext } from './context.js';
import { declareStanding } from './domain.js';
import { oneByOne } from './one-by-one.js';
import { lockDomain } from './rows.js';
import { inTransaction } from './transaction.js';

/**
 * Declares anew what every domain and its products in force need: this version of Meshgate, or its configuration, may ask for more of it than the one that
 * registered or published it. Nothing changes where the claims are the same. Returns of how many domains something changed.
 */
export async function declareDomains(ctx: SystemContext): Promise<number> {
  const domains = await ctx.db.domain.findMany({ select: { id: true }, orderBy: { name: 'asc' } });
  return oneByOne(domains, async ({ id }) => {
    const lanes = await inTransaction(ctx.db, async (tx) => {
      const domain = await lockDomain(tx, id);
      return declareStanding(asSystem(ctx), tx, { domain, products: true });
    });
    if (lanes.length > 0) ctx.committed(lanes);
    return lanes.length > 0;
  });
}
