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
  Int,
  Query,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { decodeCursor, encodeCursor } from '../events/cursor.js';
import { InvalidCursor } from '../events/errors.js';
import { matches, reachOf } from '../events/filter.js';
import type { EventType, LogEvent } from '../events/types.js';
import { invalid, notFound } from '../governance/error.js';
import type { NodeType } from '../governance/global-id.js';
import { accessRequestShape } from '../governance/read/access-request.js';
import type { Cursor } from '../governance/read/connection.js';
import { dataProductShape } from '../governance/read/data-product.js';
import { eventList, eventShape } from '../governance/read/event.js';
import { byId, readOne, type Selection, type Shape, sql } from '../governance/read/select.js';
import { readsEventsOf } from '../governance/token-scope.js';
import { Domain } from '../schema/domain.js';
import { MeshEvent, MeshEventConnection, MeshEventFilter } from '../schema/event.js';
import { Node } from '../schema/node.js';
import { EventCursor } from '../schema/scalars.js';
import { rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { decodeFilter, decodeId } from './decode.js';
import { expectedError } from './result.js';
import { selectionOf } from './select.js';

/** Pages of events and subscriptions share one cursor. */
const logCursor: Cursor = {
  encode: (_order, [seq]) => encodeCursor(BigInt(seq ?? 0)),
  decode: (_order, cursor) => {
    try {
      return [String(decodeCursor(cursor))];
    } catch (error) {
      throw error instanceof InvalidCursor ? invalid('after', error.message) : error;
    }
  },
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

/** An event as the fields of MeshEvent read it. */
type ReadEvent = Record<string, unknown> & { type: string; sequence: string };

const columnsOf = ({ seq, ...event }: LogEvent): ReadEvent => ({ ...event, sequence: String(seq) });

/** What a stream delivers. */
interface Wanted {
  after?: string | null | undefined;
  accepts: (event: LogEvent) => boolean;
  /** What is asked of each event, or the choice itself, depends on who in particular asks. */
  personal: boolean;
}

/** Opens a stream of the events that `accepts` and that the viewer may see at the moment of delivery. */
async function stream(rc: RequestContext, { after, accepts, personal }: Wanted) {
  const from = rc.resumeAfter ?? after;
  try {
    const events = await rc.subscribe({
      after: typeof from === 'string' ? decodeCursor(from) : undefined,
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

/** A stream about one object, which the subscriber must be able to see now. */
async function streamAbout(
  rc: RequestContext,
  about: { type: NodeType; shape: Shape; id: string; info: GraphQLResolveInfo },
  accepts: (event: LogEvent, rowId: string) => boolean,
) {
  try {
    const rowId = decodeId(about.type, about.id);
    const nothing: Selection = { field: 'node', args: {}, on: () => [] };
    if (!(await readOne(rc.read, about.shape, (r) => byId(about.shape, r, rowId), nothing)))
      throw notFound('The object');
    return stream(rc, { accepts: (event) => accepts(event, rowId), personal: refersToOthers(about.info) });
  } catch (error) {
    throw expectedError(error) ?? error;
  }
}

/** What is asked of the objects that an event refers to. */
const referredOf = (asked: Selection): Selection[] =>
  asked.on('MeshEvent').filter(({ field }) => field === 'subject' || field === 'domain');

/** Whether more is asked than the event itself holds: the rest each viewer sees in his own way. */
const refersToOthers = (info: GraphQLResolveInfo): boolean => referredOf(selectionOf(info)).length > 0;

/**
 * Reads what an event refers to, only where it was asked for: else the event itself has it all, and the result is for many viewers,
 * so that `rc` is nobody's.
 */
async function resolveEvent(event: LogEvent, rc: RequestContext, info: GraphQLResolveInfo): Promise<ReadEvent | null> {
  const asked = selectionOf(info);
  const refers = referredOf(asked);
  if (refers.length === 0) return columnsOf(event);
  // Reading on from what tells of a read would be the next to be told, without end.
  if (event.type === 'RestrictedDetailsRead') return { ...columnsOf(event), subject: null, domain: null };
  const viewer = rc.currentViewer();
  if (!viewer) return null;
  const referred: Selection = { ...asked, on: () => refers };
  const read = await readOne({ ...rc.read, viewer }, eventShape, (r) => sql`${r}."seq" = ${event.seq}`, referred);
  return { ...columnsOf(event), subject: null, domain: null, ...read };
}

@Resolver(() => MeshEvent)
export class EventResolver {
  @Query(() => MeshEventConnection, { description: 'The event log, oldest first, as far as you may see it.' })
  events(@Args(() => EventsArgs) _: EventsArgs, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return rootPage(rc, info, meshEventList);
  }

  @Subscription(() => MeshEvent, {
    description: 'Events of the mesh as they happen, each once, in order.',
    subscribe: ({ args, context, info }) => {
      const { after, filter } = args as MeshEventsArgs;
      const rc = context as RequestContext;
      const wanted = decodeFilter({ ...filter }) as { types?: EventType[] };
      const accepts = matches(wanted, rc.ctx.viewer.subject);
      return stream(rc, { after, accepts, personal: filter?.mine === true || refersToOthers(info) }) as never;
    },
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
      const about = { type: 'DataProduct' as const, shape: dataProductShape, id: String(args.id), info };
      return streamAbout(context as RequestContext, about, (event, id) => event.productId === id) as never;
    },
  })
  dataProductChanged(
    @Root() event: LogEvent,
    @Arg('id', () => ID, { description: 'The product.' }) _: string,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MeshEvent> {
    return resolveEvent(event, rc, info) as Promise<never>;
  }

  @Subscription(() => MeshEvent, {
    description: 'What becomes of one request, and of the grant that comes of it.',
    subscribe: ({ args, context, info }) => {
      const about = { type: 'AccessRequest' as const, shape: accessRequestShape, id: String(args.id), info };
      const accepts = (event: LogEvent, id: string) => event.subjectId === id || event.data.accessRequest === args.id;
      return streamAbout(context as RequestContext, about, accepts) as never;
    },
  })
  accessRequestChanged(
    @Root() event: LogEvent,
    @Arg('id', () => ID, { description: 'The request.' }) _: string,
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
