import { Field, ID, Int, ObjectType } from 'type-graphql';
import { AccessOutcome, DomainRole } from './enums.js';
import { DateTime } from './scalars.js';

@ObjectType({ description: 'A policy that determined a decision, as it was then.' })
export class DecidingPolicy {
  @Field(() => ID, { description: 'The policy: `policy(id)` finds it.' })
  id!: string;

  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => Int, { description: 'The number of the version that decided.' })
  version!: number;

  @Field(() => String, {
    nullable: true,
    description: 'The slug of the domain that it is of; null: of the whole mesh.',
  })
  domain!: string | null;

  @Field(() => [String], { description: 'What its statements say for themselves (`@reason`).' })
  reasons!: string[];
}

@ObjectType({ description: "How many people have to approve, by their roles in the product's domain." })
export class RequiredApprovals {
  @Field(() => Int, { description: 'Owners; a platform admin counts as one.' })
  owners!: number;

  @Field(() => Int, { description: 'Stewards.' })
  stewards!: number;
}

@ObjectType({ description: "One person's approval." })
export class AccessApproval {
  @Field(() => String, { description: 'Who.' })
  approvedBy!: string;

  @Field(() => String, {
    nullable: true,
    description: 'In whose place, where a deputy approved; the role is as what that one was then.',
  })
  approvedFor!: string | null;

  @Field(() => DomainRole, { description: "His role in the product's domain then; of a platform admin, OWNER." })
  role!: string;

  @Field(() => String, { nullable: true, description: 'What he said.' })
  comment!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'The earlier end that he set; the earliest of all holds.' })
  expiresAt!: string | null;

  @Field(() => DateTime, { description: 'When.' })
  createdAt!: string;

  @Field(() => Boolean, {
    description:
      'Whether it is of what was judged last. Where product, columns, contract or access mode have changed since, it does not count, and he may approve again.',
  })
  standing!: boolean;
}

@ObjectType({ description: 'The approvals that a request needs, and those that it has.' })
export class AccessApprovals {
  @Field(() => [RequiredApprovals], {
    description: 'What would do, in all: any one of these. Empty where none is needed any more.',
  })
  required!: RequiredApprovals[];

  @Field(() => [AccessApproval], {
    description: 'Those given, oldest first. Who lost his role since does not count any more.',
  })
  given!: AccessApproval[];
}

@ObjectType({ description: 'What the policies said to a request.' })
export class AccessDecision {
  @Field(() => AccessOutcome, { description: 'What became of it.' })
  outcome!: string;

  @Field(() => String, { description: 'The version of all policies that decide about the product: a hash, hex.' })
  version!: string;

  @Field(() => [DecidingPolicy], { description: 'The policies that determined it.' })
  policies!: DecidingPolicy[];

  @Field(() => [String], { description: 'Why, in words.' })
  reasons!: string[];

  @Field(() => DateTime, { description: 'When it was decided last.' })
  decidedAt!: string;
}
