import type { GraphQLResolveInfo } from 'graphql';
import { Args, ArgsType, Ctx, Field, Info, Query, Resolver } from 'type-graphql';
import type { Anchor } from '../events/verify.js';
import { assertCan } from '../governance/authorization.js';
import { invalid } from '../governance/error.js';
import { auditTrail } from '../governance/read/audit.js';
import { AuditAnchorInput, AuditEntryConnection, AuditFilter, AuditVerification } from '../schema/audit.js';
import { assertAuditFilter } from './audit-filter.js';
import { PageArgs, rootPage } from './connection.js';
import type { RequestContext } from './context.js';

@ArgsType()
class AuditTrailArgs extends PageArgs {
  @Field(() => AuditFilter, { nullable: true, description: 'Which entries; default all that you may see.' })
  filter?: AuditFilter;
}

@ArgsType()
class VerifyAuditTrailArgs {
  @Field(() => String, {
    nullable: true,
    description: 'From this number on; default the first that is stored. One beyond the end is refused.',
  })
  from?: string;

  @Field(() => String, { nullable: true, description: 'Up to this number, not before `from`; default the last.' })
  to?: string;

  @Field(() => [AuditAnchorInput], { nullable: true, description: 'What was anchored outside, 100 at most.' })
  anchors?: AuditAnchorInput[];
}

@Resolver()
export class AuditResolver {
  @Query(() => AuditEntryConnection, {
    description:
      'Who did what to what, the latest first: what concerns the domains that you are owner or steward of, for admins everything.',
  })
  async auditTrail(
    @Args(() => AuditTrailArgs) { filter }: AuditTrailArgs,
    @Ctx() rc: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ) {
    assertCan(rc.ctx.viewer, 'audit:list', { type: 'Mesh' });
    await assertAuditFilter(rc, filter);
    return rootPage(rc, info, auditTrail);
  }

  @Query(() => AuditVerification, {
    description:
      'Whether the audit trail is as it was written, ten thousand numbers a call; names the first number that is not.',
  })
  async verifyAuditTrail(
    @Args(() => VerifyAuditTrailArgs) args: VerifyAuditTrailArgs,
    @Ctx() { ctx, verifyLog }: RequestContext,
  ): Promise<AuditVerification> {
    assertCan(ctx.viewer, 'audit:verify', { type: 'Mesh' });
    const { from, to } = args;
    const anchors = args.anchors ?? [];
    if (anchors.length > 100) throw invalid('anchors', '`anchors` takes 100 at most.');
    const { verdict, compared, next } = await verifyLog({
      from: typeof from === 'string' ? numberOf('from', from) : undefined,
      to: typeof to === 'string' ? numberOf('to', to) : undefined,
      anchors: anchors.map(anchorOf),
    });
    return {
      intact: verdict.ok,
      verifiedTo: String(verdict.head),
      firstBad: verdict.ok ? null : String(verdict.firstBad),
      fault: verdict.ok ? null : verdict.reason,
      anchorsCompared: compared.map(String),
      next: next === null ? null : String(next),
    };
  }
}

function numberOf(path: string, text: string): bigint {
  if (!/^[1-9]\d{0,17}$/.test(text)) throw invalid(path, `\`${path}\` is a number of the audit trail, from 1.`);
  return BigInt(text);
}

function anchorOf({ sequence, hash }: AuditAnchorInput): Anchor {
  if (!/^[0-9a-f]{64}$/i.test(hash)) throw invalid('anchors', 'The hash of an anchor has 64 hexadecimal digits.');
  return { seq: numberOf('anchors', sequence), hash: Buffer.from(hash, 'hex') };
}
