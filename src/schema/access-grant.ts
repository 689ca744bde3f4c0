import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { Progress } from './domain.js';
import { AccessGrantStatus } from './enums.js';
import { Health } from './health.js';
import { MutationInput } from './mutation.input.js';
import { connectionType, Node } from './node.js';
import { Resource } from './resource.js';
import { DateTime, JSONScalar } from './scalars.js';

@ObjectType({ description: 'One table as the consumer sees it.' })
export class QueryTable {
  @Field(() => String, { description: 'The name of the resource link in the local database.' })
  table!: string;

  @Field(() => [String], { description: 'The columns that may be read.' })
  columns!: string[];

  @Field(() => String, { description: 'A query for Athena, every identifier quoted.' })
  athenaSql!: string;
}

@ObjectType({ description: 'What the consumer needs to read the data.' })
export class HowToQuery {
  @Field(() => String, { description: "The database in the consumer's account." })
  database!: string;

  @Field(() => String, { description: 'The name of the first table there.' })
  table!: string;

  @Field(() => String, { description: 'A query for Athena over the first table, every identifier quoted.' })
  athenaSql!: string;

  @Field(() => [QueryTable], { description: 'All tables.' })
  tables!: QueryTable[];

  @Field(() => JSONScalar, {
    description: 'The IAM policy statements that the principals need besides Lake Formation.',
  })
  iamPolicy!: unknown;
}

@ObjectType({ implements: Node, description: 'What an approved request brings about, until it is revoked or expires.' })
export class AccessGrant extends Node {
  @Field(() => AccessGrantStatus, { description: 'Where it is.' })
  status!: AccessGrantStatus;

  @Field(() => DateTime, { nullable: true, description: 'Until when.' })
  expiresAt!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Since when it stands in AWS.' })
  grantedAt!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was gone from AWS.' })
  revokedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who revoked it.' })
  revokedBy!: string | null;

  @Field(() => String, { nullable: true, description: 'Why it was revoked, or why it failed.' })
  reason!: string | null;

  @Field(() => DateTime, { description: 'When it was approved.' })
  createdAt!: string;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: string;

  @Field(() => [String], {
    description:
      'Columns (`table.column`) that came to the product, or were marked, after it was approved and that the policies do not open to it: who needs them asks anew.',
  })
  withheldColumns!: string[];

  @Field(() => Progress, { description: "How far the grant's AWS objects are." })
  progress!: Progress;

  @Field(() => Health, {
    nullable: true,
    description: "How the grant's AWS objects are now; null where it needs none.",
  })
  health!: Health | null;

  @Field(() => [Resource], {
    description:
      'The AWS objects that it needs, of those that you may see; the first 500. `resources(filter: { owner })` pages through all.',
  })
  resources!: Resource[];
}

export const AccessGrantConnection = connectionType('AccessGrant', () => AccessGrant);

@InputType({ description: 'Which grants; conditions add up.' })
export class AccessGrantFilter {
  @Field(() => [AccessGrantStatus], { nullable: true, description: 'In one of these states.' })
  status?: AccessGrantStatus[];

  @Field(() => Boolean, { nullable: true, description: 'Only those of domains that you belong to.' })
  mine?: boolean;

  @Field(() => ID, { nullable: true, description: 'On this product.' })
  dataProduct?: string;

  @Field(() => ID, { nullable: true, description: 'Of this domain.' })
  consumerDomain?: string;
}

@InputType({ description: 'A grant whose end shall move.' })
export class ExtendAccessInput extends MutationInput {
  @Field(() => ID, { description: 'The grant; it still lasts.' })
  accessGrant!: string;

  @Field(() => DateTime, { description: 'The new end.' })
  expiresAt!: Date;

  @Field(() => String, { nullable: true, description: 'Why; who decides reads it. Default: the purpose of the grant.' })
  reason?: string;
}

@InputType({ description: 'A grant to revoke.' })
export class RevokeAccessInput extends MutationInput {
  @Field(() => ID, { description: 'The grant.' })
  accessGrant!: string;

  @Field(() => String, { description: 'Why; the consumer reads it.' })
  reason!: string;
}
