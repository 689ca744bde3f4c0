import type { GraphQLResolveInfo } from 'graphql';
import { Ctx, FieldResolver, Info, Query, Resolver } from 'type-graphql';
import { domainActions, meshActions } from '../governance/authorization.js';
import { deputyShape, isNotOver } from '../governance/read/deputy.js';
import { domainShape } from '../governance/read/domain.js';
import { personalAccessTokenShape } from '../governance/read/personal-access-token.js';
import { raw, readAll, readList, readOne, sql } from '../governance/read/select.js';
import { serviceAccountShape } from '../governance/read/service-account.js';
import { Deputy } from '../schema/deputy.js';
import { PersonalAccessToken } from '../schema/personal-access-token.js';
import { ServiceAccount } from '../schema/service-account.js';
import { Viewer } from '../schema/viewer.js';
import type { RequestContext } from './context.js';
import { selectionOf } from './select.js';

/** Where the viewer is the one or the other part. */
const deputiesOf = ({ ctx }: RequestContext, part: 'deputy' | 'standsInFor'): Parameters<typeof readAll>[2] => ({
  kind: 'many',
  limit: 100,
  shape: () => deputyShape,
  where: (_, r) => sql`${r}.${raw(`"${part}"`)} = ${ctx.viewer.subject} AND ${isNotOver(r)}`,
  order: (r) => sql`${r}."from", ${r}."id"`,
});

@Resolver(() => Viewer)
export class ViewerResolver {
  @Query(() => Viewer, { description: 'Who you are here, and what you may do.' })
  async viewer(@Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    const { viewer } = rc.ctx;
    const { subject, name, groups, admin, memberships, signIn } = viewer;
    const asked = selectionOf(info)
      .on('Viewer')
      .filter(({ field }) => field === 'memberships')
      .flatMap((selection) => selection.on('Membership'))
      .filter(({ field }) => field === 'domain');
    const ids = [...memberships.keys()];
    const domains = asked.length > 0 && ids.length > 0 ? await readList(rc.read, domainShape, ids, asked) : [];
    const byId = new Map(domains.map((domain) => [domain.id, domain]));
    return {
      subject,
      name,
      groups,
      admin,
      signIn,
      scopes: signIn.scopes && [...signIn.scopes].sort(),
      memberships: ids.map((id) => ({
        role: memberships.get(id),
        domain: byId.get(id) ?? null,
        actions: domainActions(viewer, id),
      })),
      actions: meshActions(viewer),
    };
  }

  @FieldResolver(() => ServiceAccount, { nullable: true })
  serviceAccount(@Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    const { subject, signIn } = rc.ctx.viewer;
    if (signIn.kind !== 'MACHINE' && signIn.kind !== 'SERVICE_ACCOUNT_SECRET') return null;
    const own = (r: ReturnType<typeof sql>) => sql`${r}."subject" = ${subject} AND ${r}."removedAt" IS NULL`;
    return readOne(rc.read, serviceAccountShape, own, selectionOf(info));
  }

  @FieldResolver(() => [Deputy])
  deputyFor(@Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return readAll(rc.read, selectionOf(info), deputiesOf(rc, 'deputy'));
  }

  @FieldResolver(() => [Deputy])
  deputies(@Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    return readAll(rc.read, selectionOf(info), deputiesOf(rc, 'standsInFor'));
  }

  @FieldResolver(() => [PersonalAccessToken], { nullable: true })
  tokens(@Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    const { viewer } = rc.ctx;
    return readAll(rc.read, selectionOf(info), {
      kind: 'many',
      limit: 100,
      shape: () => personalAccessTokenShape,
      where: (_, r) => sql`${r}."subject" = ${viewer.subject}`,
      order: (r) => sql`${r}."createdAt" DESC, ${r}."id" DESC`,
    });
  }
}
