/** Who may see, assign and change LF-tags. */
import { heldScope, holds } from './lf-authority.js';
import { isAdministrator } from './lf-settings.js';
import { type TagRecord, tagTable } from './lf-tags.js';
import { describeTarget, type TagCondition, type Target } from './lf-target.js';
import { AwsError, type Call, type World } from './service.js';

/** AccessDeniedException in the wording of the tag operations. */
export function denied(on: string): AwsError {
  return new AwsError('AccessDeniedException', `Insufficient Lake Formation permission(s) on ${on}`, 403);
}

/**
 * LF-tags are created by administrators or holders of CREATE_LF_TAG, who hold everything on what they created.
 * AWS page: TBAC-adding-tag-creator. The page also tells administrators to grant themselves ASSOCIATE on tags that others
 * made, and that they may assign tags of themselves: the latter holds here.
 */
export function requireTagPermission(call: Call, world: World, permission: string, tag: OwnedCondition): void {
  const { catalog, TagKey, TagValues } = tag;
  if (mayEveryTag(call, world, tag)) return;
  const target: Target = { kind: 'LF_TAG', catalog, tag: { TagKey, TagValues } };
  const on: Target = permission === 'CREATE_LF_TAG' ? { kind: 'CATALOG', catalog } : target;
  if (!holds(world, call, permission, on)) throw denied(`tag ${TagKey}`);
}

/** A tag with values, of the account `catalog`. */
export interface OwnedCondition extends TagCondition {
  catalog: string;
}

function mayEveryTag(call: Call, world: World, { catalog, TagKey }: { catalog: string; TagKey: string }): boolean {
  if (catalog !== call.account) return false;
  if (isAdministrator(world, catalog, call.principal)) return true;
  return tagTable(world).get(`${catalog}|${TagKey}`)?.createdBy === call.principal;
}

/** The values of a tag that the caller may see; an administrator those that other accounts granted to his, too. */
export function visibleValues(call: Call, world: World, tag: TagRecord): string[] {
  const { catalog, key: TagKey, values } = tag;
  if (mayEveryTag(call, world, { catalog, TagKey })) return values;
  const administrator = isAdministrator(world, call.account, call.principal);
  const callers = administrator ? [call, { account: call.account, principal: call.account }] : [call];
  return values.filter((value) => {
    const target: Target = { kind: 'LF_TAG', catalog, tag: { TagKey, TagValues: [value] } };
    return callers.some((caller) =>
      ['DESCRIBE', 'ASSOCIATE', 'ALTER', 'DROP', 'GRANT_WITH_LF_TAG_EXPRESSION'].some((name) =>
        holds(world, caller, name, target),
      ),
    );
  });
}

/** What who is no administrator must be able to pass on of a resource before he tags it. AWS page: TBAC-assigning-tags. */
const TO_TAG = {
  own: { DATABASE: ['DESCRIBE', 'CREATE_TABLE', 'ALTER', 'DROP'] },
  foreign: { DATABASE: ['DESCRIBE', 'CREATE_TABLE', 'ALTER'] },
  TABLE: ['DESCRIBE', 'ALTER', 'DROP', 'INSERT', 'SELECT', 'DELETE'],
};

/** Throws AccessDeniedException where the caller may not tag the resource, whatever the tag. */
export function requireMayTag(call: Call, world: World, target: Target): void {
  const own = target.catalog === call.account;
  const administrator = isAdministrator(world, call.account, call.principal);
  if (own && administrator) return;
  const needed = target.kind === 'TABLE' ? TO_TAG.TABLE : TO_TAG[own ? 'own' : 'foreign'].DATABASE;
  const callers = administrator ? [call, { account: call.account, principal: call.account }] : [call];
  const mayPassOn = (permission: string) =>
    callers.some((caller) => heldScope(world, caller, { permission, target, field: 'grantable' }) !== undefined);
  const missing = needed.filter((permission) => !mayPassOn(permission));
  if (missing.length > 0) throw denied(`${describeTarget(target)}: grantable ${missing.join(', ')}`);
}

/** ASSOCIATE, which an administrator may use of what was granted to his account. AWS page: TBAC-granting-tags. */
export function requireAssociate(call: Call, world: World, tag: OwnedCondition): void {
  const ofAccount = tag.catalog !== call.account && isAdministrator(world, call.account, call.principal);
  const target: Target = {
    kind: 'LF_TAG',
    catalog: tag.catalog,
    tag: { TagKey: tag.TagKey, TagValues: tag.TagValues },
  };
  if (ofAccount && holds(world, { account: call.account, principal: call.account }, 'ASSOCIATE', target)) return;
  requireTagPermission(call, world, 'ASSOCIATE', tag);
}
