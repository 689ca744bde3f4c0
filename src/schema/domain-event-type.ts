import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { EventVisibility } from './enums.js';
import { MutationInput } from './mutation.input.js';
import { Node } from './node.js';
import { DateTime, JSONScalar } from './scalars.js';

@ObjectType({ description: 'What the events of a type looked like from one moment on.' })
export class DomainEventTypeVersion {
  @Field(() => Int, { description: 'Counts from 1.' })
  number!: number;

  @Field(() => JSONScalar, { description: 'JSON Schema of `detail`.' })
  schema!: unknown;

  @Field(() => DateTime, { description: 'From when on.' })
  createdAt!: string;

  @Field(() => String, { description: 'Who registered it.' })
  createdBy!: string;
}

@ObjectType({ implements: Node, description: 'A detail-type of which a domain tells the mesh.' })
export class DomainEventType extends Node {
  @Field(() => String, { description: "EventBridge's `detail-type`, unique in the domain." })
  detailType!: string;

  @Field(() => String, { nullable: true, description: 'What it tells.' })
  description!: string | null;

  @Field(() => EventVisibility, { description: 'Who hears its events.' })
  visibility!: EventVisibility;

  @Field(() => Int, { description: 'The newest version: what events are held against.' })
  version!: number;

  @Field(() => JSONScalar, { description: 'JSON Schema of `detail`, the newest version.' })
  schema!: unknown;

  @Field(() => [DomainEventTypeVersion], { description: 'Its versions, newest first.' })
  versions!: DomainEventTypeVersion[];

  @Field(() => DateTime, { description: 'When it was first registered.' })
  createdAt!: string;

  @Field(() => String, { description: 'Who registered it first.' })
  createdBy!: string;

  @Field(() => DateTime, { nullable: true, description: 'When it was removed; events of it are held since then.' })
  removedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who removed it.' })
  removedBy!: string | null;
}

@InputType({
  description:
    'Says what the events of a detail-type look like. Another schema is another version, which counts from then on. Owners and stewards.',
})
export class RegisterDomainEventTypeInput extends MutationInput {
  @Field(() => ID, { description: 'Whose events.' })
  domain!: string;

  @Field(() => String, { description: "EventBridge's `detail-type`, 1 to 128 characters." })
  detailType!: string;

  @Field(() => JSONScalar, {
    description:
      'JSON Schema of `detail`, 2020-12, or draft 7 where its `$schema` says so, at most 32 KB. References stay within it (`#/$defs/name`) and form no circle; `pattern` and `patternProperties` are not taken, and of the formats date, date-time, email, time, uri, uuid, ipv4 and ipv6.',
  })
  schema!: unknown;

  @Field(() => String, { nullable: true, description: 'What it tells; left out: as before.' })
  description?: string;

  @Field(() => EventVisibility, {
    nullable: true,
    description: 'Who hears its events; left out: as before, first DOMAIN.',
  })
  visibility?: EventVisibility;
}

@InputType({ description: 'Ends a type: events of it are held from now on. Owners and stewards.' })
export class RemoveDomainEventTypeInput extends MutationInput {
  @Field(() => ID, { description: 'Which.' })
  domainEventType!: string;
}

@InputType({ description: "Tells the mesh of something in a domain's business. Members, service accounts too." })
export class PublishDomainEventInput extends MutationInput {
  @Field(() => ID, { description: 'Whose event.' })
  domain!: string;

  @Field(() => String, { description: 'A detail-type that the domain registered.' })
  detailType!: string;

  @Field(() => String, {
    nullable: true,
    description: "Which system tells it, like com.example.sales; default the domain's name.",
  })
  source?: string;

  @Field(() => JSONScalar, { description: 'What happened: an object that fits the schema of the type, at most 64 KB.' })
  detail!: Record<string, unknown>;
}
