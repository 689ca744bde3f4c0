import type { GraphQLResolveInfo } from 'graphql';
import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Info,
  Mutation,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { can } from '../governance/authorization.js';
import { activatePolicy, createPolicy, deactivatePolicy, draftPolicy } from '../governance/policy.js';
import { accessRequestShape } from '../governance/read/access-request.js';
import { policyList, policyShape } from '../governance/read/policy.js';
import { byId, readOne } from '../governance/read/select.js';
import { type TrialChange as Change, tryPolicy } from '../governance/try-policy.js';
import { AccessRequest } from '../schema/access-request.js';
import { Domain } from '../schema/domain.js';
import {
  ActivatePolicyResult,
  CreatePolicyResult,
  DeactivatePolicyResult,
  DraftPolicyResult,
} from '../schema/payload.js';
import {
  ActivatePolicyInput,
  CreatePolicyInput,
  DeactivatePolicyInput,
  DraftPolicyInput,
  Policy,
  PolicyConnection,
  PolicyFilter,
  PolicyTrial,
  TrialChange,
  TryPolicyInput,
} from '../schema/policy.js';
import { readNamed } from './batch.js';
import { PageArgs, rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { decodeArgs, decodeId, lookedUpId } from './decode.js';
import { answer } from './result.js';
import { selectionOf } from './select.js';

@ArgsType()
export class PoliciesArgs extends PageArgs {
  @Field(() => PolicyFilter, { nullable: true, description: 'Which policies; default all.' })
  filter?: PolicyFilter;
}

const policyOf = ({ policyId }: { policyId: string }) => [{ field: 'policy', shape: policyShape, id: policyId }];
const decodePolicy = <T extends { policy: string }>(input: T): T => ({
  ...input,
  policy: decodeId('Policy', input.policy),
});

@Resolver(() => Policy)
export class PolicyResolver {
  @Query(() => Policy, { nullable: true, description: 'One policy; null where there is none that you may see.' })
  policy(
    @Arg('id', () => ID, { description: 'Which.' }) id: string,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    const rowId = lookedUpId('Policy', id);
    if (rowId === null) return null;
    return readOne(rc.read, policyShape, (r) => byId(policyShape, r, rowId), selectionOf(info));
  }

  @Query(() => PolicyConnection, { description: 'The policies of the mesh and of its domains, by name.' })
  policies(@Args(() => PoliciesArgs) _: PoliciesArgs, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return rootPage(rc, info, policyList);
  }

  @Query(() => PolicyTrial, {
    description:
      'Which past requests a policy would decide otherwise than the active ones do. For who may change it; nothing is written.',
  })
  tryPolicy(
    @Arg('input', () => TryPolicyInput, { description: 'What is tried, on which requests.' }) input: TryPolicyInput,
    @Args(() => PageArgs) { first, after }: PageArgs,
    @Ctx() rc: RequestContext,
  ) {
    decodeArgs({ first });
    const policy = input.policy ? decodeId('Policy', input.policy) : null;
    const domain = input.domain ? decodeId('Domain', input.domain) : null;
    return tryPolicy(rc.ctx, { ...input, policy, domain }, { first, after });
  }

  @Mutation(() => CreatePolicyResult, {
    description:
      'Makes a policy with a first draft, which decides nothing yet. Of the whole mesh: admins; of a domain: its owners and stewards.',
  })
  createPolicy(
    @Arg('input', () => CreatePolicyInput, { description: 'The policy.' }) input: CreatePolicyInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const domain = input.domain ? decodeId('Domain', input.domain) : null;
      return policyOf(await createPolicy(rc.ctx, { ...input, domain }));
    });
  }

  @Mutation(() => DraftPolicyResult, { description: 'Drafts another version of a policy.' })
  draftPolicy(
    @Arg('input', () => DraftPolicyInput, { description: 'The version.' }) input: DraftPolicyInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => policyOf(await draftPolicy(rc.ctx, decodePolicy(input))));
  }

  @Mutation(() => ActivatePolicyResult, {
    description: 'Lets a draft decide from now on, in the place of the version that decided before.',
  })
  activatePolicy(
    @Arg('input', () => ActivatePolicyInput, { description: 'Which.' }) input: ActivatePolicyInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => policyOf(await activatePolicy(rc.ctx, decodePolicy(input))));
  }

  @Mutation(() => DeactivatePolicyResult, {
    description: 'Lets a policy decide nothing any more. What nothing permits is denied.',
  })
  deactivatePolicy(
    @Arg('input', () => DeactivatePolicyInput, { description: 'Which.' }) input: DeactivatePolicyInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => policyOf(await deactivatePolicy(rc.ctx, decodePolicy(input))));
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'The domain that it is of; null: of the whole mesh.' })
  domain(@Root() root: Policy & { domain: Domain }) {
    return root.domain;
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may draft, activate, deactivate and try it.' })
  viewerCanChange(@Root() { domainId }: Policy & { domainId: string | null }, @Ctx() rc: RequestContext) {
    return can(rc.ctx.viewer, 'policy:draft', { type: 'Policy', domainId });
  }
}

@Resolver(() => TrialChange)
export class TrialChangeResolver {
  @FieldResolver(() => AccessRequest, { nullable: true })
  accessRequest(@Root() { requestId }: Change, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return readNamed(rc, info, { shape: accessRequestShape, id: requestId });
  }
}
