import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, ArgsType, Ctx, Field, FieldResolver, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { discardQuarantinedEvent, releaseQuarantinedEvent } from '../governance/quarantined-event.js';
import { quarantinedEventList, quarantinedEventShape } from '../governance/read/quarantined-event.js';
import { Domain } from '../schema/domain.js';
import { DiscardQuarantinedEventResult, ReleaseQuarantinedEventResult } from '../schema/payload.js';
import {
  QuarantinedEvent,
  QuarantinedEventConnection,
  QuarantinedEventFilter,
  ResolveQuarantinedEventInput,
} from '../schema/quarantined-event.js';
import { PageArgs, rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { decodeId } from './decode.js';
import { answer } from './result.js';

@ArgsType()
export class QuarantinedEventsArgs extends PageArgs {
  @Field(() => QuarantinedEventFilter, { nullable: true, description: 'Which; default all.' })
  filter?: QuarantinedEventFilter;
}

const eventOf = ({ quarantinedEventId }: { quarantinedEventId: string }) => [
  { field: 'quarantinedEvent', shape: quarantinedEventShape, id: quarantinedEventId },
];
const decoded = (input: ResolveQuarantinedEventInput): ResolveQuarantinedEventInput => ({
  ...input,
  quarantinedEvent: decodeId('QuarantinedEvent', input.quarantinedEvent),
});

@Resolver(() => QuarantinedEvent)
export class QuarantinedEventResolver {
  @Query(() => QuarantinedEventConnection, {
    description:
      'Events that came in over EventBridge and could not be taken, newest first. Those of your domains, where you are owner or steward; admins see all.',
  })
  quarantinedEvents(
    @Args(() => QuarantinedEventsArgs) _: QuarantinedEventsArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return rootPage(rc, info, quarantinedEventList);
  }

  @Mutation(() => ReleaseQuarantinedEventResult, {
    description: 'Judges a held event anew and takes it, for example once its schema is registered.',
  })
  releaseQuarantinedEvent(
    @Arg('input', () => ResolveQuarantinedEventInput, { description: 'Which.' }) input: ResolveQuarantinedEventInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => eventOf(await releaseQuarantinedEvent(rc.ctx, decoded(input))));
  }

  @Mutation(() => DiscardQuarantinedEventResult, { description: 'Says that a held event is of no use.' })
  discardQuarantinedEvent(
    @Arg('input', () => ResolveQuarantinedEventInput, { description: 'Which.' }) input: ResolveQuarantinedEventInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => eventOf(await discardQuarantinedEvent(rc.ctx, decoded(input))));
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'The domain of the account that sent it.' })
  domain(@Root() root: QuarantinedEvent & { domain: Domain }) {
    return root.domain;
  }
}
