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
import { matches, mayGet } from '../events/filter.js';
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

/** Opens a stream of the events that `accepts` and that the viewer may see at the moment of delivery. */
async function stream(rc: RequestContext, after: string | null | undefined, accepts: (event: LogEvent) => boolean) {
  const from = rc.resumeAfter ?? after;
  try {
    const events = await rc.subscribe({
      after: typeof from === 'string' ? decodeCursor(from) : undefined,
      accepts: (event) => {
        const viewer = rc.currentViewer();
        return (
          viewer !== undefined && accepts(event) && mayGet(viewer, event) && readsEventsOf(viewer, event.subject.type)
        );
      },
    });
    return told(events);
  } catch (error) {
    throw expectedError(error) ?? error;
  }
}

/** The same events; what ends them is told with its code, so that a client knows how to go on. */
async function* told(events: AsyncIterableIterator<LogEvent>): AsyncGenerator<LogEvent> {
  try {
    yield* events;
  } catch (error) {
    throw expectedError(error) ?? error;
  }
}

/** A stream about one object, which the subscriber must be able to see now. */
async function streamAbout(
  rc: RequestContext,
  about: { type: NodeType; shape: Shape; id: string },
  accepts: (event: LogEvent, rowId: string) => boolean,
) {
  try {
    const rowId = decodeId(about.type, about.id);
    const nothing: Selection = { field: 'node', args: {}, on: () => [] };
    if (!(await readOne(rc.read, about.shape, (r) => byId(about.shape, r, rowId), nothing)))
      throw notFound('The object');
    return stream(rc, undefined, (event) => accepts(event, rowId));
  } catch (error) {
    throw expectedError(error) ?? error;
  }
}

/** Reads what an event refers to, only where it was asked for: else the event itself has it all. */
async function resolveEvent(event: LogEvent, rc: RequestContext, info: GraphQLResolveInfo): Promise<ReadEvent | null> {
  const asked = selectionOf(info);
  const refers = asked.on('MeshEvent').filter(({ field }) => field === 'subject' || field === 'domain');
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
    subscribe: ({ args, context }) => {
      const { after, filter } = args as MeshEventsArgs;
      const rc = context as RequestContext;
      const wanted = decodeFilter({ ...filter }) as { types?: EventType[] };
      return stream(rc, after, matches(wanted, rc.ctx.viewer.subject)) as never;
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
    subscribe: ({ args, context }) => {
      const about = { type: 'DataProduct' as const, shape: dataProductShape, id: String(args.id) };
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
    subscribe: ({ args, context }) => {
      const about = { type: 'AccessRequest' as const, shape: accessRequestShape, id: String(args.id) };
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
