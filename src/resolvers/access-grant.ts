import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { extendAccess } from '../governance/access-extension.js';
import { revokeAccess } from '../governance/access-grant.js';
import { can } from '../governance/authorization.js';
import { howToQuery, type Readable } from '../governance/how-to-query.js';
import { accessGrantList, accessGrantShape } from '../governance/read/access-grant.js';
import { accessRequestShape } from '../governance/read/access-request.js';
import { ACCESS_GRANT, canStep } from '../governance/transitions.js';
import {
  AccessGrant,
  AccessGrantConnection,
  ExtendAccessInput,
  HowToQuery,
  RevokeAccessInput,
} from '../schema/access-grant.js';
import { AccessRequest } from '../schema/access-request.js';
import { DataProduct } from '../schema/data-product.js';
import { Domain } from '../schema/domain.js';
import { ExtendAccessResult, RevokeAccessResult } from '../schema/payload.js';
import { rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { AccessGrantsArgs } from './data-product.js';
import { decodeId } from './decode.js';
import { answer } from './result.js';

/** A grant as it was read, with the columns that every read brings. */
type ReadGrant = AccessGrant & { productDomainId: string; consumerDomainId: string; requestedBy: string };

@Resolver(() => AccessGrant)
export class AccessGrantResolver {
  @Query(() => AccessGrantConnection, { description: 'Grants that you may see, newest first.' })
  accessGrants(
    @Args(() => AccessGrantsArgs) _: AccessGrantsArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return rootPage(rc, info, accessGrantList);
  }

  @Mutation(() => RevokeAccessResult, {
    description: 'Ends a grant: denied here at once, and in AWS as soon as it answers.',
  })
  revokeAccess(
    @Arg('input', () => RevokeAccessInput, { description: 'Which and why.' }) input: RevokeAccessInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const { accessGrantId } = await revokeAccess(rc.ctx, {
        ...input,
        accessGrant: decodeId('AccessGrant', input.accessGrant),
      });
      return [{ field: 'accessGrant', shape: accessGrantShape, id: accessGrantId }];
    });
  }

  @Mutation(() => ExtendAccessResult, {
    description:
      "Moves a grant's end. An earlier one needs no approval; a later one is moved at once where the policies need nobody, or one approval that you may give; else this asks for it.",
  })
  extendAccess(
    @Arg('input', () => ExtendAccessInput, { description: 'Which and until when.' }) input: ExtendAccessInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const accessGrant = decodeId('AccessGrant', input.accessGrant);
      const { accessGrantId, accessRequestId } = await extendAccess(rc.ctx, { ...input, accessGrant });
      const grant = { field: 'accessGrant', shape: accessGrantShape, id: accessGrantId };
      const request = { field: 'accessRequest', shape: accessRequestShape, id: accessRequestId };
      return accessRequestId === '' ? [grant] : [grant, request];
    });
  }

  @FieldResolver(() => AccessRequest, { nullable: true, description: 'The open request for another end.' })
  pendingExtension(@Root() root: AccessGrant & { pendingExtension: AccessRequest }) {
    return root.pendingExtension;
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may ask for another end now.' })
  viewerCanExtend(@Root() root: ReadGrant, @Ctx() { ctx }: RequestContext) {
    const { requestedBy, productDomainId, consumerDomainId } = root;
    const subject = { type: 'Access' as const, requestedBy, productDomainId, consumerDomainId };
    return canStep(ACCESS_GRANT, root.status, 'extend') && can(ctx.viewer, 'access-grant:extend', subject);
  }

  @FieldResolver(() => DataProduct, { nullable: true, description: 'The product that may be read.' })
  dataProduct(@Root() root: AccessGrant & { dataProduct: DataProduct }) {
    return root.dataProduct;
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'The domain that reads.' })
  consumerDomain(@Root() root: AccessGrant & { consumerDomain: Domain }) {
    return root.consumerDomain;
  }

  @FieldResolver(() => AccessRequest, { nullable: true, description: 'The request that it came of.' })
  accessRequest(@Root() root: AccessGrant & { accessRequest: AccessRequest }) {
    return root.accessRequest;
  }

  @FieldResolver(() => HowToQuery, { nullable: true, description: 'What the consumer needs to read the data.' })
  howToQuery(@Root() root: AccessGrant & { howToQuery: Readable | null }, @Ctx() rc: RequestContext) {
    return root.howToQuery && howToQuery(root.howToQuery, rc.ctx.mesh);
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may revoke it now.' })
  viewerCanRevoke(@Root() root: ReadGrant, @Ctx() { ctx }: RequestContext) {
    const { requestedBy, productDomainId, consumerDomainId } = root;
    const subject = { type: 'Access' as const, requestedBy, productDomainId, consumerDomainId };
    return canStep(ACCESS_GRANT, root.status, 'revoke') && can(ctx.viewer, 'access-grant:revoke', subject);
  }
}
