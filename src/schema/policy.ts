import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { DecidingPolicy, RequiredApprovals } from './access-decision.js';
import { AccessRequest } from './access-request.js';
import { AccessOutcome, PolicyScope, PolicyVersionStatus } from './enums.js';
import { connectionType, Node } from './node.js';
import { DateTime } from './scalars.js';

@ObjectType({ description: 'One text of a policy. It never changes; another text is another version.' })
export class PolicyVersion {
  @Field(() => Int, { description: 'Its number within the policy, from 1.' })
  number!: number;

  @Field(() => String, { description: 'Statements in the Cedar policy language (docs.cedarpolicy.com).' })
  source!: string;

  @Field(() => String, { description: 'sha256 of the source, hex.' })
  digest!: string;

  @Field(() => Int, { description: 'How many statements it has.' })
  statements!: number;

  @Field(() => PolicyVersionStatus, { description: 'Where it is.' })
  status!: string;

  @Field(() => DateTime, { description: 'When it was drafted.' })
  createdAt!: string;

  @Field(() => String, { description: 'Who drafted it.' })
  createdBy!: string;

  @Field(() => DateTime, { nullable: true, description: 'Since when it decides, or decided.' })
  activatedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who activated it.' })
  activatedBy!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Until when it decided.' })
  supersededAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who put another in its place, or deactivated the policy.' })
  supersededBy!: string | null;
}

@ObjectType({
  implements: Node,
  description: 'Rules of access, written in Cedar: of the whole mesh, or of one domain for its own products.',
})
export class Policy extends Node {
  @Field(() => PolicyScope, { description: 'What it is about.' })
  scope!: string;

  @Field(() => String, { description: 'Lower-case slug, unique in the mesh or in its domain.' })
  name!: string;

  @Field(() => String, { description: 'What it is for.' })
  description!: string;

  @Field(() => PolicyVersion, { nullable: true, description: 'The version that decides; null where none does.' })
  active!: PolicyVersion | null;

  @Field(() => [PolicyVersion], {
    description: 'Its versions, newest first, 100 at most; drafts for those who may change it.',
  })
  versions!: PolicyVersion[];

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: string;

  @Field(() => String, { description: 'Who made it; `meshgate` for those that come along.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: string;
}

export const PolicyConnection = connectionType('Policy', () => Policy);

@InputType({ description: 'Which policies; conditions add up.' })
export class PolicyFilter {
  @Field(() => PolicyScope, { nullable: true, description: 'Of the whole mesh, or of domains.' })
  scope?: string;

  @Field(() => ID, { nullable: true, description: 'Of this domain.' })
  domain?: string;

  @Field(() => Boolean, { nullable: true, description: 'Those that decide (true), or that do not.' })
  active?: boolean;
}

const KEY = 'Repeating a mutation with the same key within 24 hours does nothing twice.';

@InputType({ description: 'A policy to make, with its first draft.' })
export class CreatePolicyInput {
  @Field(() => String, { description: 'Lower-case slug.' })
  name!: string;

  @Field(() => String, { description: 'What it is for.' })
  description!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'The domain whose products it is about; each statement keeps to them: `resource in Domain::"commerce"`. Default: the whole mesh.',
  })
  domain?: string;

  @Field(() => String, {
    description:
      'Cedar statements, 20,000 characters at most. `@reason("...")` before one is what people are told where it decides.',
  })
  source!: string;

  @Field(() => String, { nullable: true, description: KEY })
  idempotencyKey?: string;
}

@InputType({ description: 'Another version of a policy.' })
export class DraftPolicyInput {
  @Field(() => ID, { description: 'The policy.' })
  policy!: string;

  @Field(() => String, { nullable: true, description: 'What it is for; default as it is.' })
  description?: string;

  @Field(() => String, { description: 'Cedar statements, 20,000 characters at most.' })
  source!: string;

  @Field(() => String, { nullable: true, description: KEY })
  idempotencyKey?: string;
}

@InputType({ description: 'A version that shall decide.' })
export class ActivatePolicyInput {
  @Field(() => ID, { description: 'The policy.' })
  policy!: string;

  @Field(() => Int, { description: 'The number of the draft that you looked at.' })
  version!: number;

  @Field(() => String, { nullable: true, description: 'Its digest; refused where the version has another.' })
  digest?: string;

  @Field(() => String, { nullable: true, description: KEY })
  idempotencyKey?: string;
}

@InputType({ description: 'A policy that shall decide nothing any more.' })
export class DeactivatePolicyInput {
  @Field(() => ID, { description: 'The policy.' })
  policy!: string;

  @Field(() => String, { nullable: true, description: KEY })
  idempotencyKey?: string;
}

@ObjectType({ description: 'What policies come to on a past request.' })
export class TriedDecision {
  @Field(() => AccessOutcome, {
    description: 'By the facts of when it was asked, and the approvals that it was given.',
  })
  outcome!: string;

  @Field(() => [RequiredApprovals], { description: 'The approvals that would do, in all: any one of these.' })
  required!: RequiredApprovals[];

  @Field(() => [DecidingPolicy], { description: 'The policies that determine it; version 0 is the tried one.' })
  policies!: DecidingPolicy[];

  @Field(() => [String], { description: 'Why, in words.' })
  reasons!: string[];
}

@ObjectType({ description: 'A past request on which the tried policy decides otherwise.' })
export class TrialChange {
  @Field(() => AccessRequest, { nullable: true, description: 'The request.' })
  accessRequest!: AccessRequest | null;

  @Field(() => TriedDecision, { description: 'By the policies that are active now.' })
  before!: TriedDecision;

  @Field(() => TriedDecision, { description: 'With the tried one in place.' })
  after!: TriedDecision;
}

@ObjectType({ description: 'What a policy would change, tried on past requests. Nothing is written.' })
export class PolicyTrial {
  @Field(() => Int, { description: 'How many past requests this page looked at, newest first.' })
  examined!: number;

  @Field(() => [TrialChange], { description: 'Those of them that would be decided otherwise.' })
  changes!: TrialChange[];

  @Field(() => Boolean, { description: 'Whether there are older ones.' })
  hasNextPage!: boolean;

  @Field(() => String, { nullable: true, description: 'Give it as `after` to look at older ones.' })
  endCursor!: string | null;
}

@InputType({ description: 'A policy to try: a version of one, another text of one, or a new one.' })
export class TryPolicyInput {
  @Field(() => ID, { nullable: true, description: 'The policy whose active version the tried one would replace.' })
  policy?: string;

  @Field(() => Int, { nullable: true, description: 'Which of its versions; default the newest.' })
  version?: number;

  @Field(() => String, { nullable: true, description: 'Cedar statements, in place of a version.' })
  source?: string;

  @Field(() => ID, { nullable: true, description: 'Of a new policy: its domain; default the whole mesh.' })
  domain?: string;

  @Field(() => DateTime, { nullable: true, description: 'Only requests asked since then.' })
  from?: Date;

  @Field(() => DateTime, { nullable: true, description: 'Only requests asked before.' })
  to?: Date;
}
