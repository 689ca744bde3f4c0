import type { GraphQLResolveInfo } from 'graphql';
import {
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Info,
  Int,
  Query,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { decodeCursor, encodeCursor } from '../events/cursor.js';
import { matches, reachOf } from '../events/filter.js';
import type { LogEvent } from '../events/types.js';
import { notFound } from '../governance/error.js';
import type { NodeType } from '../governance/global-id.js';
import { accessRequestShape } from '../governance/read/access-request.js';
import type { Cursor } from '../governance/read/connection.js';
import { dataProductShape } from '../governance/read/data-product.js';
import { domainShape } from '../governance/read/domain.js';
import { EVENT_REFERENCES, eventList, eventShape } from '../governance/read/event.js';
import { eventDataFor } from '../governance/read/event-data.js';
import { byId, NOTHING, readOne, type Selection, type Shape, sql } from '../governance/read/select.js';
import { readsEventsOf } from '../governance/token-scope.js';
import { Domain } from '../schema/domain.js';
import { DomainEventReceived, MeshEvent, MeshEventConnection, MeshEventFilter } from '../schema/event.js';
import { Node } from '../schema/node.js';
import { EventCursor } from '../schema/scalars.js';
import { rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { decodeNamed } from './decode.js';
import { assertDetailType, readEventFilter } from './event-filter.js';
import { expectedError } from './result.js';
import { selectionOf } from './select.js';

/** Pages of events and subscriptions share one cursor. */
const logCursor: Cursor = {
  encode: (_order, [seq]) => encodeCursor(BigInt(seq ?? 0)),
  decode: (_order, cursor) => [String(decodeCursor(cursor))],
};
const meshEventList = eventList(logCursor);

@ArgsType()
class EventsArgs {
  @Field(() => Int, { description: 'How many, from 1 to 100.' })
  first!: number;

  @Field(() => EventCursor, { nullable: true, description: 'After this event; without it from the first on.' })
  after?: string;

  @Field(() => MeshEventFilter, { nullable: true, description: 'Which events; default all that you may see.' })
  filter?: MeshEventFilter;
}

@ArgsType()
class MeshEventsArgs {
  @Field(() => EventCursor, {
    nullable: true,
    description: 'Replay what came after this event, then go on live; without it from now on.',
  })
  after?: string;

  @Field(() => MeshEventFilter, { nullable: true, description: 'Which events; default all that you may see.' })
  filter?: MeshEventFilter;
}

@ArgsType()
class ChangesArgs {
  @Field(() => ID, { description: 'The product or request.' })
  id!: string;

  @Field(() => EventCursor, {
    nullable: true,
    description: 'Replay what came after this event, then go on live; without it from now on.',
  })
  after?: string;
}

@ArgsType()
class DomainEventsArgs {
  @Field(() => ID, { description: 'The domain.' })
  domain!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Of this `detail-type` alone, one that the domain registered: `Domain.eventTypes`.',
  })
  detailType?: string;

  @Field(() => EventCursor, {
    nullable: true,
    description: 'Replay what came after this event, then go on live; without it from now on.',
  })
  after?: string;
}

/** An event as the fields of MeshEvent read it. */
type ReadEvent = Record<string, unknown> & { type: string; sequence: string };

/** Its data field by field beside what every event has; no field of any data has the name of one of those. */
const columnsOf = (event: LogEvent, { roles }: RequestContext): ReadEvent => {
  const { seq, ...rest } = event;
  const data = eventDataFor(roles(), event);
  return { ...data, ...rest, data, sequence: String(seq) };
};

/** What a stream delivers. */
interface Wanted {
  after?: string | null | undefined;
  accepts: (event: LogEvent) => boolean;
  /** See Subscription. */
  about?: readonly string[] | undefined;
  /** What is asked of each event, or the choice itself, depends on who in particular asks. */
  personal: boolean;
}

/** Opens a stream of the events that `accepts` and that the viewer may see at the moment of delivery. */
async function stream(rc: RequestContext, { after, accepts, about, personal }: Wanted) {
  const from = rc.resumeAfter ?? after;
  try {
    const events = await rc.subscribe({
      after: typeof from === 'string' ? decodeCursor(from) : undefined,
      about,
      personal,
      reach: (event) => {
        const viewer = rc.currentViewer();
        const asked = viewer !== undefined && accepts(event) && readsEventsOf(viewer, event.subject.type);
        return asked ? reachOf(viewer, event) : 'NOBODY';
      },
    });
    return told(events);
  } catch (error) {
    throw expectedError(error) ?? error;
  }
}

/** The same; what ends it is told with its code, so that a client knows how to go on. */
function told(events: AsyncIterableIterator<never>): AsyncIterableIterator<never> {
  return {
    next: () => events.next().catch((error: unknown) => Promise.reject(expectedError(error) ?? error)),
    return: () => events.return!(),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** One object that a stream is about. */
interface About {
  /** The argument that names it. */
  argument: string;
  type: NodeType;
  shape: Shape;
  id: string;
  after: string | null | undefined;
  info: GraphQLResolveInfo;
  /** Throws where nothing could come though the subscriber sees the object. */
  assert?(rowId: string): Promise<void>;
}

/** A stream about one object, which the subscriber must be able to see now. */
async function streamAbout(rc: RequestContext, about: About, accepts: (event: LogEvent, rowId: string) => boolean) {
  try {
    const rowId = decodeNamed(about.argument, about);
    if (!(await readOne(rc.read, about.shape, (r) => byId(about.shape, r, rowId), NOTHING)))
      throw notFound(`What \`${about.argument}\` names`);
    await about.assert?.(rowId);
    const { after, id } = about;
    const wanted = { after, accepts: (event: LogEvent) => accepts(event, rowId), about: [rowId, id] };
    return stream(rc, { ...wanted, personal: refersToOthers(about.info) });
  } catch (error) {
    throw expectedError(error) ?? error;
  }
}

/** What is asked of the objects that events of a type refer to, or of any type. */
const referredOf = (asked: Selection, type: string): Selection[] =>
  asked.on(type).filter(({ field }) => EVENT_REFERENCES.has(field));

/** Whether more is asked than the event itself holds: the rest each viewer sees in his own way. */
const refersToOthers = (info: GraphQLResolveInfo): boolean => referredOf(selectionOf(info), 'MeshEvent').length > 0;

/**
 * Reads what an event refers to, only where it was asked for: else the event itself has it all, and the result is for many viewers,
 * of whom `rc` has the roles alone.
 */
async function resolveEvent(event: LogEvent, rc: RequestContext, info: GraphQLResolveInfo): Promise<ReadEvent | null> {
  const asked = selectionOf(info);
  const refers = referredOf(asked, event.type);
  if (refers.length === 0) return columnsOf(event, rc);
  // Reading on from what tells of a read would be the next to be told, without end.
  const unseen = Object.fromEntries(refers.map(({ field }) => [field, null]));
  if (event.type === 'RestrictedDetailsRead') return { ...columnsOf(event, rc), ...unseen };
  const viewer = rc.currentViewer();
  if (!viewer) return null;
  const referred: Selection = { ...asked, on: () => refers };
  const read = await readOne({ ...rc.read, viewer }, eventShape, (r) => sql`${r}."seq" = ${event.seq}`, referred);
  return { ...columnsOf(event, rc), ...unseen, ...read };
}

/** A stream of the events that a client's filter lets through. */
async function streamFiltered(rc: RequestContext, { after, filter }: MeshEventsArgs, info: GraphQLResolveInfo) {
  const wanted = await readEventFilter(rc, filter).catch((error: unknown) => {
    throw expectedError(error) ?? error;
  });
  const accepts = matches(wanted, rc.ctx.viewer.subject);
  const about = wanted.dataProducts ?? wanted.domains ?? undefined;
  return stream(rc, { after, accepts, about, personal: filter?.mine === true || refersToOthers(info) });
}

@Resolver(() => MeshEvent)
export class EventResolver {
  @Query(() => MeshEventConnection, { description: 'The event log, oldest first, as far as you may see it.' })
  async events(
    @Args(() => EventsArgs) { filter }: EventsArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    await readEventFilter(rc, filter);
    return rootPage(rc, info, meshEventList);
  }

  @Subscription(() => MeshEvent, {
    description: 'Events of the mesh as they happen, each once, in order.',
    subscribe: ({ args, context, info }) => streamFiltered(context as RequestContext, args, info) as never,
  })
  meshEvents(
    @Root() event: LogEvent,
    @Args(() => MeshEventsArgs) _: MeshEventsArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MeshEvent> {
    return resolveEvent(event, rc, info) as Promise<never>;
  }

  @Subscription(() => MeshEvent, {
    description: 'What happens to one product: itself, its contracts, requests and grants.',
    subscribe: ({ args, context, info }) => {
      const { id, after } = args as ChangesArgs;
      const about = { argument: 'id', type: 'DataProduct' as const, shape: dataProductShape, id, after, info };
      return streamAbout(context as RequestContext, about, (event, id) => event.productId === id) as never;
    },
  })
  dataProductChanged(
    @Root() event: LogEvent,
    @Args(() => ChangesArgs) _: ChangesArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MeshEvent> {
    return resolveEvent(event, rc, info) as Promise<never>;
  }

  @Subscription(() => MeshEvent, {
    description: 'What becomes of one request, and of the grant that comes of it.',
    subscribe: ({ args, context, info }) => {
      const { id, after } = args as ChangesArgs;
      const about = { argument: 'id', type: 'AccessRequest' as const, shape: accessRequestShape, id, after, info };
      const accepts = (event: LogEvent, rowId: string) => event.subjectId === rowId || event.data.accessRequest === id;
      return streamAbout(context as RequestContext, about, accepts) as never;
    },
  })
  accessRequestChanged(
    @Root() event: LogEvent,
    @Args(() => ChangesArgs) _: ChangesArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MeshEvent> {
    return resolveEvent(event, rc, info) as Promise<never>;
  }

  @Subscription(() => DomainEventReceived, {
    description:
      "What a domain's own systems tell: events of its business, which it sends over EventBridge or publishes here.",
    subscribe: ({ args, context, info }) => {
      const { domain, detailType, after } = args as DomainEventsArgs;
      const rc = context as RequestContext;
      const assert = (rowId: string) => assertDetailType(rc, rowId, detailType);
      const about = {
        argument: 'domain',
        type: 'Domain' as const,
        shape: domainShape,
        id: domain,
        after,
        info,
        assert,
      };
      const accepts = (event: LogEvent, rowId: string) =>
        event.type === 'DomainEventReceived' &&
        event.domainId === rowId &&
        (typeof detailType !== 'string' || event.data.detailType === detailType);
      return streamAbout(rc, about, accepts) as never;
    },
  })
  domainEvents(
    @Root() event: LogEvent,
    @Args(() => DomainEventsArgs) _: DomainEventsArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MeshEvent> {
    return resolveEvent(event, rc, info) as Promise<never>;
  }

  @FieldResolver(() => EventCursor)
  cursor(@Root() event: ReadEvent): string {
    return encodeCursor(BigInt(event.sequence));
  }

  @FieldResolver(() => Node, {
    nullable: true,
    description: 'What it is about, as it is now; null where you may not see it.',
  })
  subject(@Root() event: ReadEvent) {
    return event.subject;
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'The domain that it belongs to.' })
  domain(@Root() event: ReadEvent) {
    return event.domain;
  }
}
