import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Ctx, FieldResolver, Info, Mutation, Resolver, Root } from 'type-graphql';
import { publishDomainEvent } from '../governance/domain-event.js';
import { registerDomainEventType, removeDomainEventType } from '../governance/domain-event-type.js';
import { domainShape } from '../governance/read/domain.js';
import { domainEventTypeShape } from '../governance/read/domain-event-type.js';
import { Domain } from '../schema/domain.js';
import {
  DomainEventType,
  PublishDomainEventInput,
  RegisterDomainEventTypeInput,
  RemoveDomainEventTypeInput,
} from '../schema/domain-event-type.js';
import {
  PublishDomainEventResult,
  RegisterDomainEventTypeResult,
  RemoveDomainEventTypeResult,
} from '../schema/payload.js';
import type { RequestContext } from './context.js';
import { decodeId } from './decode.js';
import { answer } from './result.js';

const typeOf = ({ domainEventTypeId }: { domainEventTypeId: string }) => [
  { field: 'domainEventType', shape: domainEventTypeShape, id: domainEventTypeId },
];

@Resolver(() => DomainEventType)
export class DomainEventResolver {
  @Mutation(() => RegisterDomainEventTypeResult, {
    description: 'Says of which events a domain tells the mesh, and what they look like.',
  })
  registerDomainEventType(
    @Arg('input', () => RegisterDomainEventTypeInput, { description: 'The type.' }) input: RegisterDomainEventTypeInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const domain = decodeId('Domain', input.domain);
      return typeOf(await registerDomainEventType(rc.ctx, { ...input, domain }));
    });
  }

  @Mutation(() => RemoveDomainEventTypeResult, { description: 'Ends a type of events.' })
  removeDomainEventType(
    @Arg('input', () => RemoveDomainEventTypeInput, { description: 'Which.' }) input: RemoveDomainEventTypeInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const domainEventType = decodeId('DomainEventType', input.domainEventType);
      return typeOf(await removeDomainEventType(rc.ctx, { ...input, domainEventType }));
    });
  }

  @Mutation(() => PublishDomainEventResult, {
    description: "Tells the mesh of something in a domain's business, for those who would rather not use EventBridge.",
  })
  async publishDomainEvent(
    @Arg('input', () => PublishDomainEventInput, { description: 'The event.' }) input: PublishDomainEventInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    let eventId: string | undefined;
    const answered = await answer(rc, info, async () => {
      const told = await publishDomainEvent(rc.ctx, { ...input, domain: decodeId('Domain', input.domain) });
      eventId = told.eventId;
      return [{ field: 'domain', shape: domainShape, id: told.domainId }];
    });
    return eventId === undefined ? answered : { ...answered, eventId };
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'Whose events.' })
  domain(@Root() root: DomainEventType & { domain: Domain }) {
    return root.domain;
  }
}
