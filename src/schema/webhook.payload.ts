import { Field, ObjectType } from 'type-graphql';
import { resultType } from './error.js';
import { Webhook, WebhookDelivery } from './webhook.js';

@ObjectType({ description: 'The new webhook.' })
export class RegisterWebhookPayload {
  @Field(() => Webhook, { nullable: true, description: 'The webhook.' })
  webhook!: Webhook | null;

  @Field(() => String, {
    nullable: true,
    description: 'Its secret, `whsec_...`: shown now and never again. Null where `replayed`.',
  })
  secret!: string | null;

  @Field(() => Boolean, {
    description: 'Whether this repeats an earlier mutation: the secret was shown then. Lost it? Rotate it.',
  })
  replayed!: boolean;
}

@ObjectType({ description: 'The webhook with its new secret.' })
export class RotateWebhookSecretPayload {
  @Field(() => Webhook, { nullable: true, description: 'The webhook.' })
  webhook!: Webhook | null;

  @Field(() => String, {
    nullable: true,
    description: 'The secret, `whsec_...`: shown now and never again. Null where `replayed`.',
  })
  secret!: string | null;

  @Field(() => Boolean, {
    description: 'Whether this repeats an earlier mutation: the secret was shown then. Lost it? Rotate it anew.',
  })
  replayed!: boolean;
}

@ObjectType({ description: 'The webhook as it is now.' })
export class UpdateWebhookPayload {
  @Field(() => Webhook, { nullable: true, description: 'The webhook.' })
  webhook!: Webhook | null;
}

@ObjectType({ description: 'The webhook, removed.' })
export class RemoveWebhookPayload {
  @Field(() => Webhook, { nullable: true, description: 'The webhook.' })
  webhook!: Webhook | null;
}

@ObjectType({ description: 'The webhook, on.' })
export class EnableWebhookPayload {
  @Field(() => Webhook, { nullable: true, description: 'The webhook.' })
  webhook!: Webhook | null;
}

@ObjectType({ description: 'The webhook, off.' })
export class DisableWebhookPayload {
  @Field(() => Webhook, { nullable: true, description: 'The webhook.' })
  webhook!: Webhook | null;
}

@ObjectType({ description: 'What was made to be sent; what became of it, its attempts tell.' })
export class PingWebhookPayload {
  @Field(() => Webhook, { nullable: true, description: 'The webhook.' })
  webhook!: Webhook | null;

  @Field(() => WebhookDelivery, { nullable: true, description: 'The ping.' })
  webhookDelivery!: WebhookDelivery | null;
}

@ObjectType({ description: 'The delivery, on its way again.' })
export class RedeliverWebhookPayload {
  @Field(() => Webhook, { nullable: true, description: 'The webhook.' })
  webhook!: Webhook | null;

  @Field(() => WebhookDelivery, { nullable: true, description: 'The delivery.' })
  webhookDelivery!: WebhookDelivery | null;
}

export const RegisterWebhookResult = resultType('RegisterWebhookResult', RegisterWebhookPayload);
export const RotateWebhookSecretResult = resultType('RotateWebhookSecretResult', RotateWebhookSecretPayload);
export const UpdateWebhookResult = resultType('UpdateWebhookResult', UpdateWebhookPayload);
export const RemoveWebhookResult = resultType('RemoveWebhookResult', RemoveWebhookPayload);
export const EnableWebhookResult = resultType('EnableWebhookResult', EnableWebhookPayload);
export const DisableWebhookResult = resultType('DisableWebhookResult', DisableWebhookPayload);
export const PingWebhookResult = resultType('PingWebhookResult', PingWebhookPayload);
export const RedeliverWebhookResult = resultType('RedeliverWebhookResult', RedeliverWebhookPayload);
