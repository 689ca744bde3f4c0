import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { AccessApprovals, AccessDecision } from './access-decision.js';
import { AccessMode, AccessRequestStatus, EscalationStep, GrantTarget, Permission } from './enums.js';
import { MutationInput } from './mutation.input.js';
import { connectionType, Node } from './node.js';
import { RequestTemplate } from './request-template.js';
import { Arn, DateTime, JSONScalar } from './scalars.js';

@ObjectType({ description: 'What somebody said about a request.' })
export class AccessRequestComment {
  @Field(() => String, { description: 'Who said it.' })
  author!: string;

  @Field(() => DateTime, { description: 'When.' })
  at!: string;

  @Field(() => String, { description: 'What.' })
  text!: string;
}

export const AccessRequestCommentConnection = connectionType('AccessRequestComment', () => AccessRequestComment);

@ObjectType({
  implements: Node,
  description:
    "Somebody asks, for his domain, to read a product. Its details (principals, row filter, answers, comments, decision, plan) are for who asked, members of the consumer's domain, owners and stewards of the product's domain, and admins: null or empty for others.",
})
export class AccessRequest extends Node {
  @Field(() => String, { description: 'Who asked.' })
  requestedBy!: string;

  @Field(() => [Arn], {
    description: 'The IAM users and roles that shall read; empty for who may not read its details.',
  })
  principals!: string[];

  @Field(() => [Permission], { description: 'What they shall be able to do.' })
  permissions!: Permission[];

  @Field(() => [String], { description: 'The tables; empty means all of them.' })
  tables!: string[];

  @Field(() => [String], { description: 'The columns, as table.column; empty means all of them.' })
  columns!: string[];

  @Field(() => String, { nullable: true, description: 'Which rows, as a Lake Formation row filter expression.' })
  rowFilter!: string | null;

  @Field(() => String, { description: 'What for.' })
  purpose!: string;

  @Field(() => String, { nullable: true, description: 'What for, by name.' })
  namedPurpose!: string | null;

  @Field(() => AccessMode, { description: 'How access is given.' })
  accessMode!: AccessMode;

  @Field(() => GrantTarget, { description: 'To whom Lake Formation grants.' })
  grantTo!: GrantTarget;

  @Field(() => DateTime, { nullable: true, description: 'Until when.' })
  expiresAt!: string | null;

  @Field(() => AccessRequestStatus, { description: 'Where it is.' })
  status!: AccessRequestStatus;

  @Field(() => String, { nullable: true, description: 'Who decided.' })
  decidedBy!: string | null;

  @Field(() => String, { nullable: true, description: 'In whose place, where a deputy decided.' })
  decidedFor!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was decided.' })
  decidedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'What he said.' })
  comment!: string | null;

  @Field(() => AccessDecision, {
    nullable: true,
    description: 'What the policies said to it last; null where it is older than the policies.',
  })
  decision!: AccessDecision | null;

  @Field(() => AccessApprovals, { description: 'The approvals that it needs, and those that it has.' })
  approvals!: AccessApprovals;

  @Field(() => Boolean, { description: 'Whether it asks for another end of a grant that is there: `accessGrant`.' })
  extension!: boolean;

  @Field(() => DateTime, { nullable: true, description: 'Since when it waits; null once it is decided.' })
  waitingSince!: string | null;

  @Field(() => EscalationStep, { nullable: true, description: 'Who was asked besides, as it waited too long.' })
  escalatedTo!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When they were asked.' })
  escalatedAt!: string | null;

  @Field(() => RequestTemplate, { nullable: true, description: 'The questions that the requester was asked.' })
  requestTemplate!: RequestTemplate | null;

  @Field(() => JSONScalar, { nullable: true, description: 'What he answered: an object of `requestTemplate`.' })
  answers!: unknown;

  @Field(() => DateTime, { description: 'When it was asked.' })
  createdAt!: string;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: string;
}

export const AccessRequestConnection = connectionType('AccessRequest', () => AccessRequest);

@InputType({ description: 'Which requests; conditions add up.' })
export class AccessRequestFilter {
  @Field(() => [AccessRequestStatus], { nullable: true, description: 'In one of these states.' })
  status?: AccessRequestStatus[];

  @Field(() => Boolean, { nullable: true, description: 'Only those that you asked.' })
  mine?: boolean;

  @Field(() => Boolean, { nullable: true, description: 'Only pending ones that you may decide.' })
  awaitingMyDecision?: boolean;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Only those that waited too long, so that others were asked; false: only the others.',
  })
  escalated?: boolean;

  @Field(() => ID, { nullable: true, description: 'For this product.' })
  dataProduct?: string;

  @Field(() => ID, { nullable: true, description: 'From this domain.' })
  consumerDomain?: string;
}

@InputType({ description: 'Access to ask for.' })
export class RequestAccessInput extends MutationInput {
  @Field(() => ID, { description: 'The product to read.' })
  dataProduct!: string;

  @Field(() => ID, { description: 'The domain that reads; you belong to it.' })
  consumerDomain!: string;

  @Field(() => [Arn], {
    description: "IAM users or roles (not assumed-role sessions) of that domain's account; 50 at most.",
  })
  principals!: string[];

  @Field(() => [Permission], { nullable: true, description: 'Default SELECT and DESCRIBE.' })
  permissions?: Permission[];

  @Field(() => [String], { nullable: true, description: 'Names of tables; default all.' })
  tables?: string[];

  @Field(() => [String], {
    nullable: true,
    description: 'table.column, or bare names where one table is asked for; default all.',
  })
  columns?: string[];

  @Field(() => String, {
    nullable: true,
    description:
      "Which rows, in Lake Formation's expression syntax (developer guide, PartiQL support in row filter expressions): country = 'US' AND year > 2010. Every table asked for needs its columns; by name (NRAC) only.",
  })
  rowFilter?: string;

  @Field(() => String, { description: 'What for.' })
  purpose!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'What for, by name: a lower-case slug like `fraud-detection`. Policies may demand one, for personal data, and say which there are.',
  })
  namedPurpose?: string;

  @Field(() => AccessMode, { nullable: true, description: "Default the product's." })
  accessMode?: AccessMode;

  @Field(() => GrantTarget, { nullable: true, description: 'Default PRINCIPALS.' })
  grantTo?: GrantTarget;

  @Field(() => DateTime, { nullable: true, description: 'Until when; default without end.' })
  expiresAt?: Date;

  @Field(() => JSONScalar, {
    nullable: true,
    description: "Answers to the product's questions: an object as `DataProduct.requestTemplate` describes it.",
  })
  answers?: unknown;
}

@InputType({ description: 'A decision on a request.' })
export class DecideAccessRequestInput extends MutationInput {
  @Field(() => ID, { description: 'The request.' })
  accessRequest!: string;

  @Field(() => String, { nullable: true, description: 'Why; the requester reads it.' })
  comment?: string;

  @Field(() => String, {
    nullable: true,
    description:
      'As a deputy: in whose place. Left out: your own role where its word counts, else that of one for whom you stand in.',
  })
  onBehalfOf?: string;

  @Field(() => DateTime, { nullable: true, description: 'On approval: an earlier end than was asked for.' })
  expiresAt?: Date;

  @Field(() => String, {
    nullable: true,
    description:
      '`digest` of the plan that was looked at: where the approval would come to something else by now, it is refused as StateError.',
  })
  planDigest?: string;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Approve also where the plan has changed since.',
  })
  acceptChangedPlan?: boolean;
}

@InputType({ description: 'A request to take back.' })
export class CancelAccessRequestInput extends MutationInput {
  @Field(() => ID, { description: 'The request.' })
  accessRequest!: string;
}

@InputType({ description: 'Something to say about a request.' })
export class CommentAccessRequestInput extends MutationInput {
  @Field(() => ID, { description: 'The request.' })
  accessRequest!: string;

  @Field(() => String, { description: 'What to say, to all who see the request; 2,000 characters at most.' })
  text!: string;
}
