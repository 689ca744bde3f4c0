import { setImmediate } from 'node:timers/promises';
import type { Domain } from '../generated/prisma/client.js';
import { NEW_GRANT } from './access-approval.js';
import { overtaken } from './access-extension.js';
import { type RequestAccessInput, requestAccess as requestAccessInput } from './access-request.input.js';
import { judgeRequest } from './access-request.js';
import { accountsCutOff, unlessCutOff } from './account-revocation.js';
import { viewerIn } from './approver.js';
import { refuseVanished } from './asked-scope.js';
import { can } from './authorization.js';
import type { Context } from './context.js';
import { capacitiesOf } from './deputyship.js';
import { desiredAccess } from './desired-access.js';
import { GovernanceError } from './error.js';
import { readOnly, type ShownPlan, shownPlan, showPlans } from './planned.js';
import { approvalsText, isBarred, mayApprove } from './policy-approvals.js';
import { type Decision, decideAccess } from './policy-decision.js';
import { type Judged, judgedDigest, lapsedText, readJudged, type ToJudge } from './policy-judging.js';
import { type ProductWithTables, readProduct, readProducts } from './rows.js';
import type { Tx } from './transaction.js';
import { DATA_PRODUCT, step } from './transitions.js';
import { read } from './validation.js';

/** What the policies say to a request. */
export interface PolicyOutcome extends Decision {
  whoMayDecide: string;
  viewerMayDecide: boolean;
}

/** What the approval of a request would bring about. */
export interface AccessPlan extends ShownPlan {
  policy: PolicyOutcome;
}

/** Says what a request would come to, for whom requestAccess would take it, and writes nothing. */
export async function planAccess(ctx: Context, input: RequestAccessInput): Promise<AccessPlan> {
  const asked = read(requestAccessInput, input);
  try {
    const [plan] = await planAll(ctx, async (tx) => {
      const product = await readProduct(tx, asked.dataProduct);
      const { product: full, consumer, data } = await judgeRequest(ctx, tx, { asked, product });
      const request = { ...data, id: null, product: full, consumerDomain: consumer };
      return [{ request, refusals: () => [] }];
    });
    return plan as AccessPlan;
  } catch (error) {
    if (!(error instanceof GovernanceError) || error.code !== 'POLICY_DENIED') throw error;
    return deniedPlan(ctx, error);
  }
}

/**
 * The plans of pending requests by id: the number of statements does not grow with theirs. A request
 * that is decided, or that asks for another end of a grant alone, changes nothing in AWS: decided ones have no plan.
 */
export async function planRequests(ctx: Context, ids: string[]): Promise<Map<string, AccessPlan>> {
  let requests: Awaited<ReturnType<typeof readPending>> = [];
  const plans = await planAll(ctx, async (tx) => {
    requests = await readPending(tx, ids);
    return requests.map((request) => ({
      request,
      refusals: (judged: Judged) =>
        request.extendsId === null
          ? refusalsOf(request, judged.now)
          : [overtaken(request.expiresAt, judged.extendedUntil)].filter((text) => text !== null),
    }));
  });
  return new Map(requests.map(({ id }, index) => [id, plans[index] as AccessPlan]));
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
  request: ToJudge['request'] & { product: ProductWithTables; consumerDomain: Domain };
  /** Why an approval would be refused now. */
  refusals: (judged: Judged) => string[];
}

interface ReadPlans {
  planned: Planned[];
  judged: Judged[];
  cutOff: Awaited<ReturnType<typeof accountsCutOff>>;
}

/** What the policies say to one of them. */
interface PolicyView {
  decided: Decision;
  /** See judgedDigest. */
  judgedAs: string;
  policy: PolicyOutcome;
}

/**
 * In two read-only transactions, between which the policies are asked: that takes milliseconds of CPU a request, for which no connection
 * waits, and after each of which others' requests come in between.
 */
async function planAll(ctx: Context, readPlanned: (tx: Tx) => Promise<Planned[]>): Promise<AccessPlan[]> {
  const found = await readOnly(ctx.db, async (tx) => readPlans(ctx, tx, await readPlanned(tx)));
  const views: PolicyView[] = [];
  for (const [index, { request }] of found.planned.entries()) {
    const judged = found.judged[index] as Judged;
    const decided = await decideAccess(judged, judged.approvers);
    views.push({ decided, judgedAs: await judgedDigest(judged), policy: outcomeOf(ctx, { request, judged, decided }) });
    await setImmediate();
  }
  const changes = found.planned.map((_, index) => changeOf(ctx, found, { index, view: views[index] as PolicyView }));
  const plans = await readOnly(ctx.db, (tx) => showPlans(ctx, tx, changes));
  return plans.map((plan, index) => ({ ...plan, policy: (views[index] as PolicyView).policy }));
}

async function readPlans(ctx: Context, tx: Tx, planned: Planned[]): Promise<ReadPlans> {
  const cutOff = await accountsCutOff(ctx, tx, [...new Set(planned.map(({ request }) => request.product.id))]);
  const judged = await readJudged(
    ctx,
    tx,
    planned.map(({ request }) => ({ request, product: request.product, consumer: request.consumerDomain })),
  );
  return { planned, judged, cutOff };
}

function changeOf(ctx: Context, found: ReadPlans, { index, view }: { index: number; view: PolicyView }) {
  const { request, refusals: refusalsAt } = found.planned[index] as Planned;
  const { product, consumerDomain: consumer } = request;
  const { outcome, reasons, version: policyVersion } = view.decided;
  const own = found.judged[index] as Judged;
  const refusals = refusalsAt(own);
  const denied = outcome === 'DENIED';
  const needed = request.extendsId || denied ? null : desiredAccess(ctx.mesh, { request, product, consumer });
  const resources = needed && unlessCutOff(ctx, needed, { cutOff: found.cutOff, product, consumer });
  return {
    declarations: resources ? [{ owner: NEW_GRANT, resources }] : [],
    refusals: denied ? [...refusals, ...reasons] : refusals,
    warnings: [
      ...(own.facts.grantTo === 'ACCOUNT' ? [ACCOUNT_KEEPS] : []),
      ...[lapsedText(own.lapsed)].filter((text) => text !== null),
    ],
    domainIds: [product.domainId, consumer.id],
    policyVersion,
    judged: view.judgedAs,
  };
}

const ACCOUNT_KEEPS =
  "The grant is to the consumer's account, which grants on: a revoke there depends on that account's own clean-up.";

interface Decided {
  request: Planned['request'];
  judged: Judged;
  decided: Decision;
}

function outcomeOf(ctx: Context, { request, judged, decided }: Decided): PolicyOutcome {
  const { product, consumerDomain: consumer, requestedBy } = request;
  const subject = {
    ...{ type: 'Access' as const, requestedBy },
    ...{ productDomainId: product.domainId, consumerDomainId: consumer.id },
  };
  const capacities = can(ctx.viewer, 'access-request:approve', subject)
    ? capacitiesOf(ctx, subject, { requesters: [requestedBy], onBehalfOf: null })
    : [];
  const approvers = capacities
    .flatMap((capacity) => viewerIn(ctx, { judged, capacity, product, consumer }) ?? [])
    .filter((approver) => !isBarred(judged, approver));
  const counts = approvers.some((approver) => mayApprove(judged, { approver, possible: decided.required }).allowed);
  return {
    ...decided,
    whoMayDecide: whoMayDecide(decided, { domain: product.domain.name, requestedBy }),
    viewerMayDecide:
      decided.outcome === 'NEEDS_APPROVAL' ? counts : approvers.length > 0 && decided.outcome !== 'DENIED',
  };
}

function whoMayDecide({ outcome, required }: Decision, of: { domain: string; requestedBy: string }): string {
  switch (outcome) {
    case 'DENIED':
      return 'Nobody: the policies deny it.';
    case 'AUTO_APPROVED':
      return 'Nobody needs to: the policies grant it at once.';
    default:
      return `It needs ${approvalsText(required)} of ${of.domain}, but not of ${of.requestedBy}, who asks; a platform admin counts as owner.`;
  }
}

/** What Meshgate itself denies, whatever the policies say. */
function deniedPlan(ctx: Context, { message, details }: GovernanceError): AccessPlan {
  const [version = ''] = details.policies ?? [];
  return {
    ...shownPlan({ outcomes: [], used: new Map(), refusals: [message], warnings: [], seesResources: ctx.viewer.admin }),
    policy: {
      ...{ outcome: 'DENIED', version, policies: [], reasons: [message], required: [] },
      whoMayDecide: 'Nobody: the rules deny it.',
      viewerMayDecide: false,
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
