import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { MeshEventType } from './enums.js';
import { Actor } from './event.js';
import { connectionType } from './node.js';
import { DateTime, JSONScalar } from './scalars.js';

/** Why a number of the log is bad, as verification says it. */
export const AuditFault = {
  MISSING: 'MISSING',
  CHANGED: 'CHANGED',
  HEAD: 'HEAD',
  ANCHOR: 'ANCHOR',
} as const;
export type AuditFault = keyof typeof AuditFault;
registerEnumType(AuditFault, {
  name: 'AuditFault',
  description: 'What is wrong with a number of the audit trail.',
  valuesConfig: {
    MISSING: { description: 'There is no such entry: it was deleted, or the trail was cut.' },
    CHANGED: { description: 'The entry is not the one that was written under this number.' },
    HEAD: { description: 'The last entry and the counter disagree.' },
    ANCHOR: {
      description:
        'The trail is sound in itself, and not the one that was anchored: it was written anew, here or before.',
    },
  },
});

@ObjectType({ description: 'Who did something, as far as it was known.' })
export class AuditActor extends Actor {
  @Field(() => String, { nullable: true, description: 'The `jti` of his token.' })
  tokenId!: string | null;

  @Field(() => String, { nullable: true, description: 'The address that he came from.' })
  address!: string | null;
}

@ObjectType({ description: 'What something was done to, as it was called then.' })
export class AuditSubject {
  @Field(() => String, { description: 'The type of the object, for example DataProduct.' })
  type!: string;

  @Field(() => ID, { description: 'Its id: `node(id)` finds it where you may see it.' })
  id!: string;

  @Field(() => String, { nullable: true, description: 'Its name.' })
  name!: string | null;

  @Field(() => String, { nullable: true, description: 'The name of the domain that it belongs to.' })
  domain!: string | null;
}

@ObjectType({ description: 'One thing that was done in the mesh.' })
export class AuditEntry {
  @Field(() => ID, { description: 'The id of the event: the same in `events` and on EventBridge.' })
  id!: string;

  @Field(() => String, { description: 'Its number, from 1, without gaps.' })
  sequence!: string;

  @Field(() => DateTime, { description: 'When.' })
  occurredAt!: string;

  @Field(() => MeshEventType as never, { description: 'What was done.' })
  action!: string;

  @Field(() => AuditActor, { description: 'Who did it.' })
  actor!: AuditActor;

  @Field(() => AuditSubject, { description: 'To what.' })
  about!: AuditSubject;

  @Field(() => ID, {
    description: 'The request that brought it about: also in the log, and on every AWS call that it led to.',
  })
  correlationId!: string;

  @Field(() => ID, { nullable: true, description: 'The event that brought it about.' })
  causationId!: string | null;

  @Field(() => JSONScalar, { nullable: true, description: 'What changed, as it was.' })
  before!: unknown;

  @Field(() => JSONScalar, { nullable: true, description: 'What changed, as it is since.' })
  after!: unknown;

  @Field(() => JSONScalar, { nullable: true, description: 'What the policies said, where they were asked.' })
  decision!: unknown;

  @Field(() => JSONScalar, { description: 'All that was kept of it.' })
  data!: unknown;

  @Field(() => String, { description: 'SHA-256 over the entry and the hash before it, in hex.' })
  hash!: string;
}

export const AuditEntryConnection = connectionType('AuditEntry', () => AuditEntry);

@InputType({ description: 'Which entries; conditions add up, and what no entry can meet is refused.' })
export class AuditFilter {
  @Field(() => String, { nullable: true, description: 'By this subject: the `sub` of a token, or meshgate.' })
  actor?: string;

  @Field(() => [MeshEventType as never], { nullable: true, description: 'One of these was done.' })
  actions?: string[];

  @Field(() => ID, { nullable: true, description: 'To this object.' })
  subject?: string;

  @Field(() => String, {
    nullable: true,
    description: 'To an object of this type, for example AccessGrant; that of `subject`, where both are given.',
  })
  subjectType?: string;

  @Field(() => ID, { nullable: true, description: 'To an object of this domain.' })
  domain?: string;

  @Field(() => DateTime, { nullable: true, description: 'Not before.' })
  from?: Date;

  @Field(() => DateTime, { nullable: true, description: 'Before; after `from`.' })
  until?: Date;

  @Field(() => ID, { nullable: true, description: 'In this request.' })
  correlationId?: string;

  @Field(() => String, { nullable: true, description: 'With the token of this `jti`.' })
  tokenId?: string;
}

@InputType({ description: 'What an AuditAnchored event on EventBridge said of the audit trail.' })
export class AuditAnchorInput {
  @Field(() => String, { description: 'The number.' })
  sequence!: string;

  @Field(() => String, { description: 'The hash at that number, in hex.' })
  hash!: string;
}

@ObjectType({ description: 'What verifying a part of the audit trail found.' })
export class AuditVerification {
  @Field(() => Boolean, { description: 'Whether everything up to `verifiedTo` is as it was written.' })
  intact!: boolean;

  @Field(() => String, { description: 'The last number that is as it was written.' })
  verifiedTo!: string;

  @Field(() => String, { nullable: true, description: 'The first number that is not.' })
  firstBad!: string | null;

  @Field(() => AuditFault as never, { nullable: true, description: 'What is wrong with it.' })
  fault!: AuditFault | null;

  @Field(() => [String], {
    description:
      'The numbers of the anchors that this part was held to. One that no part names was compared with nothing: what it is of was archived, or is not in what was asked for.',
  })
  anchorsCompared!: string[];

  @Field(() => String, {
    nullable: true,
    description: 'Where to go on: give it as `from`. Null at the end of what was asked for.',
  })
  next!: string | null;
}
