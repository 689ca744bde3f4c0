import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { Desired, ForeignGrantStatus, ResourceStatus } from './enums.js';
import { MutationInput } from './mutation.input.js';
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

@ObjectType({ description: 'A change out of band that was told and is left as it is.' })
export class ResourceDrift {
  @Field(() => [String], { description: 'In which points AWS differs from the spec.' })
  differences!: string[];

  @Field(() => JSONScalar, { nullable: true, description: 'What AWS showed; null: the object is missing.' })
  observed!: unknown;

  @Field(() => DateTime, { description: 'When it was found.' })
  foundAt!: string;

  @Field(() => String, { nullable: true, description: 'Who accepted it.' })
  acknowledgedBy!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was accepted.' })
  acknowledgedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Why it was accepted.' })
  reason!: string | null;
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

  @Field(() => DateTime, {
    nullable: true,
    description: 'Since when it does not agree although it had, or has failed; null while all is well.',
  })
  unhealthySince!: string | null;

  @Field(() => ResourceDrift, {
    nullable: true,
    description: 'A change out of band that was told and is left as it is: see the driftPolicy of its domain.',
  })
  drift!: ResourceDrift | null;

  @Field(() => [ForeignGrant], { description: 'Grants on it that nothing in the mesh asked for.' })
  foreignGrants!: ForeignGrant[];

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

@ObjectType({
  implements: Node,
  description: 'A Lake Formation grant on an object of the mesh that nothing in the mesh asked for.',
})
export class ForeignGrant extends Node {
  @Field(() => AwsAccountId, { description: 'The account in which it was found.' })
  account!: string;

  @Field(() => String, { description: 'The region.' })
  region!: string;

  @Field(() => String, { description: 'Who holds it: the ARN of a role or user, an account, or an organization.' })
  principal!: string;

  @Field(() => String, { description: 'What it is on, in a line: `table 111122223333/db/t`.' })
  resource!: string;

  @Field(() => Resource, { nullable: true, description: 'The object of the mesh that it is on.' })
  object!: Resource | null;

  @Field(() => JSONScalar, { description: 'Permission name -> ALL_COLUMNS, or a list of columns.' })
  permissions!: unknown;

  @Field(() => JSONScalar, { description: 'What the principal may grant on, in the same form.' })
  grantable!: unknown;

  @Field(() => ForeignGrantStatus, { description: 'What is done about it.' })
  status!: ForeignGrantStatus;

  @Field(() => DateTime, { description: 'When it was first found.' })
  firstSeenAt!: string;

  @Field(() => DateTime, { description: 'When it was last found.' })
  lastSeenAt!: string;

  @Field(() => String, { nullable: true, description: 'Who accepted it.' })
  acknowledgedBy!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was accepted.' })
  acknowledgedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Why it was accepted.' })
  reason!: string | null;

  @Field(() => ResourceError, { nullable: true, description: 'Why AWS does not let it be revoked, where it is to be.' })
  lastError!: ResourceError | null;

  @Field(() => Int, { description: 'Revokes in a row that AWS refused.' })
  tries!: number;
}

export const ForeignGrantConnection = connectionType('ForeignGrant', () => ForeignGrant);

@InputType({ description: 'Which foreign grants; conditions add up.' })
export class ForeignGrantFilter {
  @Field(() => [ForeignGrantStatus], { nullable: true, description: 'In one of these states; default all but GONE.' })
  status?: ForeignGrantStatus[];

  @Field(() => ID, { nullable: true, description: "On this domain's objects." })
  domain?: string;

  @Field(() => String, { nullable: true, description: 'Held by this principal.' })
  principal?: string;
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

  @Field(() => Boolean, {
    nullable: true,
    description: 'true: those that FAILED, are STUCK, or were changed out of band; false: the others.',
  })
  unhealthy?: boolean;
}

@InputType({ description: 'An AWS object to look at and treat again.' })
export class RetryResourceInput extends MutationInput {
  @Field(() => ID, { description: 'The resource.' })
  resource!: string;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether to change an object that somebody else made under its name; default false: it stays FAILED.',
  })
  takeOver?: boolean;
}

@InputType({ description: 'A difference to accept.' })
export class AcknowledgeDriftInput extends MutationInput {
  @Field(() => ID, { description: 'The resource with the difference, or a foreign grant.' })
  resource!: string;

  @Field(() => String, { description: 'Why it may stay.' })
  reason!: string;
}
