import type { Domain } from '../generated/prisma/client.js';
import { type RequestAccessInput, requestAccess as requestAccessInput } from './access-request.input.js';
import { judgeRequest, refuseVanished } from './access-request.js';
import { accountsCutOff, unlessCutOff } from './account-revocation.js';
import { can } from './authorization.js';
import { grantOwner } from './claims.js';
import type { Context } from './context.js';
import { type AskedAccess, desiredAccess } from './desired-access.js';
import { GovernanceError } from './error.js';
import { POLICY_VERSION, readOnly, type ShownPlan, shownPlan, showPlans } from './planned.js';
import { databaseNow, type ProductWithTables, readProduct, readProducts } from './rows.js';
import type { Tx } from './transaction.js';
import { DATA_PRODUCT, step } from './transitions.js';
import { read } from './validation.js';

/** What the rules say to a request. */
export interface PolicyOutcome {
  /** REQUIRED: somebody has to approve. DENIED: nobody can. */
  decision: 'REQUIRED' | 'DENIED';
  version: string;
  whoMayDecide: string;
  viewerMayDecide: boolean;
  reasons: string[];
}

/** What the approval of a request would bring about. */
export interface AccessPlan extends ShownPlan {
  policy: PolicyOutcome;
}

/** Claims as a grant does that is not made yet. */
const NEW_GRANT = grantOwner({ id: '00000000-0000-0000-0000-000000000000' });

/** Says what a request would come to, for whom requestAccess would take it, and writes nothing. */
export async function planAccess(ctx: Context, input: RequestAccessInput): Promise<AccessPlan> {
  const asked = read(requestAccessInput, input);
  return readOnly(ctx.db, async (tx) => {
    const product = await readProduct(tx, asked.dataProduct);
    try {
      const { product: full, consumer, data } = await judgeRequest(ctx, tx, { asked, product });
      const request = { ...data, product: full, consumerDomain: consumer };
      const [plan] = await planAll(ctx, tx, [{ request, refusals: [] }]);
      return plan as AccessPlan;
    } catch (error) {
      if (!(error instanceof GovernanceError) || error.code !== 'POLICY_DENIED') throw error;
      return deniedPlan(ctx, error);
    }
  });
}

/**
 * The plans of pending requests by id, in one read-only transaction: the number of statements does not grow with theirs. A request
 * that is decided, or that asks for another end of a grant alone, changes nothing in AWS: decided ones have no plan.
 */
export async function planRequests(ctx: Context, ids: string[]): Promise<Map<string, AccessPlan>> {
  return readOnly(ctx.db, async (tx) => {
    const now = await databaseNow(tx);
    const requests = await readPending(tx, ids);
    const planned = requests.map((request) => ({
      request,
      refusals: request.extendsId === null ? refusalsOf(request, now) : [],
    }));
    const plans = await planAll(ctx, tx, planned);
    return new Map(requests.map(({ id }, index) => [id, plans[index] as AccessPlan]));
  });
}

async function readPending(tx: Tx, ids: string[]) {
  const requests = await tx.accessRequest.findMany({ where: { id: { in: ids }, status: 'PENDING' } });
  const products = await readProducts(tx, [...new Set(requests.map(({ productId }) => productId))]);
  const domains = await tx.domain.findMany({
    where: { id: { in: requests.map(({ consumerDomainId }) => consumerDomainId) } },
  });
  return requests.flatMap((request) => {
    const product = products.get(request.productId);
    const consumerDomain = domains.find(({ id }) => id === request.consumerDomainId);
    return product && consumerDomain ? [{ ...request, product, consumerDomain }] : [];
  });
}

/** A request, or what would be one, with what its plan needs. */
interface Planned {
  request: AskedAccess & {
    requestedBy: string;
    expiresAt: Date | null;
    extendsId?: string | null;
    product: ProductWithTables;
    consumerDomain: Domain;
  };
  /** Why an approval would be refused now. */
  refusals: string[];
}

async function planAll(ctx: Context, tx: Tx, planned: Planned[]): Promise<AccessPlan[]> {
  const cutOff = await accountsCutOff(ctx, tx, [...new Set(planned.map(({ request }) => request.product.id))]);
  const changes = planned.map(({ request, refusals }) => {
    const { product, consumerDomain: consumer } = request;
    const needed = request.extendsId ? null : desiredAccess(ctx.mesh, { request, product, consumer });
    const resources = needed && unlessCutOff(ctx, needed, { cutOff, product, consumer });
    return {
      declarations: resources ? [{ owner: NEW_GRANT, resources }] : [],
      refusals,
      warnings: request.grantTo === 'ACCOUNT' ? [ACCOUNT_KEEPS] : [],
      domainIds: [product.domainId, consumer.id],
    };
  });
  const plans = await showPlans(ctx, tx, changes);
  return planned.map(({ request }, index) => ({ ...(plans[index] as ShownPlan), policy: requiredOf(ctx, request) }));
}

const ACCOUNT_KEEPS =
  "The grant is to the consumer's account, which grants on: a revoke there depends on that account's own clean-up.";

/** The built-in rule: whoever steers the product's domain decides, but nobody his own request. */
function requiredOf(ctx: Context, { product, consumerDomain, requestedBy }: Planned['request']): PolicyOutcome {
  const subject = {
    type: 'Access' as const,
    requestedBy,
    productDomainId: product.domainId,
    consumerDomainId: consumerDomain.id,
  };
  return {
    decision: 'REQUIRED',
    version: POLICY_VERSION,
    whoMayDecide: `Owners and stewards of ${product.domain.name} and platform admins, but not ${requestedBy}, who asks.`,
    viewerMayDecide: can(ctx.viewer, 'access-request:approve', subject),
    reasons: [`The product is ${product.classification}: every request needs one approval.`],
  };
}

function deniedPlan(ctx: Context, { message }: GovernanceError): AccessPlan {
  return {
    ...shownPlan({ outcomes: [], used: new Map(), refusals: [message], warnings: [], seesResources: ctx.viewer.admin }),
    policy: {
      decision: 'DENIED',
      version: POLICY_VERSION,
      whoMayDecide: 'Nobody: the rules deny it.',
      viewerMayDecide: false,
      reasons: [message],
    },
  };
}

/** Why an approval would be refused as things are. */
function refusalsOf(request: Awaited<ReturnType<typeof readPending>>[number], now: Date): string[] {
  try {
    step(DATA_PRODUCT, request.product.status, 'approve');
    refuseVanished(request, request.product);
    if (request.expiresAt !== null && request.expiresAt <= now) {
      return [`Access was asked for until ${request.expiresAt.toISOString()}, which has passed.`];
    }
    return [];
  } catch (error) {
    if (error instanceof GovernanceError) return [error.message];
    throw error;
  }
}
