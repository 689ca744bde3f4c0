import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { Health } from './health.js';
import { MutationInput } from './mutation.input.js';
import { connectionType, Node } from './node.js';
import { Arn, DateTime, JSONScalar } from './scalars.js';

const PATTERN =
  'An EventBridge event pattern, as JSON: what of `detail-type`, `resources`, `time` and `detail` shall match. It narrows what the domain may see: `source`, `account` and `detail.audience` are added to it.';

@ObjectType({
  implements: Node,
  description: 'Which events of the mesh a domain wants where, besides all of its own on its own bus. Members only.',
})
export class EventRoute extends Node {
  @Field(() => String, { description: 'Lower-case slug, unique in the domain.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'What it is for.' })
  description!: string | null;

  @Field(() => JSONScalar, { description: 'The event pattern, as the domain gave it.' })
  pattern!: unknown;

  @Field(() => [Arn], { description: "Event buses and SQS queues of the domain's account that the events go to." })
  targets!: string[];

  @Field(() => Health, {
    nullable: true,
    description:
      'How its rule is, and whether the buses among its targets are there and take its events. Nothing is known of queues: what does not reach them is kept in the governance account.',
  })
  health!: Health | null;

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: string;

  @Field(() => String, { description: 'Who made it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: string;
}

export const EventRouteConnection = connectionType('EventRoute', () => EventRoute);

@InputType({ description: 'A route to make.' })
export class AddEventRouteInput extends MutationInput {
  @Field(() => ID, { description: 'The domain whose events it carries.' })
  domain!: string;

  @Field(() => String, { description: 'Lower-case slug.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'What it is for.' })
  description?: string;

  @Field(() => JSONScalar, { description: PATTERN })
  pattern!: Record<string, unknown>;

  @Field(() => [Arn], { description: "One to five event buses or standard SQS queues of the domain's own account." })
  targets!: string[];
}

@InputType({ description: 'What changes of a route; what is not given stays.' })
export class UpdateEventRouteInput extends MutationInput {
  @Field(() => ID, { description: 'The route.' })
  eventRoute!: string;

  @Field(() => String, { nullable: true, description: 'What it is for; null takes it away.' })
  description?: string | null;

  @Field(() => JSONScalar, { nullable: true, description: PATTERN })
  pattern?: Record<string, unknown>;

  @Field(() => [Arn], { nullable: true, description: 'All of its targets from now on.' })
  targets?: string[];
}

@InputType({ description: 'A route to end.' })
export class RemoveEventRouteInput extends MutationInput {
  @Field(() => ID, { description: 'The route.' })
  eventRoute!: string;
}

@ObjectType({ description: 'Which past events an event pattern would have matched. Nothing is called or written.' })
export class EventPatternTest {
  @Field(() => Int, { description: 'How many past events of the domain this page held against it, newest first.' })
  examined!: number;

  @Field(() => JSONScalar, { description: 'The pattern as its rule would have it.' })
  effectivePattern!: unknown;

  @Field(() => Boolean, { description: 'Whether there are older ones.' })
  hasNextPage!: boolean;

  @Field(() => String, { nullable: true, description: 'Give it as `after` to look at older ones.' })
  endCursor!: string | null;
}
