import { Field, ObjectType } from 'type-graphql';
import { AccessGrant } from './access-grant.js';
import { AccessRequest } from './access-request.js';
import { AccessGrantStatus, AccessPathKind } from './enums.js';
import { connectionType } from './node.js';
import { Arn, DateTime } from './scalars.js';

@ObjectType({ description: 'One way in which a principal reaches data, with the decision that it came of.' })
export class AccessPath {
  @Field(() => AccessPathKind, { description: 'How Lake Formation lets him.' })
  kind!: string;

  @Field(() => [String], { description: 'The columns that it opens.' })
  columns!: string[];

  @Field(() => String, {
    nullable: true,
    description: 'The tag expression that the columns satisfy; null where access is by name.',
  })
  tagExpression!: string | null;

  @Field(() => String, { nullable: true, description: 'Which rows, as a row filter expression; null: all.' })
  filter!: string | null;

  @Field(() => AccessGrant, {
    nullable: true,
    description: "The grant; null where it is the product's own permission, or nothing in Meshgate asked for it.",
  })
  accessGrant!: AccessGrant | null;

  @Field(() => AccessRequest, { nullable: true, description: 'The request that was approved.' })
  accessRequest!: AccessRequest | null;

  @Field(() => AccessGrantStatus, {
    nullable: true,
    description: 'Where the grant is; its `health` says how it stands.',
  })
  status!: string | null;

  @Field(() => String, { nullable: true, description: 'Who approved.' })
  decidedBy!: string | null;

  @Field(() => String, { nullable: true, description: 'In whose place, where a deputy approved.' })
  decidedFor!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was approved.' })
  decidedAt!: Date | null;

  @Field(() => String, { nullable: true, description: 'What it was asked for.' })
  purpose!: string | null;

  @Field(() => String, { nullable: true, description: 'The version of the rules under which it was approved.' })
  policy!: string | null;
}

@ObjectType({ description: 'What a principal may read of one column.' })
export class ColumnAccess {
  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => Boolean, { description: 'Whether he may read it.' })
  allowed!: boolean;

  @Field(() => [AccessPath], { description: 'Each way that opens it; they add up.' })
  through!: AccessPath[];
}

@ObjectType({ description: 'What a principal may read of one table.' })
export class TableAccess {
  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => Boolean, { description: 'Whether he may read any of it.' })
  allowed!: boolean;

  @Field(() => String, { nullable: true, description: 'What keeps it closed although a grant gives it.' })
  reason!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The rows that he may read through all ways together; null: all.',
  })
  rowFilter!: string | null;

  @Field(() => [ColumnAccess], { description: 'Column by column.' })
  columns!: ColumnAccess[];

  @Field(() => [AccessPath], { description: 'Each way that opens some of it.' })
  through!: AccessPath[];
}

@ObjectType({ description: 'Something that names a principal and gives him nothing now.' })
export class PendingAccess {
  @Field(() => AccessGrant, { nullable: true, description: 'The grant; null for a request that nobody has decided.' })
  accessGrant!: AccessGrant | null;

  @Field(() => AccessRequest, { nullable: true, description: 'The request.' })
  accessRequest!: AccessRequest | null;

  @Field(() => String, { description: 'Where the grant is, or PENDING for a request.' })
  status!: string;

  @Field(() => String, { description: 'Why it does not count.' })
  reason!: string;
}

@ObjectType({
  description:
    "What a principal may read of a product, as AWS would say now as far as is known: grants that are ACTIVE and stand there, and foreign ones. For owners and stewards of the product's domain, for members of the domain whose account the principal is of, and for admins.",
})
export class AccessExplanation {
  @Field(() => Arn, { description: 'The IAM user or role.' })
  principal!: string;

  @Field(() => Boolean, { description: 'Whether he may read any of it.' })
  allowed!: boolean;

  @Field(() => String, { description: 'The answer in a sentence.' })
  reason!: string;

  @Field(() => [TableAccess], { description: 'Table by table.' })
  tables!: TableAccess[];

  @Field(() => [PendingAccess], {
    description: 'What names him and does not count: asked for, on its way, taken back, ended.',
  })
  pending!: PendingAccess[];
}

@ObjectType({ description: 'A principal with what he may read of a product.' })
export class PrincipalAccess {
  @Field(() => Arn, { description: 'The IAM user or role.' })
  principal!: string;

  @Field(() => Boolean, { description: 'Whether he may read any of it.' })
  allowed!: boolean;

  @Field(() => String, { description: 'The answer in a sentence.' })
  reason!: string;

  @Field(() => [String], { description: 'The tables of which he may read something.' })
  tables!: string[];

  @Field(() => AccessExplanation, { description: 'Table by table and column by column.' })
  explanation!: AccessExplanation;
}

export const PrincipalAccessConnection = connectionType('PrincipalAccess', () => PrincipalAccess);
