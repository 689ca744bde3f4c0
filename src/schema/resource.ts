import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { Desired, ResourceStatus } from './enums.js';
import { connectionType, Node } from './node.js';
import { AwsAccountId, DateTime, JSONScalar } from './scalars.js';

@ObjectType({ description: 'Why an AWS object does not agree yet.' })
export class ResourceError {
  @Field(() => String, { description: 'The AWS error name.' })
  code!: string;

  @Field(() => String, { description: 'What happened, and what to do about it.' })
  message!: string;

  @Field(() => String, { nullable: true, description: 'The AWS request id, for AWS support.' })
  awsRequestId!: string | null;
}

@ObjectType({ description: 'Who needs an AWS object.' })
export class ResourceClaim {
  @Field(() => Node, { nullable: true, description: 'The domain, product or grant; null where you may not see it.' })
  owner!: Node | null;

  @Field(() => JSONScalar, { description: 'What this owner needs of it; the spec is the merge of all.' })
  spec!: unknown;

  @Field(() => Boolean, { description: 'Whether the owner has let go and AWS does not agree yet.' })
  released!: boolean;

  @Field(() => DateTime, { description: 'Since when.' })
  createdAt!: string;
}

@ObjectType({ implements: Node, description: 'One AWS object that must, or must not, exist.' })
export class Resource extends Node {
  @Field(() => String, { description: 'GlueTable, LfGrant, EventRule ...' })
  kind!: string;

  @Field(() => AwsAccountId, { description: 'The account that is called.' })
  account!: string;

  @Field(() => String, { description: 'The region.' })
  region!: string;

  @Field(() => String, { description: 'What it is called, within kind, account and region.' })
  key!: string;

  @Field(() => JSONScalar, { description: 'What must be.' })
  spec!: unknown;

  @Field(() => Desired, { description: 'Whether it must exist.' })
  desired!: Desired;

  @Field(() => Int, { description: 'Counts the changes of what must be.' })
  generation!: number;

  @Field(() => ResourceStatus, { description: 'What is, as far as is known.' })
  status!: ResourceStatus;

  @Field(() => Int, { description: 'The generation that AWS last agreed with.' })
  observedGeneration!: number;

  @Field(() => JSONScalar, { nullable: true, description: 'What AWS answered when it was last looked at.' })
  observed!: unknown;

  @Field(() => DateTime, { nullable: true, description: 'When it was last looked at.' })
  observedAt!: string | null;

  @Field(() => Int, { description: 'Tries since it last agreed.' })
  attempts!: number;

  @Field(() => DateTime, { description: 'When it is looked at next.' })
  nextAttemptAt!: string;

  @Field(() => ResourceError, { nullable: true, description: 'Why it does not agree yet.' })
  lastError!: ResourceError | null;

  @Field(() => String, { description: 'The request that changed it last: the same id is in the log.' })
  correlationId!: string;

  @Field(() => [Resource], { description: 'What it stands on; the first 100.' })
  dependsOn!: Resource[];

  @Field(() => [ResourceClaim], { description: 'Who needs it, of those that you may see; the first 100.' })
  claims!: ResourceClaim[];

  @Field(() => DateTime, { description: 'When it was first needed.' })
  createdAt!: string;

  @Field(() => DateTime, { description: 'When its row last changed.' })
  updatedAt!: string;
}

export const ResourceConnection = connectionType('Resource', () => Resource);

@InputType({ description: 'Which AWS objects; conditions add up.' })
export class ResourceFilter {
  @Field(() => ID, { nullable: true, description: 'Needed by this domain, product or grant.' })
  owner?: string;

  @Field(() => [String], { nullable: true, description: 'Of one of these kinds.' })
  kinds?: string[];

  @Field(() => [ResourceStatus], { nullable: true, description: 'In one of these states.' })
  status?: ResourceStatus[];
}

@InputType({ description: 'An AWS object to look at and treat again.' })
export class RetryResourceInput {
  @Field(() => ID, { description: 'The resource.' })
  resource!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Repeating a mutation with the same key within 24 hours does nothing twice.',
  })
  idempotencyKey?: string;
}
