import type { GraphQLResolveInfo } from 'graphql';
import { Args, ArgsType, Ctx, Field, FieldResolver, ID, Info, Query, Resolver, Root } from 'type-graphql';
import {
  type ExplainedWay,
  type AccessExplanation as Explanation,
  explainAccess,
  type NotCounted,
  whoCanAccess,
} from '../governance/explain-access.js';
import { accessGrantShape } from '../governance/read/access-grant.js';
import { accessRequestShape } from '../governance/read/access-request.js';
import { keysetCursor } from '../governance/read/connection.js';
import {
  AccessExplanation,
  AccessPath,
  PendingAccess,
  PrincipalAccessConnection,
} from '../schema/access-explanation.js';
import { AccessGrant } from '../schema/access-grant.js';
import { AccessRequest } from '../schema/access-request.js';
import { Arn } from '../schema/scalars.js';
import { readNamed } from './batch.js';
import { PageArgs } from './connection.js';
import type { RequestContext } from './context.js';
import { decodeId } from './decode.js';
import { selectionOf } from './select.js';

@ArgsType()
class ExplainArgs {
  @Field(() => Arn, { description: 'The IAM user or role.' })
  principal!: string;

  @Field(() => ID, { description: 'The product.' })
  dataProduct!: string;
}

@ArgsType()
class WhoArgs extends PageArgs {
  @Field(() => ID, { description: 'The product.' })
  dataProduct!: string;
}

@Resolver(() => AccessExplanation)
export class AccessExplanationResolver {
  @Query(() => AccessExplanation, {
    description: 'Whether a principal may read a product now, which tables and columns, and through what.',
  })
  explainAccess(@Args(() => ExplainArgs) { principal, dataProduct }: ExplainArgs, @Ctx() { ctx }: RequestContext) {
    return explainAccess(ctx, principal, decodeId('DataProduct', dataProduct));
  }

  @Query(() => PrincipalAccessConnection, {
    description:
      "Who may read a product, or is named by a grant that does not stand (any more), by ARN. Who is no owner or steward of the product's domain reads those of his domains' accounts.",
  })
  async whoCanAccess(
    @Args(() => WhoArgs) _: WhoArgs,
    @Ctx() { ctx }: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    const { args } = selectionOf(info);
    const first = Number(args.first);
    const after = typeof args.after === 'string' ? (keysetCursor.decode(ORDER, args.after)[0] ?? null) : null;
    const page = await whoCanAccess(ctx, decodeId('DataProduct', String(args.dataProduct)), { first, after });
    const edges = page.explanations.map((explanation) => ({
      node: summary(explanation),
      cursor: keysetCursor.encode(ORDER, [explanation.principal]),
    }));
    return {
      edges,
      nodes: edges.map(({ node }) => node),
      pageInfo: {
        hasNextPage: page.more,
        hasPreviousPage: after !== null,
        startCursor: edges[0]?.cursor ?? null,
        endCursor: edges.at(-1)?.cursor ?? null,
      },
      totalCount: null,
    };
  }
}

const ORDER = 'principal ASC';

function summary(explanation: Explanation) {
  const { principal, allowed, reason, tables } = explanation;
  return {
    principal,
    allowed,
    reason,
    tables: tables.filter((table) => table.allowed).map(({ name }) => name),
    explanation,
  };
}

@Resolver(() => AccessPath)
export class AccessPathResolver {
  @FieldResolver(() => String, { nullable: true })
  filter(@Root() { rowFilter }: ExplainedWay) {
    return rowFilter;
  }

  @FieldResolver(() => AccessGrant, { nullable: true })
  accessGrant(@Root() root: ExplainedWay, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return readNamed(rc, info, { shape: accessGrantShape, id: root.accessGrantId });
  }

  @FieldResolver(() => AccessRequest, { nullable: true })
  accessRequest(@Root() root: ExplainedWay, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return readNamed(rc, info, { shape: accessRequestShape, id: root.accessRequestId });
  }
}

@Resolver(() => PendingAccess)
export class PendingAccessResolver {
  @FieldResolver(() => AccessGrant, { nullable: true })
  accessGrant(@Root() root: NotCounted, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return readNamed(rc, info, { shape: accessGrantShape, id: root.accessGrantId });
  }

  @FieldResolver(() => AccessRequest, { nullable: true })
  accessRequest(@Root() root: NotCounted, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return readNamed(rc, info, { shape: accessRequestShape, id: root.accessRequestId });
  }
}
