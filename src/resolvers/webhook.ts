import type { GraphQLResolveInfo } from 'graphql';
import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Info,
  Mutation,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { upperCase } from '../events/types.js';
import { globalId } from '../governance/global-id.js';
import type { EventFilter } from '../governance/read/event.js';
import { webhookDeliveryList, webhookDeliveryShape, webhookList, webhookShape } from '../governance/read/webhook.js';
import {
  disableWebhook,
  registerWebhook,
  removeWebhook,
  rotateWebhookSecret,
  updateWebhook,
} from '../governance/webhook.js';
import { enableWebhook, pingWebhook, redeliverWebhook } from '../governance/webhook-delivery.js';
import { Domain } from '../schema/domain.js';
import { WebhookDeliveryStatus } from '../schema/enums.js';
import type { MeshEventFilter } from '../schema/event.js';
import {
  DisableWebhookInput,
  EnableWebhookInput,
  RedeliverWebhookInput,
  RegisterWebhookInput,
  RotateWebhookSecretInput,
  UpdateWebhookInput,
  Webhook,
  WebhookConnection,
  WebhookDelivery,
  WebhookDeliveryConnection,
  WebhookFilter,
  WebhookInput,
} from '../schema/webhook.js';
import {
  DisableWebhookResult,
  EnableWebhookResult,
  PingWebhookResult,
  RedeliverWebhookResult,
  RegisterWebhookResult,
  RemoveWebhookResult,
  RotateWebhookSecretResult,
  UpdateWebhookResult,
} from '../schema/webhook.payload.js';
import { nestedPage, PageArgs, rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { decodeId } from './decode.js';
import { readEventFilter } from './event-filter.js';
import { answer, answerWithSecret } from './result.js';

@ArgsType()
export class WebhooksArgs extends PageArgs {
  @Field(() => WebhookFilter, { nullable: true, description: 'Which webhooks; default all that you may see.' })
  filter?: WebhookFilter;
}

@ArgsType()
class DeliveriesArgs extends PageArgs {
  @Field(() => WebhookDeliveryStatus, { nullable: true, description: 'Those that are there; default all.' })
  status?: string;
}

const webhookOf = ({ webhookId }: { webhookId: string }) => [{ field: 'webhook', shape: webhookShape, id: webhookId }];
const deliveryOf = ({ webhookId, webhookDeliveryId }: { webhookId: string; webhookDeliveryId: string }) => [
  ...webhookOf({ webhookId }),
  { field: 'webhookDelivery', shape: webhookDeliveryShape, id: webhookDeliveryId },
];
const decodeWebhook = <T extends { webhook: string }>(input: T): T => ({
  ...input,
  webhook: decodeId('Webhook', input.webhook),
});
/** By the rules of subscriptions. */
const readEvents = async (rc: RequestContext, filter: MeshEventFilter | null | undefined) =>
  filter ? { filter: await readEventFilter(rc, filter) } : {};

@Resolver(() => Webhook)
export class WebhookResolver {
  @Query(() => WebhookConnection, {
    description: 'The webhooks of the domains that you are owner or steward of, by name; for admins, all.',
  })
  webhooks(@Args(() => WebhooksArgs) _: WebhooksArgs, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return rootPage(rc, info, webhookList);
  }

  @Mutation(() => RegisterWebhookResult, {
    description: 'Has events sent to a URL. Owners and stewards for their domain, admins for the whole mesh.',
  })
  registerWebhook(
    @Arg('input', () => RegisterWebhookInput, { description: 'The webhook.' })
    { filter, ...input }: RegisterWebhookInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    const action = async () => {
      const domain = input.domain ? decodeId('Domain', input.domain) : null;
      return registerWebhook(rc.ctx, { ...input, domain, ...(await readEvents(rc, filter)) });
    };
    return answerWithSecret(rc, info, { action, objects: webhookOf });
  }

  @Mutation(() => UpdateWebhookResult, { description: 'Changes name, URL or filter, from the next try on.' })
  updateWebhook(
    @Arg('input', () => UpdateWebhookInput, { description: 'The change.' }) { filter, ...input }: UpdateWebhookInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () =>
      webhookOf(await updateWebhook(rc.ctx, { ...decodeWebhook(input), ...(await readEvents(rc, filter)) })),
    );
  }

  @Mutation(() => RemoveWebhookResult, { description: 'Removes a webhook for good; what waits is not sent any more.' })
  removeWebhook(
    @Arg('input', () => WebhookInput, { description: 'Which.' }) input: WebhookInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => webhookOf(await removeWebhook(rc.ctx, decodeWebhook(input))));
  }

  @Mutation(() => RotateWebhookSecretResult, {
    description:
      'Makes a new secret; the one before signs too until it ends, so that a receiver can change in between.',
  })
  rotateWebhookSecret(
    @Arg('input', () => RotateWebhookSecretInput, { description: 'Of which webhook.' }) input: RotateWebhookSecretInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    const action = async () => rotateWebhookSecret(rc.ctx, decodeWebhook(input));
    return answerWithSecret(rc, info, { action, objects: webhookOf });
  }

  @Mutation(() => EnableWebhookResult, { description: 'Turns a webhook on: it goes on where it was turned off.' })
  enableWebhook(
    @Arg('input', () => EnableWebhookInput, { description: 'Which.' }) input: EnableWebhookInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => webhookOf(await enableWebhook(rc.ctx, decodeWebhook(input))));
  }

  @Mutation(() => DisableWebhookResult, { description: 'Turns a webhook off; it keeps its place in the log.' })
  disableWebhook(
    @Arg('input', () => DisableWebhookInput, { description: 'Which, and why.' }) input: DisableWebhookInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => webhookOf(await disableWebhook(rc.ctx, decodeWebhook(input))));
  }

  @Mutation(() => PingWebhookResult, {
    description: 'Sends a webhook a message that tells nothing, once, also while it is off.',
  })
  pingWebhook(
    @Arg('input', () => WebhookInput, { description: 'Which.' }) input: WebhookInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => deliveryOf(await pingWebhook(rc.ctx, decodeWebhook(input))));
  }

  @Mutation(() => RedeliverWebhookResult, {
    description: 'Has an event sent once more that arrived or failed, with the same id.',
  })
  redeliverWebhook(
    @Arg('input', () => RedeliverWebhookInput, { description: 'Which.' }) input: RedeliverWebhookInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => {
      const webhookDelivery = decodeId('WebhookDelivery', input.webhookDelivery);
      return deliveryOf(await redeliverWebhook(rc.ctx, { ...input, webhookDelivery }));
    });
  }

  @FieldResolver(() => Domain, { nullable: true, description: 'Whose it is; null: of the whole mesh.' })
  domain(@Root() root: Webhook & { domain: Domain | null }) {
    return root.domain;
  }

  @FieldResolver()
  filter(@Root() root: Webhook): Record<string, unknown> {
    return encodeFilter(root.filter as EventFilter);
  }

  @FieldResolver(() => WebhookDeliveryConnection, { description: 'What was sent and is to be sent, latest first.' })
  deliveries(@Root() root: Webhook, @Args(() => DeliveriesArgs) _: DeliveriesArgs, @Info() info: GraphQLResolveInfo) {
    return nestedPage(root, info, webhookDeliveryList);
  }
}

@Resolver(() => WebhookDelivery)
export class WebhookDeliveryResolver {
  @FieldResolver(() => ID)
  id(@Root() root: WebhookDelivery) {
    return globalId('WebhookDelivery', root.id);
  }
}

/** As a client gives it. */
function encodeFilter({ types, domains, dataProducts, ...rest }: EventFilter): Record<string, unknown> {
  return {
    ...(types ? { types: types.map(upperCase) } : {}),
    ...(domains ? { domains: domains.map((id) => globalId('Domain', id)) } : {}),
    ...(dataProducts ? { dataProducts: dataProducts.map((id) => globalId('DataProduct', id)) } : {}),
    ...rest,
  };
}
