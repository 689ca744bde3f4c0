import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { can } from '../governance/authorization.js';
import { busOf, effectivePattern, queueStatement } from '../governance/desired-event-route.js';
import { addEventRoute, removeEventRoute, updateEventRoute } from '../governance/event-route.js';
import { planEventRoute } from '../governance/plan-event-route.js';
import { domainShape } from '../governance/read/domain.js';
import { eventShape } from '../governance/read/event.js';
import { eventRouteShape } from '../governance/read/event-route.js';
import { readList } from '../governance/read/select.js';
import { testEventPattern } from '../governance/test-event-pattern.js';
import { Domain } from '../schema/domain.js';
import { MeshEvent } from '../schema/event.js';
import {
  AddEventRouteInput,
  EventPatternTest,
  EventRoute,
  RemoveEventRouteInput,
  UpdateEventRouteInput,
} from '../schema/event-route.js';
import { AddEventRouteResult, RemoveEventRouteResult, UpdateEventRouteResult } from '../schema/payload.js';
import { EventRoutePlan } from '../schema/plan.js';
import { Resource } from '../schema/resource.js';
import { JSONScalar } from '../schema/scalars.js';
import { PageArgs } from './connection.js';
import type { RequestContext } from './context.js';
import { decodeArgs, decodeId } from './decode.js';
import { planOf } from './plan.js';
import { answer } from './result.js';
import { selectionOf } from './select.js';

const routeOf = ({ eventRouteId, domainId }: { eventRouteId: string; domainId: string }) => [
  { field: 'eventRoute', shape: eventRouteShape, id: eventRouteId },
  { field: 'domain', shape: domainShape, id: domainId },
];
const decodeRoute = <T extends { eventRoute: string }>(input: T): T => ({
  ...input,
  eventRoute: decodeId('EventRoute', input.eventRoute),
});

type ReadRoute = EventRoute & { domainId: string; domainName: string };

@Resolver(() => EventRoute)
export class EventRouteResolver {
  @Mutation(() => AddEventRouteResult, {
    description:
      'Sends events that a domain may see to buses and queues of its own account. Its owners and stewards, and admins.',
  })
  addEventRoute(
    @Arg('input', () => AddEventRouteInput, { description: 'The route.' }) input: AddEventRouteInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () =>
      routeOf(await addEventRoute(rc.ctx, { ...input, domain: decodeId('Domain', input.domain) })),
    );
  }

  @Mutation(() => UpdateEventRouteResult, { description: 'Changes what a route carries, or where to.' })
  updateEventRoute(
    @Arg('input', () => UpdateEventRouteInput, { description: 'What changes.' }) input: UpdateEventRouteInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => routeOf(await updateEventRoute(rc.ctx, decodeRoute(input))));
  }

  @Mutation(() => RemoveEventRouteResult, { description: 'Ends a route.' })
  removeEventRoute(
    @Arg('input', () => RemoveEventRouteInput, { description: 'Which.' }) input: RemoveEventRouteInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => routeOf(await removeEventRoute(rc.ctx, decodeRoute(input))));
  }

  @Query(() => EventRoutePlan, {
    description:
      'What a route would come to: AWS objects, calls, and the room that it leaves on the central bus. Changes nothing.',
  })
  async planEventRoute(
    @Arg('input', () => AddEventRouteInput, { description: 'What would be made.' }) input: AddEventRouteInput,
    @Ctx() { ctx }: RequestContext,
  ) {
    return planOf(await planEventRoute(ctx, { ...input, domain: decodeId('Domain', input.domain) }));
  }

  @Query(() => EventPatternTest, {
    description:
      'Which past events a route of this pattern would have carried. For who may route the events of the domain.',
  })
  async testEventPattern(
    @Arg('domain', () => ID, { description: 'The domain.' }) domain: string,
    @Arg('pattern', () => JSONScalar, { description: 'The event pattern.' }) pattern: Record<string, unknown>,
    @Args(() => PageArgs) { first, after }: PageArgs,
    @Ctx() { ctx }: RequestContext,
  ) {
    decodeArgs({ first });
    return testEventPattern(ctx, { domain: decodeId('Domain', domain), pattern }, { first, after });
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'The domain whose events it carries.' })
  domain(@Root() root: EventRoute & { domain: Domain }) {
    return root.domain;
  }

  @FieldResolver(() => Resource, {
    nullable: true,
    description: 'Its rule on the central bus, with what keeps it from standing; for owners and stewards.',
  })
  rule(@Root() root: EventRoute & { rule: Resource | null }) {
    return root.rule;
  }

  @FieldResolver(() => JSONScalar, {
    description: 'The pattern as its rule has it, with what limits it to the domain.',
  })
  effectivePattern(@Root() { domainName, pattern }: ReadRoute, @Ctx() { ctx }: RequestContext) {
    return effectivePattern(ctx.mesh, { name: domainName }, pattern);
  }

  @FieldResolver(() => [JSONScalar], {
    description: 'What the policy of each queue among the targets must allow, as statements (IAM user guide).',
  })
  queueStatements(@Root() { targets }: ReadRoute, @Ctx() { ctx }: RequestContext) {
    return targets.filter((arn) => busOf(arn) === null).map((arn) => queueStatement(ctx.mesh, arn));
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may change and remove it.' })
  viewerCanChange(@Root() { domainId }: ReadRoute, @Ctx() { ctx }: RequestContext) {
    return can(ctx.viewer, 'domain:change-routes', { type: 'Domain', id: domainId });
  }
}

@Resolver(() => EventPatternTest)
export class EventPatternTestResolver {
  @FieldResolver(() => [MeshEvent], { description: 'Those that match, newest first.' })
  events(@Root() { ids }: { ids: string[] }, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return readList(rc.read, eventShape, ids, [selectionOf(info)]);
  }
}
