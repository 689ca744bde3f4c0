import { Field, Int, ObjectType } from 'type-graphql';
import { Deputy } from './deputy.js';
import { DomainEventType } from './domain-event-type.js';
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
import { Arn, AwsAccountId, DateTime, Duration } from './scalars.js';
import { ServiceAccount } from './service-account.js';

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

  @Field(() => Duration, {
    nullable: true,
    description: 'How long a request for its products waits before those who can decide are reminded; null: never.',
  })
  remindAfter!: string | null;

  @Field(() => Duration, {
    nullable: true,
    description:
      'How long such a request waits before its owners are asked, where stewards were, and as long again before platform admins are; null: never.',
  })
  escalateAfter!: string | null;

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

  @Field(() => Int, {
    nullable: true,
    description:
      'How many events from its account could not be taken and wait for somebody: `quarantinedEvents` shows them. Owners and stewards only.',
  })
  heldEventCount!: number | null;

  @Field(() => [DomainMember], { description: 'Its members, the first 1,000; empty unless you are one.' })
  members!: DomainMember[];

  @Field(() => [Deputy], {
    description:
      'Who decides requests for its owners and stewards, now or later, the first 1,000; of a domain that you do not belong to, your own part.',
  })
  deputies!: Deputy[];

  @Field(() => [ServiceAccount], { description: 'Its service accounts, the first 1,000; empty unless you own it.' })
  serviceAccounts!: ServiceAccount[];

  @Field(() => [DomainEventType], {
    description: 'Of which events it tells the mesh, the first 200; those that you may hear.',
  })
  eventTypes!: DomainEventType[];
}

export const DomainConnection = connectionType('Domain', () => Domain);
