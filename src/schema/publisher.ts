import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { DeadLetterStatus } from './enums.js';
import { resultType } from './error.js';
import { MutationInput } from './mutation.input.js';
import { connectionType, Node } from './node.js';
import { DateTime, JSONScalar } from './scalars.js';

@ObjectType({
  implements: Node,
  description: 'What sends the event log to EventBridge: one process at a time, whichever it is. Admins only.',
})
export class Publisher extends Node {
  @Field(() => Boolean, { description: 'Whether somebody holds it up.' })
  paused!: boolean;

  @Field(() => DateTime, { nullable: true, description: 'Since when.' })
  pausedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who.' })
  pausedBy!: string | null;

  @Field(() => String, { nullable: true, description: 'Why.' })
  pauseReason!: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'Since when what comes next is sent in vain; it is tried again until EventBridge takes it. null: it is taken.',
  })
  failingSince!: string | null;

  @Field(() => String, { nullable: true, description: 'Why, in a word: the error code of the last try.' })
  failureCode!: string | null;

  @Field(() => String, { nullable: true, description: 'Why, as AWS or the network said it.' })
  failureMessage!: string | null;

  @Field(() => Int, { nullable: true, description: 'How often it was sent.' })
  failedTries!: number | null;

  @Field(() => String, { description: 'The number of the last event that was sent or is a dead letter; 0: none yet.' })
  position!: string;

  @Field(() => Int, { description: 'How many events of the log are not sent yet.' })
  eventsBehind!: number;

  @Field(() => Float, { description: 'Between the last event of the log and the last that was sent, in seconds.' })
  secondsBehind!: number;

  @Field(() => DateTime, { nullable: true, description: 'When the oldest event happened that is not sent yet.' })
  oldestUnsentAt!: string | null;

  @Field(() => Float, { description: 'How old that is, in seconds; 0 where all is sent.' })
  oldestUnsentSeconds!: number;

  @Field(() => Int, { description: 'How many dead letters have not arrived.' })
  deadLetterCount!: number;
}

@ObjectType({
  implements: Node,
  description: 'An entry that EventBridge refuses however often it is sent; the events after it went on. Admins only.',
})
export class DeadLetter extends Node {
  @Field(() => String, { description: "The event's number in the log." })
  sequence!: string;

  @Field(() => ID, { description: "The event's id, the same on EventBridge." })
  eventId!: string;

  @Field(() => String, { description: "The event's type, as EventBridge's detail-type spells it." })
  type!: string;

  @Field(() => String, {
    description: 'The detail-type of the entry; another than `type` where it tells a workflow what to link.',
  })
  detailType!: string;

  @Field(() => JSONScalar, { description: 'The entry: source, detailType, detail (a JSON text), resources, time.' })
  entry!: unknown;

  @Field(() => String, { description: 'The error code that EventBridge answered last.' })
  code!: string;

  @Field(() => String, { description: 'What EventBridge said.' })
  message!: string;

  @Field(() => Int, { description: 'How often it was sent in all.' })
  attempts!: number;

  @Field(() => DeadLetterStatus, { description: 'Where it is.' })
  status!: string;

  @Field(() => DateTime, { description: 'When it was first refused.' })
  createdAt!: string;

  @Field(() => DateTime, { description: 'When it was last refused.' })
  refusedAt!: string;

  @Field(() => ID, { nullable: true, description: 'The last redrive that took it along.' })
  redrive!: string | null;

  @Field(() => String, { nullable: true, description: 'Who asked for that.' })
  redrivenBy!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'When it arrived after all.' })
  sentAt!: string | null;
}

export const DeadLetterConnection = connectionType('DeadLetter', () => DeadLetter);

@InputType({ description: 'Which dead letters; conditions add up.' })
export class DeadLetterFilter {
  @Field(() => [DeadLetterStatus], { nullable: true, description: 'In one of these states.' })
  status?: string[];

  @Field(() => ID, { nullable: true, description: 'That this redrive took along last.' })
  redrive?: string;
}

@InputType({ description: 'Why the sending of events stops.' })
export class PausePublisherInput extends MutationInput {
  @Field(() => String, { description: 'Why; who looks next reads it.' })
  reason!: string;
}

@InputType({ description: 'That the sending of events goes on, and where.' })
export class ResumePublisherInput extends MutationInput {
  @Field(() => String, {
    nullable: true,
    description:
      'The number of an event: it and all after it are sent again, with the same ids. Without it what comes next goes on. Where what comes next is archived, the first number that is stored; what lies between is left out.',
  })
  from?: string;
}

@InputType({ description: 'What is to be sent again: either of the two.' })
export class RedriveEventsInput extends MutationInput {
  @Field(() => [ID], { nullable: true, description: 'These dead letters, 100 at most.' })
  deadLetters?: string[];

  @Field(() => Boolean, { nullable: true, description: 'All that are DEAD.' })
  all?: boolean;
}

@ObjectType({ description: 'The publisher, held up.' })
export class PausePublisherPayload {
  @Field(() => Publisher, { nullable: true, description: 'The publisher.' })
  publisher!: Publisher | null;
}

@ObjectType({ description: 'Events of the log, one after another.' })
export class EventNumbers {
  @Field(() => String, { description: 'The number of the first.' })
  first!: string;

  @Field(() => String, { description: 'The number of the last.' })
  last!: string;
}

@ObjectType({ description: 'The publisher, going on.' })
export class ResumePublisherPayload {
  @Field(() => Publisher, { nullable: true, description: 'The publisher.' })
  publisher!: Publisher | null;

  @Field(() => EventNumbers, {
    nullable: true,
    description: 'What is never sent, as the log no longer held it; null: nothing is left out.',
  })
  leftOut!: EventNumbers | null;
}

@ObjectType({ description: 'What is sent again. What becomes of each, its status tells.' })
export class RedriveEventsPayload {
  @Field(() => Publisher, { nullable: true, description: 'The publisher.' })
  publisher!: Publisher | null;

  @Field(() => ID, { description: 'Names this redrive in `deadLetters(filter: { redrive })`.' })
  redrive!: string;

  @Field(() => Int, { description: 'How many it took along: those that were DEAD.' })
  count!: number;

  @Field(() => [DeadLetter], {
    description:
      'Those that were named, in that order, or with `all` the first 100 that it took along: SENT already, REDRIVING, or DEAD again.',
  })
  deadLetters!: DeadLetter[];
}

export const PausePublisherResult = resultType('PausePublisherResult', PausePublisherPayload);
export const ResumePublisherResult = resultType('ResumePublisherResult', ResumePublisherPayload);
export const RedriveEventsResult = resultType('RedriveEventsResult', RedriveEventsPayload);
