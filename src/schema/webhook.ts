import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { MeshEventType, WebhookDeliveryKind, WebhookDeliveryStatus, WebhookStatus } from './enums.js';
import { MeshEventFilter } from './event.js';
import { MutationInput } from './mutation.input.js';
import { connectionType, Node } from './node.js';
import { DateTime, JSONScalar } from './scalars.js';

@ObjectType({ description: 'One request to a receiver, and what came of it.' })
export class WebhookAttempt {
  @Field(() => Int, { description: 'Its number among the tries of the delivery, from 1; a redelivery begins anew.' })
  number!: number;

  @Field(() => DateTime, { description: 'When it began.' })
  startedAt!: string;

  @Field(() => Int, { description: 'How long it took, in milliseconds.' })
  milliseconds!: number;

  @Field(() => Int, { nullable: true, description: 'The HTTP status; null where there was no answer.' })
  statusCode!: number | null;

  @Field(() => String, { nullable: true, description: 'Why it counts as failed; null where it arrived.' })
  error!: string | null;
}

@ObjectType({ description: 'One event, or a ping, on its way to a webhook. Kept for 30 days after its end.' })
export class WebhookDelivery {
  @Field(() => ID, { description: 'Names it where it is sent again.' })
  id!: string;

  @Field(() => WebhookDeliveryKind, { description: 'An event, or a ping.' })
  kind!: string;

  @Field(() => WebhookDeliveryStatus, { description: 'Where it is.' })
  status!: string;

  @Field(() => ID, { description: "The header `webhook-id`: the event's id, the same at every try." })
  messageId!: string;

  @Field(() => MeshEventType as never, { nullable: true, description: 'The type of the event; null for a ping.' })
  eventType!: string | null;

  @Field(() => String, { nullable: true, description: 'The number of the event in the log; null for a ping.' })
  sequence!: string | null;

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: string;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it is tried next; null at its end, and while an earlier one of its subject is not over.',
  })
  nextAttemptAt!: string | null;

  @Field(() => [WebhookAttempt], { description: 'What was tried, latest first, 50 at most.' })
  attempts!: WebhookAttempt[];
}

@ObjectType({
  implements: Node,
  description: 'A receiver of events over HTTPS, signed by Standard Webhooks: of a domain, or of the whole mesh.',
})
export class Webhook extends Node {
  @Field(() => String, { description: 'Unique among those of its owner.' })
  name!: string;

  @Field(() => String, { description: 'Where events are sent.' })
  url!: string;

  @Field(() => JSONScalar, { description: 'Which events, as MeshEventFilter; {}: all that it may get.' })
  filter!: unknown;

  @Field(() => WebhookStatus, { description: 'Whether it is on.' })
  status!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Why it is off: GONE (its receiver answered 410), FAILING (for too long), MISSED_EVENTS (they were archived), REMOVED (it was on until then), or what somebody said.',
  })
  disabledReason!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Since when it is off.' })
  disabledAt!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Since when every attempt fails; null while they arrive.' })
  failingSince!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Nothing is sent before.' })
  pausedUntil!: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Until when the secret before signs too.' })
  previousSecretEndsAt!: string | null;

  @Field(() => DateTime, { description: 'When it was registered.' })
  createdAt!: string;

  @Field(() => String, { description: 'Who registered it.' })
  createdBy!: string;

  @Field(() => DateTime, { nullable: true, description: 'When it was removed.' })
  removedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who removed it.' })
  removedBy!: string | null;
}

export const WebhookConnection = connectionType('Webhook', () => Webhook);
export const WebhookDeliveryConnection = connectionType('WebhookDelivery', () => WebhookDelivery);

@InputType({ description: 'Which webhooks; conditions add up.' })
export class WebhookFilter {
  @Field(() => ID, { nullable: true, description: 'Of this domain.' })
  domain?: string;

  @Field(() => WebhookStatus, { nullable: true, description: 'On, or off.' })
  status?: string;
}

@InputType({ description: 'Has events sent to a URL from now on.' })
export class RegisterWebhookInput extends MutationInput {
  @Field(() => ID, {
    nullable: true,
    description:
      'Whose events it gets: what members of the domain may hear. For its owners and stewards; without it, for admins: all of the mesh.',
  })
  domain?: string;

  @Field(() => String, { description: 'Unique among those of its owner.' })
  name!: string;

  @Field(() => String, {
    description:
      'An https URL on port 443, or from 1024 on, that leads to public addresses. Redirects are not followed.',
  })
  url!: string;

  @Field(() => MeshEventFilter, { nullable: true, description: 'Which events; default all. Without `mine`.' })
  filter?: MeshEventFilter;
}

@InputType({ description: 'What is to be otherwise; the rest stays.' })
export class UpdateWebhookInput extends MutationInput {
  @Field(() => ID, { description: 'Which.' })
  webhook!: string;

  @Field(() => String, { nullable: true, description: 'Another name.' })
  name?: string;

  @Field(() => String, { nullable: true, description: 'Another URL.' })
  url?: string;

  @Field(() => MeshEventFilter, { nullable: true, description: 'Another filter, in place of the one before.' })
  filter?: MeshEventFilter;
}

@InputType({ description: 'Names a webhook.' })
export class WebhookInput extends MutationInput {
  @Field(() => ID, { description: 'Which.' })
  webhook!: string;
}

@InputType({ description: 'Makes a new secret.' })
export class RotateWebhookSecretInput extends MutationInput {
  @Field(() => ID, { description: 'Of which webhook.' })
  webhook!: string;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'Until when the one before signs too; default in 24 hours, at most in 7 days. The past: at once no more.',
  })
  previousEndsAt?: Date;
}

@InputType({ description: 'Turns a webhook on.' })
export class EnableWebhookInput extends MutationInput {
  @Field(() => ID, { description: 'Which.' })
  webhook!: string;

  @Field(() => Boolean, { nullable: true, description: 'Leave out what happened meanwhile, and what waits.' })
  skipMissed?: boolean;
}

@InputType({ description: 'Turns a webhook off.' })
export class DisableWebhookInput extends MutationInput {
  @Field(() => ID, { description: 'Which.' })
  webhook!: string;

  @Field(() => String, { description: 'Why.' })
  reason!: string;
}

@InputType({ description: 'Has an event sent once more.' })
export class RedeliverWebhookInput extends MutationInput {
  @Field(() => ID, { description: 'Which delivery.' })
  webhookDelivery!: string;
}
