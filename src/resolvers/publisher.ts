import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, ArgsType, Ctx, Field, FieldResolver, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { assertCan } from '../governance/authorization.js';
import { PUBLISHER_ID } from '../governance/global-id.js';
import { pausePublisher, redriveEvents, resumePublisher } from '../governance/publisher.js';
import { deadLetterList, deadLetterShape, publisherShape } from '../governance/read/publisher.js';
import { byId, readAll, readList, readOne, sql } from '../governance/read/select.js';
import { MeshEvent } from '../schema/event.js';
import {
  DeadLetter,
  DeadLetterConnection,
  DeadLetterFilter,
  PausePublisherInput,
  PausePublisherResult,
  Publisher,
  RedriveEventsInput,
  RedriveEventsPayload,
  RedriveEventsResult,
  ResumePublisherInput,
  ResumePublisherResult,
} from '../schema/publisher.js';
import { PageArgs, rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { decodeId } from './decode.js';
import { answer } from './result.js';
import { selectionOf } from './select.js';

@ArgsType()
class DeadLettersArgs extends PageArgs {
  @Field(() => DeadLetterFilter, { nullable: true, description: 'Which dead letters; default all.' })
  filter?: DeadLetterFilter;
}

const publisherOf = ({ publisherId }: { publisherId: string }) => [
  { field: 'publisher', shape: publisherShape, id: publisherId },
];

@Resolver(() => Publisher)
export class PublisherResolver {
  @Query(() => Publisher, {
    nullable: true,
    description: 'How far the event log has come on its way to EventBridge. Admins only.',
  })
  publisher(@Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    assertCan(rc.ctx.viewer, 'publisher:inspect', { type: 'Mesh' });
    return readOne(rc.read, publisherShape, (r) => byId(publisherShape, r, PUBLISHER_ID), selectionOf(info));
  }

  @Query(() => DeadLetterConnection, {
    description: 'What EventBridge refused for good, in the order of the log. Admins only.',
  })
  deadLetters(
    @Args(() => DeadLettersArgs) _: DeadLettersArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    assertCan(rc.ctx.viewer, 'publisher:inspect', { type: 'Mesh' });
    return rootPage(rc, info, deadLetterList);
  }

  @Mutation(() => PausePublisherResult, {
    description: 'Holds up the sending of events to EventBridge, in every process and over restarts. Admins only.',
  })
  pausePublisher(
    @Arg('input', () => PausePublisherInput, { description: 'Why.' }) input: PausePublisherInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => publisherOf(await pausePublisher(rc.ctx, input)));
  }

  @Mutation(() => ResumePublisherResult, {
    description:
      'Lets the sending of events go on: what came meanwhile follows in order; or sends again everything from an event on. Admins only.',
  })
  async resumePublisher(
    @Arg('input', () => ResumePublisherInput, { description: 'From where.' }) input: ResumePublisherInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    let resumed: Awaited<ReturnType<typeof resumePublisher>> | undefined;
    const answered = await answer(rc, info, async () => {
      resumed = await resumePublisher(rc.ctx, input);
      return publisherOf(resumed);
    });
    const { leftOutFirst: first, leftOutLast: last } = resumed ?? {};
    return { ...answered, leftOut: first && last ? { first, last } : null };
  }

  @Mutation(() => RedriveEventsResult, {
    description: 'Has events sent again that EventBridge refused, once the cause is cured. Admins only.',
  })
  async redriveEvents(
    @Arg('input', () => RedriveEventsInput, { description: 'Which.' }) input: RedriveEventsInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    let redrive: Awaited<ReturnType<typeof redriveEvents>> | undefined;
    const answered = await answer(rc, info, async () => {
      const deadLetters = input.deadLetters?.map((id) => decodeId('DeadLetter', id));
      redrive = await redriveEvents(rc.ctx, { ...input, deadLetters });
      return publisherOf(redrive);
    });
    if (!redrive) return answered;
    const { redriveId, count, named } = redrive;
    return { ...answered, redrive: redriveId, count: Number(count), named };
  }
}

@Resolver(() => RedriveEventsPayload)
export class RedriveEventsPayloadResolver {
  @FieldResolver(() => [DeadLetter])
  deadLetters(
    @Root() { redrive, named }: RedriveEventsPayload & { named: string },
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    if (named !== '') return readList(rc.read, deadLetterShape, named.split(','), [selectionOf(info)]);
    return readAll(rc.read, selectionOf(info), {
      kind: 'many',
      limit: 100,
      shape: () => deadLetterShape,
      where: (_, r) => sql`${r}."redriveId" = ${redrive}::uuid`,
      order: (r) => sql`${r}."seq", ${r}."part"`,
    });
  }
}

@Resolver(() => DeadLetter)
export class DeadLetterResolver {
  @FieldResolver(() => MeshEvent, {
    nullable: true,
    description: 'The event; null where the log does not hold it any more.',
  })
  event(@Root() root: DeadLetter & { event: MeshEvent | null }) {
    return root.event;
  }
}
