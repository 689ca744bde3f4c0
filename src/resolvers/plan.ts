import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, FieldResolver, Info, Query, Resolver, Root } from 'type-graphql';
import { planAccess, planRequests } from '../governance/plan-access.js';
import { planActivation } from '../governance/plan-contract.js';
import { planPublish, planRetire } from '../governance/plan-product.js';
import { diffLines, plannedCalls, type ShownPlan } from '../governance/planned.js';
import { type AccessChange as Change, previewTagChange } from '../governance/preview-tag-change.js';
import { accessGrantShape } from '../governance/read/access-grant.js';
import { AccessGrant } from '../schema/access-grant.js';
import { AccessRequest, RequestAccessInput } from '../schema/access-request.js';
import { DataContract } from '../schema/data-contract.js';
import { DataProduct } from '../schema/data-product.js';
import { PolicyDecision } from '../schema/enums.js';
import {
  AccessChange,
  AccessPlan,
  DataProductPlan,
  PlannedAwsCall,
  PlannedResource,
  PolicyOutcome,
  PreviewTagChangeInput,
  TagChangePreview,
} from '../schema/plan.js';
import { loadTogether, readNamed } from './batch.js';
import type { RequestContext } from './context.js';
import { decodeId } from './decode.js';

type PlannedOutcome = ShownPlan['resources'][number];

/** A plan as clients see it: who may not see the AWS objects reads kinds and actions alone (field-rules.ts). */
export function planOf<Plan extends ShownPlan>(plan: Plan) {
  const { resources, seesResources } = plan;
  const counts = new Map<string, { kind: string; action: string; count: number }>();
  for (const { kind, action } of resources) {
    const key = `${kind} ${action}`;
    counts.set(key, { kind, action, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return {
    ...plan,
    resources: resources.map((resource) => ({ ...resource, seesResources })),
    counts: [...counts.values()].sort((a, b) => (`${a.kind} ${a.action}` < `${b.kind} ${b.action}` ? -1 : 1)),
  };
}

@Resolver(() => PolicyOutcome)
export class PolicyOutcomeResolver {
  @FieldResolver(() => PolicyDecision)
  decision(@Root() { outcome }: PolicyOutcome) {
    return outcome === 'AUTO_APPROVED' ? 'NOT_REQUIRED' : outcome === 'DENIED' ? 'DENIED' : 'REQUIRED';
  }
}

@Resolver(() => PlannedResource)
export class PlannedResourceResolver {
  @FieldResolver(() => Boolean)
  repairs(@Root() { repair }: Pick<PlannedOutcome, 'repair'>) {
    return repair !== null;
  }

  @FieldResolver(() => [String], { nullable: true })
  diff(@Root() root: PlannedOutcome) {
    return diffLines(root);
  }

  @FieldResolver(() => [PlannedAwsCall], { nullable: true })
  awsCalls(@Root() root: PlannedOutcome, @Ctx() { ctx }: RequestContext) {
    return plannedCalls(ctx, root);
  }
}

@Resolver(() => AccessRequest)
export class AccessPlanResolver {
  @Query(() => AccessPlan, {
    description: 'What a request would come to: rules, AWS objects, calls, quotas. Changes nothing.',
  })
  async planAccess(
    @Arg('input', () => RequestAccessInput, { description: 'What would be asked for.' }) input: RequestAccessInput,
    @Ctx() { ctx }: RequestContext,
  ) {
    const dataProduct = decodeId('DataProduct', input.dataProduct);
    const consumerDomain = decodeId('Domain', input.consumerDomain);
    return planOf(await planAccess(ctx, { ...input, dataProduct, consumerDomain }));
  }

  @FieldResolver(() => AccessPlan, {
    nullable: true,
    description: 'What its approval would bring about now; null once it is decided.',
  })
  plan(@Root() root: AccessRequest, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    if (root.status !== 'PENDING') return null;
    return together(rc, info, { id: root.id, load: (ids) => planRequests(rc.ctx, ids) });
  }
}

@Resolver(() => DataProduct)
export class DataProductPlanResolver {
  @FieldResolver(() => DataProductPlan, {
    nullable: true,
    description: 'What publishing it would bring about; null where it is no draft or you may not.',
  })
  publishPlan(@Root() root: DataProduct, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return together(rc, info, { id: root.id, load: (ids) => planPublish(rc.ctx, ids) });
  }

  @FieldResolver(() => DataProductPlan, {
    nullable: true,
    description: 'What retiring it would bring about, its live grants revoked; null where you may not.',
  })
  retirePlan(@Root() root: DataProduct, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return together(rc, info, { id: root.id, load: (ids) => planRetire(rc.ctx, ids) });
  }
}

@Resolver(() => DataContract)
export class DataContractPlanResolver {
  @FieldResolver(() => DataProductPlan, {
    nullable: true,
    description: 'What activating it would bring about; null where it was activated already or you may not.',
  })
  activationPlan(@Root() root: DataContract, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return together(rc, info, { id: root.id, load: (ids) => planActivation(rc.ctx, ids) });
  }
}

@Resolver(() => AccessChange)
export class TagChangeResolver {
  @Query(() => TagChangePreview, {
    description:
      'What another classification of a product or of its columns would do: AWS objects, and who gains and who loses access. For who may change it.',
  })
  async previewTagChange(
    @Arg('input', () => PreviewTagChangeInput, { description: 'The classification.' }) input: PreviewTagChangeInput,
    @Ctx() { ctx }: RequestContext,
  ) {
    const preview = await previewTagChange(ctx, { ...input, dataProduct: decodeId('DataProduct', input.dataProduct) });
    return { ...preview, plan: planOf(preview.plan) };
  }

  @FieldResolver(() => [AccessGrant])
  async through(@Root() { grantIds }: Change, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    const grants = await Promise.all(grantIds.map((id) => readNamed(rc, info, { shape: accessGrantShape, id })));
    return grants.filter((grant) => grant !== null);
  }
}

/** The plans that one field asks for on all objects of a list, in one transaction. */
async function together<Plan extends ShownPlan>(
  rc: RequestContext,
  info: GraphQLResolveInfo,
  { id, load }: { id: string; load: (ids: string[]) => Promise<Map<string, Plan>> },
) {
  const [field] = info.fieldNodes;
  const plan = field === undefined ? null : await loadTogether({ rc, field, id }, load);
  return plan && planOf(plan);
}
