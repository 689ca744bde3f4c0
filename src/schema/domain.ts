import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import {
  AccountRevocation,
  DomainRole,
  DomainStatus,
  DriftPolicy,
  ForeignGrantPolicy,
  ProvisioningMode,
} from './enums.js';
import { Health } from './health.js';
import { connectionType, Node } from './node.js';
import { Arn, AwsAccountId, DateTime } from './scalars.js';

@ObjectType({ description: "How far an owner's AWS objects are." })
export class Progress {
  @Field(() => Int, { description: 'How many it needs.' })
  total!: number;

  @Field(() => Int, { description: 'How many stand as they should.' })
  ready!: number;

  @Field(() => Int, { description: 'How many failed or are stuck; see `resources` for the reasons.' })
  failed!: number;
}

@ObjectType({ description: 'Somebody who belongs to a domain.' })
export class DomainMember {
  @Field(() => String, { description: "The `sub` of the member's tokens." })
  subject!: string;

  @Field(() => DomainRole, { description: 'What he may do.' })
  role!: DomainRole;

  @Field(() => DateTime, { description: 'Since when.' })
  createdAt!: string;

  @Field(() => String, { description: 'Who added him.' })
  createdBy!: string;
}

@ObjectType({
  implements: Node,
  description: 'A business domain: one AWS account that produces and consumes data products.',
})
export class Domain extends Node {
  @Field(() => String, { description: 'Unique lower-case slug.' })
  name!: string;

  @Field(() => String, { description: 'Name for people.' })
  displayName!: string;

  @Field(() => String, { nullable: true, description: 'What the domain is about.' })
  description!: string | null;

  @Field(() => AwsAccountId, { description: "The domain's AWS account." })
  awsAccountId!: string;

  @Field(() => String, { description: 'AWS region, for example eu-west-1.' })
  awsRegion!: string;

  @Field(() => Arn, { nullable: true, description: 'The role that Meshgate assumes in the account. Members only.' })
  roleArn!: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      "The external id that the role's trust policy must demand (IAM user guide, confused deputy). Owners only.",
  })
  externalId!: string | null;

  @Field(() => String, {
    nullable: true,
    description: "Where the domain's data lies, s3://bucket/prefix. Members only.",
  })
  dataLocation!: string | null;

  @Field(() => Arn, {
    nullable: true,
    description: 'Role in the governance account that reads the location. Members only.',
  })
  dataAccessRoleArn!: string | null;

  @Field(() => Arn, {
    nullable: true,
    description: "Role of the domain's own workflows, granted on its tables. Members only.",
  })
  workflowRoleArn!: string | null;

  @Field(() => Arn, { nullable: true, description: 'Role that crawlers run as. Members only.' })
  crawlerRoleArn!: string | null;

  @Field(() => Arn, { nullable: true, description: 'Role that forwards events to the central bus. Members only.' })
  eventTargetRoleArn!: string | null;

  @Field(() => Arn, { nullable: true, description: 'Key that encrypts the data. Members only.' })
  kmsKeyArn!: string | null;

  @Field(() => String, { description: "The domain's EventBridge bus." })
  eventBusName!: string;

  @Field(() => Boolean, {
    description: 'Whether Meshgate writes the data lake settings of the account, or only checks them.',
  })
  manageSettings!: boolean;

  @Field(() => ProvisioningMode, { description: "Who makes the changes in the domain's account." })
  provisioning!: ProvisioningMode;

  @Field(() => DriftPolicy, { description: 'What happens when its AWS objects are changed or removed out of band.' })
  driftPolicy!: DriftPolicy;

  @Field(() => ForeignGrantPolicy, {
    description: 'What happens to grants on its AWS objects that nothing in the mesh asked for.',
  })
  foreignGrantPolicy!: ForeignGrantPolicy;

  @Field(() => AccountRevocation, {
    description:
      'What happens where an account was granted, and the consumer does not confirm a revoke within five minutes.',
  })
  accountRevocation!: AccountRevocation;

  @Field(() => DomainStatus, { description: 'Where the domain is.' })
  status!: DomainStatus;

  @Field(() => DateTime, { nullable: true, description: 'When everything first stood in AWS.' })
  readyAt!: string | null;

  @Field(() => DateTime, { description: 'When it was registered.' })
  createdAt!: string;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: string;

  @Field(() => Progress, { description: "How far the domain's AWS objects are." })
  progress!: Progress;

  @Field(() => Health, {
    nullable: true,
    description: "How the domain's AWS objects are now; null where it needs none.",
  })
  health!: Health | null;

  @Field(() => [DomainMember], { description: 'Its members, the first 1,000; empty unless you are one.' })
  members!: DomainMember[];
}

export const DomainConnection = connectionType('Domain', () => Domain);

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
export class RegisterDomainInput {
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

  @Field(() => String, {
    nullable: true,
    description: 'Repeating a mutation with the same key within 24 hours does nothing twice.',
  })
  idempotencyKey?: string;
}

@InputType({ description: 'What changes of a domain; what is not given stays.' })
export class UpdateDomainInput {
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

  @Field(() => String, {
    nullable: true,
    description: 'Repeating a mutation with the same key within 24 hours does nothing twice.',
  })
  idempotencyKey?: string;
}

@InputType({ description: 'Adds a member, or changes his role.' })
export class AddDomainMemberInput {
  @Field(() => ID, { description: 'The domain.' })
  domain!: string;

  @Field(() => String, { description: "The `sub` of the member's tokens." })
  subject!: string;

  @Field(() => DomainRole, { description: 'What he may do.' })
  role!: DomainRole;

  @Field(() => String, {
    nullable: true,
    description: 'Repeating a mutation with the same key within 24 hours does nothing twice.',
  })
  idempotencyKey?: string;
}

@InputType({ description: 'Removes a member.' })
export class RemoveDomainMemberInput {
  @Field(() => ID, { description: 'The domain.' })
  domain!: string;

  @Field(() => String, { description: "The `sub` of the member's tokens." })
  subject!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Repeating a mutation with the same key within 24 hours does nothing twice.',
  })
  idempotencyKey?: string;
}
