import { Field, ID, InputType } from 'type-graphql';
import {
  AccountRevocation,
  DomainRole,
  DomainStatus,
  DriftPolicy,
  ForeignGrantPolicy,
  ProvisioningMode,
} from './enums.js';
import { MutationInput } from './mutation.input.js';
import { Arn, AwsAccountId, Duration } from './scalars.js';

@InputType({ description: 'Finds a domain.' })
export class DomainBy {
  @Field(() => ID, { nullable: true, description: 'By id.' })
  id?: string;

  @Field(() => String, { nullable: true, description: 'By slug.' })
  name?: string;
}

@InputType({ description: 'Which domains; conditions add up.' })
export class DomainFilter {
  @Field(() => String, { nullable: true, description: 'Text that its names or description contain.' })
  search?: string;

  @Field(() => [DomainStatus], { nullable: true, description: 'In one of these states.' })
  status?: DomainStatus[];

  @Field(() => Boolean, { nullable: true, description: 'Only those that you belong to.' })
  mine?: boolean;
}

@InputType({ description: 'A domain to register.' })
export class RegisterDomainInput extends MutationInput {
  @Field(() => String, { description: 'Lower-case slug: a letter, then letters, digits and dashes, 40 at most.' })
  name!: string;

  @Field(() => String, { description: 'Name for people.' })
  displayName!: string;

  @Field(() => String, { nullable: true, description: 'What the domain is about.' })
  description?: string;

  @Field(() => AwsAccountId, { description: 'Its AWS account; one domain an account.' })
  awsAccountId!: string;

  @Field(() => String, { description: "Its region; in this version the governance account's." })
  awsRegion!: string;

  @Field(() => Arn, {
    description: 'The role in that account that Meshgate assumes, with the external id that the answer names.',
  })
  roleArn!: string;

  @Field(() => String, { description: 'Where its data lies: s3://bucket/prefix.' })
  dataLocation!: string;

  @Field(() => Arn, {
    nullable: true,
    description: 'Role in the governance account that Lake Formation reads the location with.',
  })
  dataAccessRoleArn?: string;

  @Field(() => Arn, { nullable: true, description: "Role of the domain's own workflows, to be granted on its tables." })
  workflowRoleArn?: string;

  @Field(() => Arn, { nullable: true, description: 'Role that crawlers run as.' })
  crawlerRoleArn?: string;

  @Field(() => Arn, {
    nullable: true,
    description: 'Role in the account that forwards events; default role/meshgate-events there.',
  })
  eventTargetRoleArn?: string;

  @Field(() => Arn, { nullable: true, description: 'Key that encrypts the data.' })
  kmsKeyArn?: string;

  @Field(() => String, { nullable: true, description: "Name of the domain's EventBridge bus; default meshgate." })
  eventBusName?: string;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether Meshgate may write the data lake settings of the account; default false: it only checks them.',
  })
  manageSettings?: boolean;

  @Field(() => ProvisioningMode, { nullable: true, description: 'Default DIRECT.' })
  provisioning?: ProvisioningMode;

  @Field(() => [String], { description: 'Subjects (the `sub` of their tokens) who own the domain; one at least.' })
  owners!: string[];
}

@InputType({ description: 'What changes of a domain; what is not given stays.' })
export class UpdateDomainInput extends MutationInput {
  @Field(() => ID, { description: 'The domain.' })
  domain!: string;

  @Field(() => String, { nullable: true, description: 'Name for people.' })
  displayName?: string;

  @Field(() => String, { nullable: true, description: 'What the domain is about; null deletes it.' })
  description?: string | null;

  @Field(() => DriftPolicy, {
    nullable: true,
    description: 'What happens when its AWS objects are changed or removed out of band.',
  })
  driftPolicy?: DriftPolicy;

  @Field(() => ForeignGrantPolicy, {
    nullable: true,
    description: 'What happens to grants on its AWS objects that nothing in the mesh asked for.',
  })
  foreignGrantPolicy?: ForeignGrantPolicy;

  @Field(() => AccountRevocation, {
    nullable: true,
    description:
      'What happens where an account was granted, and the consumer does not confirm a revoke within five minutes.',
  })
  accountRevocation?: AccountRevocation;

  @Field(() => Duration, {
    nullable: true,
    description: 'How long a request waits before those who can decide are reminded, from PT1M to P90D; null: never.',
  })
  remindAfter?: string | null;

  @Field(() => Duration, {
    nullable: true,
    description: 'How long a request waits before owners, and then admins, are asked, from PT1M to P90D; null: never.',
  })
  escalateAfter?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether Meshgate may write the data lake settings of the account.',
  })
  manageSettings?: boolean;

  @Field(() => Arn, {
    nullable: true,
    description: 'The role in the account that Meshgate assumes, with the same external id. Admins only.',
  })
  roleArn?: string;

  @Field(() => Arn, { nullable: true, description: "Role of the domain's own workflows; null takes it away." })
  workflowRoleArn?: string | null;

  @Field(() => Arn, { nullable: true, description: 'Role that crawlers run as; null takes it away.' })
  crawlerRoleArn?: string | null;

  @Field(() => Arn, { nullable: true, description: 'Role in the account that forwards events to the central bus.' })
  eventTargetRoleArn?: string;
}

@InputType({ description: 'Adds a member, or changes his role.' })
export class AddDomainMemberInput extends MutationInput {
  @Field(() => ID, { description: 'The domain.' })
  domain!: string;

  @Field(() => String, { description: "The `sub` of the member's tokens." })
  subject!: string;

  @Field(() => DomainRole, { description: 'What he may do.' })
  role!: DomainRole;
}

@InputType({ description: 'Removes a member.' })
export class RemoveDomainMemberInput extends MutationInput {
  @Field(() => ID, { description: 'The domain.' })
  domain!: string;

  @Field(() => String, { description: "The `sub` of the member's tokens." })
  subject!: string;
}
