import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { DecidingPolicy, RequiredApprovals } from './access-decision.js';
import { AccessGrant } from './access-grant.js';
import { AccessOutcome, Classification, PlanAction, PolicyDecision } from './enums.js';
import { Arn, AwsAccountId, JSONScalar } from './scalars.js';

@ObjectType({ description: 'One AWS call that a plan would lead to.' })
export class PlannedAwsCall {
  @Field(() => String, { description: 'The service, as its SDK client is called.' })
  service!: string;

  @Field(() => String, { description: 'The operation.' })
  operation!: string;

  @Field(() => JSONScalar, { description: 'Its parameters.' })
  parameters!: unknown;

  @Field(() => [String], { description: 'The quotas that it eats into, or frees: names of `quotas`.' })
  quota!: string[];
}

@ObjectType({
  description:
    "What would become of one AWS object. Accounts, names, specs and calls are for who may see the object: owners and stewards of the product's and the consumer's domain, and admins; others see kind and action.",
})
export class PlannedResource {
  @Field(() => String, { description: 'GlueTable, LfGrant, EventRule ...' })
  kind!: string;

  @Field(() => PlanAction, { description: 'What would be done.' })
  action!: string;

  @Field(() => Boolean, {
    description:
      'What is wanted stays (NOOP), yet AWS is called to bring it about: it had FAILED, or was left as somebody changed it. Follows from how things stand, so it is no part of the digest.',
  })
  repairs!: boolean;

  @Field(() => AwsAccountId, { nullable: true, description: 'The account that would be called.' })
  account!: string | null;

  @Field(() => String, { nullable: true, description: 'The region.' })
  region!: string | null;

  @Field(() => String, { nullable: true, description: 'What it is called, within kind, account and region.' })
  key!: string | null;

  @Field(() => JSONScalar, { nullable: true, description: 'What must be now, merged of all who need it.' })
  before!: unknown;

  @Field(() => JSONScalar, { nullable: true, description: 'What would have to be then.' })
  after!: unknown;

  @Field(() => [String], {
    nullable: true,
    description: 'The difference leaf by leaf: `+ path: value`, `- path: value`, `~ path: old -> new`.',
  })
  diff!: string[] | null;

  @Field(() => [PlannedAwsCall], {
    nullable: true,
    description: 'The AWS calls; none where nothing changes and nothing is repaired.',
  })
  awsCalls!: PlannedAwsCall[] | null;
}

@ObjectType({ description: 'How many AWS objects of one kind would be treated alike.' })
export class PlannedCount {
  @Field(() => String, { description: 'The kind.' })
  kind!: string;

  @Field(() => PlanAction, { description: 'What would be done.' })
  action!: string;

  @Field(() => Int, { description: 'To how many.' })
  count!: number;
}

@ObjectType({ description: 'How much room a plan leaves in an AWS quota.' })
export class QuotaHeadroom {
  @Field(() => String, { description: 'The quota.' })
  name!: string;

  @Field(() => AwsAccountId, { description: 'The account.' })
  account!: string;

  @Field(() => String, {
    description: 'What it is counted by there: a database, a bus, a table; empty for the account.',
  })
  scope!: string;

  @Field(() => Int, { description: 'Used by the mesh now; what others made in the account is not known.' })
  used!: number;

  @Field(() => Int, { description: 'What the plan adds; negative where it frees some.' })
  planned!: number;

  @Field(() => Int, { description: "AWS's default limit." })
  limit!: number;

  @Field(() => Int, { description: 'Left after it; negative where it would not fit.' })
  headroom!: number;

  @Field(() => String, { description: 'The AWS page.' })
  source!: string;
}

@ObjectType({ description: 'What the rules say to a request.' })
export class PolicyOutcome {
  @Field(() => AccessOutcome, { description: 'What becomes of it, by the policies and the approvals given so far.' })
  outcome!: string;

  @Field(() => PolicyDecision, {
    description: 'Whether somebody has to approve.',
    deprecationReason: '`outcome` says more.',
  })
  decision!: string;

  @Field(() => String, { description: 'The version of all policies that decide about the product.' })
  version!: string;

  @Field(() => [DecidingPolicy], { description: 'The policies that determined it.' })
  policies!: DecidingPolicy[];

  @Field(() => [RequiredApprovals], {
    description:
      'The approvals that would do, in all: any one of these. Empty where none is needed, or none would help.',
  })
  required!: RequiredApprovals[];

  @Field(() => String, { description: 'Who may decide.' })
  whoMayDecide!: string;

  @Field(() => Boolean, { description: 'Whether you may.' })
  viewerMayDecide!: boolean;

  @Field(() => [String], { description: 'Why.' })
  reasons!: string[];
}

@ObjectType()
abstract class Plan {
  @Field(() => String, {
    description:
      'Identifies the outcome: give it as `planDigest`, and the mutation is refused as StateError where it would come to something else by then.',
  })
  digest!: string;

  @Field(() => [PlannedResource], { description: 'The AWS objects, by identity.' })
  resources!: PlannedResource[];

  @Field(() => [PlannedCount], { description: 'The same, counted.' })
  counts!: PlannedCount[];

  @Field(() => [QuotaHeadroom], {
    nullable: true,
    description: 'The AWS quotas that it eats into; for who may see the AWS objects.',
  })
  quotas!: QuotaHeadroom[] | null;

  @Field(() => [String], { description: 'Why it would be refused as things are; empty where it would be done.' })
  refusals!: string[];

  @Field(() => [String], { description: 'What to think of before.' })
  warnings!: string[];
}

@ObjectType({ description: 'What the approval of a request would bring about. Nothing is written.' })
export class AccessPlan extends Plan {
  @Field(() => PolicyOutcome, { description: 'What the rules say.' })
  policy!: PolicyOutcome;
}

@ObjectType({ description: 'What a change of a product would bring about. Nothing is written.' })
export class DataProductPlan extends Plan {}

@ObjectType({ description: 'What a route would bring about. Nothing is written.' })
export class EventRoutePlan extends Plan {}

@ObjectType({ description: 'Columns of one table that a principal gains or loses.' })
export class AccessChange {
  @Field(() => Arn, { description: 'The IAM user or role.' })
  principal!: string;

  @Field(() => String, { description: 'The table.' })
  table!: string;

  @Field(() => [String], { description: 'The columns.' })
  columns!: string[];

  @Field(() => [AccessGrant], { description: 'The grants through which.' })
  through!: AccessGrant[];
}

@ObjectType({ description: 'What another classification would do. Nothing is written.' })
export class TagChangePreview {
  @Field(() => DataProductPlan, {
    description:
      'In AWS; where columns are left out, its digest is that of updateDataProduct with this classification.',
  })
  plan!: DataProductPlan;

  @Field(() => [AccessChange], { description: 'Who could read what he cannot read now.' })
  gains!: AccessChange[];

  @Field(() => [AccessChange], { description: 'Who could no longer read what he can read now.' })
  losses!: AccessChange[];
}

@InputType({ description: 'Another classification of one column.' })
export class ColumnTagChange {
  @Field(() => String, { description: 'The column, as table.column.' })
  column!: string;

  @Field(() => Classification, { nullable: true, description: 'Its classification; default as it is.' })
  classification?: Classification;

  @Field(() => Boolean, { nullable: true, description: 'Whether it holds personal data; default as it is.' })
  pii?: boolean;
}

@InputType({ description: 'A classification to look at before it is given.' })
export class PreviewTagChangeInput {
  @Field(() => ID, { description: 'The product.' })
  dataProduct!: string;

  @Field(() => Classification, { nullable: true, description: "The product's; default as it is." })
  classification?: Classification;

  @Field(() => [ColumnTagChange], { nullable: true, description: 'Of single columns; default as they are.' })
  columns?: ColumnTagChange[];
}
