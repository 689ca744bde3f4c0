import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { approveAccessRequest } from '../governance/access-approval.js';
import { cancelAccessRequest, rejectAccessRequest, requestAccess } from '../governance/access-request.js';
import { commentAccessRequest } from '../governance/access-request-comment.js';
import { type Action, can, type Subjects } from '../governance/authorization.js';
import { globalId } from '../governance/global-id.js';
import { accessGrantShape } from '../governance/read/access-grant.js';
import { accessRequestCommentList, accessRequestList, accessRequestShape } from '../governance/read/access-request.js';
import { DecidingPolicy } from '../schema/access-decision.js';
import { AccessGrant } from '../schema/access-grant.js';
import {
  AccessRequest,
  AccessRequestCommentConnection,
  AccessRequestConnection,
  CancelAccessRequestInput,
  CommentAccessRequestInput,
  DecideAccessRequestInput,
  RequestAccessInput,
} from '../schema/access-request.js';
import { DataProduct } from '../schema/data-product.js';
import { Domain } from '../schema/domain.js';
import {
  ApproveAccessRequestResult,
  CancelAccessRequestResult,
  CommentAccessRequestResult,
  RejectAccessRequestResult,
  RequestAccessResult,
} from '../schema/payload.js';
import { nestedPage, PageArgs, rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { AccessRequestsArgs } from './data-product.js';
import { decodeId } from './decode.js';
import { answer } from './result.js';

/** A request as it was read, with the columns that every read brings. */
type ReadRequest = AccessRequest & { productDomainId: string; consumerDomainId: string };

const requestOf = ({ accessRequestId }: { accessRequestId: string }) => [
  { field: 'accessRequest', shape: accessRequestShape, id: accessRequestId },
];
const decodeRequest = <T extends { accessRequest: string }>(input: T): T => ({
  ...input,
  accessRequest: decodeId('AccessRequest', input.accessRequest),
});

function pendingAnd(action: Action & `access-request:${string}`, root: ReadRequest, { ctx }: RequestContext): boolean {
  const { requestedBy, productDomainId, consumerDomainId } = root;
  const subject: Subjects['Access'] = { type: 'Access', requestedBy, productDomainId, consumerDomainId };
  return root.status === 'PENDING' && can(ctx.viewer, action, subject as never);
}

@Resolver(() => DecidingPolicy)
export class DecidingPolicyResolver {
  @FieldResolver(() => ID)
  id(@Root() { id }: DecidingPolicy): string {
    return globalId('Policy', id);
  }
}

@Resolver(() => AccessRequest)
export class AccessRequestResolver {
  @Query(() => AccessRequestConnection, { description: 'Requests for access that you may see, newest first.' })
  accessRequests(
    @Args(() => AccessRequestsArgs) _: AccessRequestsArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return rootPage(rc, info, accessRequestList);
  }

  @Mutation(() => RequestAccessResult, { description: 'Asks, for one of your domains, to read a product.' })
  requestAccess(
    @Arg('input', () => RequestAccessInput, { description: 'What is asked for.' }) input: RequestAccessInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const dataProduct = decodeId('DataProduct', input.dataProduct);
      const consumerDomain = decodeId('Domain', input.consumerDomain);
      return requestOf(await requestAccess(rc.ctx, { ...input, dataProduct, consumerDomain }));
    });
  }

  @Mutation(() => ApproveAccessRequestResult, {
    description:
      'Gives an approval. Where the policies want no more, the grant follows in AWS; else the request waits, and `accessGrant` is null.',
  })
  approveAccessRequest(
    @Arg('input', () => DecideAccessRequestInput, { description: 'The decision.' }) input: DecideAccessRequestInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const ids = await approveAccessRequest(rc.ctx, decodeRequest(input));
      const grant = { field: 'accessGrant', shape: accessGrantShape, id: ids.accessGrantId };
      return ids.accessGrantId === '' ? requestOf(ids) : [...requestOf(ids), grant];
    });
  }

  @Mutation(() => RejectAccessRequestResult, { description: 'Rejects a request.' })
  rejectAccessRequest(
    @Arg('input', () => DecideAccessRequestInput, { description: 'The decision.' }) input: DecideAccessRequestInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => requestOf(await rejectAccessRequest(rc.ctx, decodeRequest(input))));
  }

  @Mutation(() => CancelAccessRequestResult, { description: 'Takes a request of yours back.' })
  cancelAccessRequest(
    @Arg('input', () => CancelAccessRequestInput, { description: 'Which.' }) input: CancelAccessRequestInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => requestOf(await cancelAccessRequest(rc.ctx, decodeRequest(input))));
  }

  @Mutation(() => CommentAccessRequestResult, {
    description: 'Says something about a request, to all who read its details.',
  })
  commentAccessRequest(
    @Arg('input', () => CommentAccessRequestInput, { description: 'What to say.' }) input: CommentAccessRequestInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => requestOf(await commentAccessRequest(rc.ctx, decodeRequest(input))));
  }

  @FieldResolver(() => AccessRequestCommentConnection, {
    description: 'What was said about it, oldest first; for who reads its details.',
  })
  comments(@Root() root: AccessRequest, @Args(() => PageArgs) _: PageArgs, @Info() info: GraphQLResolveInfo) {
    return nestedPage(root, info, accessRequestCommentList);
  }

  @FieldResolver(() => DataProduct, { nullable: true, description: 'The product that is asked for.' })
  dataProduct(@Root() root: AccessRequest & { dataProduct: DataProduct }) {
    return root.dataProduct;
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'The domain that wants to read.' })
  consumerDomain(@Root() root: AccessRequest & { consumerDomain: Domain }) {
    return root.consumerDomain;
  }

  @FieldResolver(() => AccessGrant, {
    nullable: true,
    description: 'What came of it, once approved; of an extension, the grant that it extends.',
  })
  accessGrant(@Root() root: AccessRequest & { accessGrant: AccessGrant }) {
    return root.accessGrant;
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may approve it now.' })
  viewerCanApprove(@Root() root: ReadRequest, @Ctx() rc: RequestContext) {
    return pendingAnd('access-request:approve', root, rc);
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may reject it now.' })
  viewerCanReject(@Root() root: ReadRequest, @Ctx() rc: RequestContext) {
    return pendingAnd('access-request:reject', root, rc);
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may take it back now.' })
  viewerCanCancel(@Root() root: ReadRequest, @Ctx() rc: RequestContext) {
    return pendingAnd('access-request:cancel', root, rc);
  }
}
