import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { desiredDomain } from './desired-domain.js';
import { GovernanceError } from './error.js';
import { type AddEventRouteInput, addEventRoute } from './event-route.input.js';
import { newRoute } from './event-route.js';
import { type Change, readOnly, type ShownPlan, showPlans } from './planned.js';
import { domainSubject, readDomain } from './rows.js';
import { read } from './validation.js';

/** What a new route would bring about in AWS, with the room that it leaves on the central bus. One read-only transaction. */
export async function planEventRoute(ctx: Context, input: AddEventRouteInput): Promise<ShownPlan> {
  const given = read(addEventRoute, input);
  return readOnly(ctx.db, async (tx) => {
    const domain = await readDomain(tx, given.domain);
    assertCan(ctx.viewer, 'domain:change-routes', domainSubject(domain));
    const routes = await tx.eventRoute.findMany({ where: { domainId: domain.id }, orderBy: { name: 'asc' } });
    const owner = { type: 'DOMAIN' as const, id: domain.id };
    let change: Change;
    try {
      const resources = desiredDomain(ctx.mesh, domain, [...routes, newRoute(ctx, domain, given)]);
      change = { declarations: [{ owner, resources }], refusals: [] };
    } catch (error) {
      if (!(error instanceof GovernanceError)) throw error;
      change = { declarations: [], refusals: [error.message] };
    }
    const [plan] = await showPlans(ctx, tx, [{ ...change, domainIds: [domain.id] }]);
    return plan as ShownPlan;
  });
}
