import { type ClassType, Field, ID, InputType, Int, InterfaceType, ObjectType } from 'type-graphql';
import { EVENT_TYPES, type EventType } from '../events/types.js';
import { Classification } from '../generated/prisma/enums.js';
import { MeshEventType } from './enums.js';
import { addDataFields } from './event-data.js';
import { connectionType } from './node.js';
import { DateTime, EventCursor, JSONScalar } from './scalars.js';

@ObjectType({ description: 'Who did something.' })
export class Actor {
  @Field(() => String, { description: 'USER, or SYSTEM for Meshgate itself.' })
  kind!: string;

  @Field(() => String, { description: "The `sub` of the actor's token." })
  subject!: string;

  @Field(() => String, { nullable: true, description: 'His name.' })
  name!: string | null;
}

@InterfaceType({
  description: 'Something that happened in the mesh. The log numbers events densely; an admin sees every number.',
  resolveType: (event: { type: string }) => event.type,
})
export abstract class MeshEvent {
  @Field(() => ID, { description: 'Unique; the same on EventBridge.' })
  id!: string;

  @Field(() => String, { description: 'Its number in the log, from 1, without gaps.' })
  sequence!: string;

  @Field(() => EventCursor, { description: 'Its place: give it as `after` to go on from here.' })
  cursor!: string;

  @Field(() => MeshEventType as never, { description: 'What happened.' })
  type!: string;

  @Field(() => Int, { description: 'Version of what the type says: docs/events has a schema for each.' })
  version!: number;

  @Field(() => DateTime, { description: 'When.' })
  occurredAt!: string;

  @Field(() => Actor, { description: 'Who did it.' })
  actor!: Actor;

  @Field(() => ID, { description: 'The request that brought it about.' })
  correlationId!: string;

  @Field(() => JSONScalar, { description: 'What else is to be known; ids are ids of this API.' })
  data!: unknown;
}

/** One concrete type for each event type: the fields of MeshEvent, and its data field by field. */
export const meshEventTypes: ClassType[] = Object.entries(EVENT_TYPES).map(([name, { says, data }]) => {
  const type = { [name]: class extends MeshEvent {} }[name] as ClassType;
  addDataFields(type, data);
  ObjectType(name as EventType, { description: says, implements: MeshEvent })(type);
  return type;
});

/** What domains tell of their own business. */
export const DomainEventReceived = meshEventTypes.find(
  ({ name }) => name === ('DomainEventReceived' satisfies EventType),
) as ClassType<MeshEvent>;

export const MeshEventConnection = connectionType('MeshEvent', () => MeshEvent);

@InputType({ description: 'Which events; conditions add up.' })
export class MeshEventFilter {
  @Field(() => [MeshEventType as never], { nullable: true, description: 'Of one of these types.' })
  types?: string[];

  @Field(() => [ID], { nullable: true, description: 'Of one of these domains, which you must be able to see.' })
  domains?: string[];

  @Field(() => [ID], { nullable: true, description: 'About one of these products, which you must be able to see.' })
  dataProducts?: string[];

  @Field(() => [String], { nullable: true, description: 'About a product that had one of these tags.' })
  tags?: string[];

  @Field(() => Classification, {
    nullable: true,
    description: 'About a product that was, or until then had been, of this classification or of a stricter one.',
  })
  minimumClassification?: Classification;

  @Field(() => Boolean, { nullable: true, description: 'Only what you did, or what is addressed to you.' })
  mine?: boolean;
}
