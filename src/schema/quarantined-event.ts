import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { QuarantineReason, QuarantineStatus } from './enums.js';
import { MutationInput } from './mutation.input.js';
import { connectionType, Node } from './node.js';
import { AwsAccountId, DateTime } from './scalars.js';

@ObjectType({
  implements: Node,
  description: 'An event that came in over EventBridge and could not be taken. It is kept for 30 days.',
})
export class QuarantinedEvent extends Node {
  @Field(() => AwsAccountId, {
    nullable: true,
    description: 'Who sent it, as EventBridge says; null where that cannot be read.',
  })
  account!: string | null;

  @Field(() => String, { nullable: true, description: "EventBridge's id of it." })
  eventId!: string | null;

  @Field(() => String, { nullable: true, description: 'Its `source`.' })
  source!: string | null;

  @Field(() => String, { nullable: true, description: 'Its `detail-type`.' })
  detailType!: string | null;

  @Field(() => QuarantineReason, { description: 'Why it was not taken.' })
  reason!: QuarantineReason;

  @Field(() => String, { description: 'Why, for a person.' })
  explanation!: string;

  @Field(() => String, { description: 'All of it, as it came.' })
  body!: string;

  @Field(() => Int, { description: 'How large it is.' })
  bytes!: number;

  @Field(() => QuarantineStatus, { description: 'What became of it.' })
  status!: QuarantineStatus;

  @Field(() => DateTime, { description: 'When it came in.' })
  receivedAt!: string;

  @Field(() => DateTime, { nullable: true, description: 'When it was released or discarded.' })
  resolvedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who did that.' })
  resolvedBy!: string | null;

  @Field(() => String, { nullable: true, description: 'What he said about it.' })
  comment!: string | null;
}

export const QuarantinedEventConnection = connectionType('QuarantinedEvent', () => QuarantinedEvent, { facets: true });

@InputType({ description: 'Which held events; conditions add up.' })
export class QuarantinedEventFilter {
  @Field(() => [QuarantineStatus], { nullable: true, description: 'Of which one of these became.' })
  status?: QuarantineStatus[];

  @Field(() => [QuarantineReason], { nullable: true, description: 'Not taken for one of these reasons.' })
  reasons?: QuarantineReason[];

  @Field(() => ID, { nullable: true, description: 'From the account of this domain.' })
  domain?: string;

  @Field(() => String, { nullable: true, description: 'Of this detail-type.' })
  detailType?: string;
}

@InputType({
  description: "Decides what becomes of a held event. Owners and stewards of the sender's domain, and admins.",
})
export class ResolveQuarantinedEventInput extends MutationInput {
  @Field(() => ID, { description: 'Which.' })
  quarantinedEvent!: string;

  @Field(() => String, { nullable: true, description: 'Why; the audit trail keeps it.' })
  comment?: string;
}
