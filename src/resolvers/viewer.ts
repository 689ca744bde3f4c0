import type { GraphQLResolveInfo } from 'graphql';
import { Ctx, Info, Query, Resolver } from 'type-graphql';
import { ACTIONS, can } from '../governance/authorization.js';
import { domainShape } from '../governance/read/domain.js';
import { readList } from '../governance/read/select.js';
import { Viewer } from '../schema/viewer.js';
import type { RequestContext } from './context.js';
import { selectionOf } from './select.js';

@Resolver(() => Viewer)
export class ViewerResolver {
  @Query(() => Viewer, { description: 'Who you are here, and what you may do.' })
  async viewer(@Ctx() rc: RequestContext, @Info() info: GraphQLResolveInfo) {
    const { subject, name, groups, admin, memberships } = rc.ctx.viewer;
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
      memberships: ids.map((id) => ({ role: memberships.get(id), domain: byId.get(id) ?? null })),
      actions: ACTIONS.filter((action) => action === 'domain:register' && can(rc.ctx.viewer, action, { type: 'Mesh' })),
    };
  }
}
