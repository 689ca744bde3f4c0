import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, ArgsType, Ctx, Field, FieldResolver, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { can } from '../governance/authorization.js';
import { addDomainMember, registerDomain, removeDomainMember, updateDomain } from '../governance/domain.js';
import { dataProductList } from '../governance/read/data-product.js';
import { domainList, domainShape } from '../governance/read/domain.js';
import { eventRouteList } from '../governance/read/event-route.js';
import { policyList } from '../governance/read/policy.js';
import { resourceList } from '../governance/read/resource.js';
import { readOne, sql } from '../governance/read/select.js';
import { webhookList } from '../governance/read/webhook.js';
import { DataProductConnection } from '../schema/data-product.js';
import {
  AddDomainMemberInput,
  DomainBy,
  DomainFilter,
  RegisterDomainInput,
  RemoveDomainMemberInput,
  UpdateDomainInput,
} from '../schema/domain.input.js';
import { Domain, DomainConnection } from '../schema/domain.js';
import { DomainRole } from '../schema/enums.js';
import { EventRouteConnection } from '../schema/event-route.js';
import {
  AddDomainMemberResult,
  RegisterDomainResult,
  RemoveDomainMemberResult,
  UpdateDomainResult,
} from '../schema/payload.js';
import { PolicyConnection } from '../schema/policy.js';
import { ResourceConnection } from '../schema/resource.js';
import { WebhookConnection } from '../schema/webhook.js';
import { nestedPage, PageArgs, rootPage } from './connection.js';
import type { RequestContext } from './context.js';
import { DataProductsArgs } from './data-product.js';
import { decodeId, lookedUpId } from './decode.js';
import { PoliciesArgs } from './policy.js';
import { ResourcesArgs } from './resource.js';
import { answer } from './result.js';
import { selectionOf } from './select.js';
import { WebhooksArgs } from './webhook.js';

@ArgsType()
class DomainsArgs extends PageArgs {
  @Field(() => DomainFilter, { nullable: true, description: 'Which domains; default all.' })
  filter?: DomainFilter;
}

const domainOf = ({ domainId }: { domainId: string }) => [{ field: 'domain', shape: domainShape, id: domainId }];

@Resolver(() => Domain)
export class DomainResolver {
  @Query(() => Domain, { nullable: true, description: 'One domain; null where there is none.' })
  domain(
    @Arg('by', () => DomainBy, { description: 'Which.' }) by: DomainBy,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    const { id, name } = by;
    if (name !== undefined) return readOne(rc.read, domainShape, (r) => sql`${r}."name" = ${name}`, selectionOf(info));
    const rowId = lookedUpId('Domain', id);
    if (rowId === null) return null;
    return readOne(rc.read, domainShape, (r) => sql`${r}."id" = ${rowId}::uuid`, selectionOf(info));
  }

  @Query(() => DomainConnection, { description: 'The domains of the mesh, by name.' })
  domains(@Args(() => DomainsArgs) _: DomainsArgs, @Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return rootPage(rc, info, domainList);
  }

  @Mutation(() => RegisterDomainResult, {
    description: 'Registers a domain; what it needs in AWS follows. Admins only.',
  })
  registerDomain(
    @Arg('input', () => RegisterDomainInput, { description: 'The domain.' }) input: RegisterDomainInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () => domainOf(await registerDomain(rc.ctx, input)));
  }

  @Mutation(() => UpdateDomainResult, {
    description:
      "Changes a domain's names, policies and roles. Owners and admins; the role that Meshgate assumes, admins.",
  })
  updateDomain(
    @Arg('input', () => UpdateDomainInput, { description: 'What changes.' }) input: UpdateDomainInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () =>
      domainOf(await updateDomain(rc.ctx, { ...input, domain: decodeId('Domain', input.domain) })),
    );
  }

  @Mutation(() => AddDomainMemberResult, { description: 'Adds a member to a domain, or changes his role.' })
  addDomainMember(
    @Arg('input', () => AddDomainMemberInput, { description: 'Who, where, as what.' }) input: AddDomainMemberInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () =>
      domainOf(await addDomainMember(rc.ctx, { ...input, domain: decodeId('Domain', input.domain) })),
    );
  }

  @Mutation(() => RemoveDomainMemberResult, { description: 'Removes a member; never the last owner.' })
  removeDomainMember(
    @Arg('input', () => RemoveDomainMemberInput, { description: 'Who and where.' }) input: RemoveDomainMemberInput,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    return answer(rc, info, async () =>
      domainOf(await removeDomainMember(rc.ctx, { ...input, domain: decodeId('Domain', input.domain) })),
    );
  }

  @FieldResolver(() => DataProductConnection, { description: 'Its products.' })
  dataProducts(
    @Root() root: Domain,
    @Args(() => DataProductsArgs) _: DataProductsArgs,
    @Info() info: GraphQLResolveInfo,
  ) {
    return nestedPage(root, info, dataProductList);
  }

  @FieldResolver(() => EventRouteConnection, {
    description: 'Which of its events go where, besides to its own bus; for its members.',
  })
  eventRoutes(@Root() root: Domain, @Args(() => PageArgs) _: PageArgs, @Info() info: GraphQLResolveInfo) {
    return nestedPage(root, info, eventRouteList);
  }

  @FieldResolver(() => WebhookConnection, {
    description: 'Where its events are sent, by name; for those who steer it.',
  })
  webhooks(@Root() root: Domain, @Args(() => WebhooksArgs) _: WebhooksArgs, @Info() info: GraphQLResolveInfo) {
    return nestedPage(root, info, webhookList);
  }

  @FieldResolver(() => PolicyConnection, { description: 'Its own policies, for its own products.' })
  policies(@Root() root: Domain, @Args(() => PoliciesArgs) _: PoliciesArgs, @Info() info: GraphQLResolveInfo) {
    return nestedPage(root, info, policyList);
  }

  @FieldResolver(() => ResourceConnection, { description: 'The AWS objects that the domain itself needs.' })
  resources(@Root() root: Domain, @Args(() => ResourcesArgs) _: ResourcesArgs, @Info() info: GraphQLResolveInfo) {
    return nestedPage(root, info, resourceList);
  }

  @FieldResolver(() => DomainRole, { nullable: true, description: 'Your role here.' })
  viewerRole(@Root() root: Domain, @Ctx() rc: RequestContext) {
    return rc.ctx.viewer.memberships.get(root.id) ?? null;
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may change its names, policies and roles.' })
  viewerCanUpdate(@Root() root: Domain, @Ctx() rc: RequestContext) {
    return can(rc.ctx.viewer, 'domain:update', { type: 'Domain', id: root.id });
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may add and remove members.' })
  viewerCanChangeMembers(@Root() root: Domain, @Ctx() rc: RequestContext) {
    return can(rc.ctx.viewer, 'domain:change-members', { type: 'Domain', id: root.id });
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may route its events.' })
  viewerCanChangeEventRoutes(@Root() root: Domain, @Ctx() rc: RequestContext) {
    return can(rc.ctx.viewer, 'domain:change-routes', { type: 'Domain', id: root.id });
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may name a deputy for you.' })
  viewerCanNameDeputy(@Root() root: Domain, @Ctx() rc: RequestContext) {
    return can(rc.ctx.viewer, 'deputy:name', { type: 'Domain', id: root.id });
  }

  @FieldResolver(() => Boolean, { description: 'Whether you may register products.' })
  viewerCanRegisterDataProduct(@Root() root: Domain, @Ctx() rc: RequestContext) {
    return can(rc.ctx.viewer, 'data-product:register', { type: 'Domain', id: root.id });
  }
}
