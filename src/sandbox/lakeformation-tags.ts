/** LF-tag operations: the tags of a catalog and their assignment to databases, tables and columns. */
import { columnNames, findTable } from './glue-store.js';
import { forgetTargets } from './lakeformation-permissions.js';
import { mayDescribe } from './lf-authority.js';
import { allTargetsExist, requireTagValues } from './lf-existence.js';
import { defined, entityNotFound, invalidInput, pageOf, requireMembers } from './lf-input.js';
import {
  denied,
  type OwnedCondition,
  requireAssociate,
  requireMayTag,
  requireTagPermission,
  visibleValues,
} from './lf-tag-authority.js';
import {
  assignedTags,
  assignmentTable,
  effectiveTags,
  placeKey,
  type TagPlace,
  type TagRecord,
  type TagValues,
  tagTable,
} from './lf-tags.js';
import { describeTarget, normalCondition, readTarget, type Target } from './lf-target.js';
import { AwsError, type Call, type World } from './service.js';

const KEYS_PER_CATALOG = 1000;
const VALUES_PER_KEY = 1000;
const TAGS_PER_RESOURCE = 50;

function catalogOf(call: Call): string {
  const catalog: string = call.parameters.CatalogId ?? call.account;
  if (catalog !== call.account) throw denied(`the catalog of account ${catalog}`);
  return catalog;
}

/** CreateLFTag: keys and values are folded to lower case; at most 1,000 tags and 1,000 values of each. */
export function createLfTag(call: Call, world: World): unknown {
  const catalog = catalogOf(call);
  const { TagKey, TagValues } = normalCondition(call.parameters);
  requireTagPermission(call, world, 'CREATE_LF_TAG', { catalog, TagKey, TagValues });
  const key = `${catalog}|${TagKey}`;
  if (tagTable(world).get(key)) throw new AwsError('EntityAlreadyExistsException', `Tag key already exists: ${TagKey}`);
  if ([...tagTable(world).shared()].filter((tag) => tag.catalog === catalog).length >= KEYS_PER_CATALOG) {
    throw new AwsError('ResourceNumberLimitExceededException', 'The number of LF-Tags exceeds the limit.');
  }
  tagTable(world).put(key, { catalog, key: TagKey, values: TagValues, createdBy: call.principal });
  return {};
}

function requireTag(call: Call, world: World): TagRecord {
  requireMembers(call.parameters, ['TagKey']);
  const key = String(call.parameters.TagKey).toLowerCase();
  const catalog: string = call.parameters.CatalogId ?? call.account;
  const found = tagTable(world).get(`${catalog}|${key}`);
  if (!found) throw entityNotFound(`Tag key ${key} does not exist.`);
  return found;
}

/** UpdateLFTag adds and deletes values; a value in use cannot be deleted. */
export function updateLfTag(call: Call, world: World): unknown {
  catalogOf(call);
  const tag = requireTag(call, world);
  requireTagPermission(call, world, 'ALTER', { catalog: tag.catalog, TagKey: tag.key, TagValues: tag.values });
  const fold = (values: string[] | undefined) => (values ?? []).map((value) => value.toLowerCase());
  const add = fold(call.parameters.TagValuesToAdd);
  const remove = fold(call.parameters.TagValuesToDelete);
  if (add.length > 50 || remove.length > 50) throw invalidInput('An LF-Tag takes at most 50 values in a call.');
  const missing = remove.filter((value) => !tag.values.includes(value));
  if (missing.length > 0)
    throw entityNotFound(`Tag value(s) [${missing.join(', ')}] do not exist for tag key ${tag.key}.`);
  const values = [...new Set([...tag.values, ...add])].filter((value) => !remove.includes(value)).sort();
  if (values.length === 0) throw invalidInput('An LF-Tag must keep at least one value.');
  if (values.length > VALUES_PER_KEY) throw invalidInput('The number of values of the LF-Tag exceeds the limit.');
  const inUse = [...assignmentTable(world).shared()].filter(
    ({ place, tags }) => place.catalog === tag.catalog && remove.includes(tags[tag.key] ?? ''),
  );
  // AWS page: Lake Formation API reference, UpdateLFTag.
  if (inUse.length > 0) throw invalidInput('Update not allowed: a value to delete is attached to a resource.');
  tagTable(world).put(`${tag.catalog}|${tag.key}`, { ...tag, values });
  return {};
}

/** DeleteLFTag removes the tag, its assignments and the permissions that name it. */
export function deleteLfTag(call: Call, world: World): unknown {
  catalogOf(call);
  const tag = requireTag(call, world);
  requireTagPermission(call, world, 'DROP', { catalog: tag.catalog, TagKey: tag.key, TagValues: tag.values });
  tagTable(world).delete(`${tag.catalog}|${tag.key}`);
  dropAssignments(world, tag.catalog, tag.key);
  forgetTargets(world, call, (target) => {
    const conditions = target.tag ? [target.tag] : (target.policy?.expression ?? []);
    return target.catalog === tag.catalog && conditions.some((condition) => condition.TagKey === tag.key);
  });
  return {};
}

function dropAssignments(world: World, catalog: string, key: string): void {
  for (const { place, tags } of [...assignmentTable(world).values()]) {
    if (place.catalog === catalog && tags[key] !== undefined) saveAssignments(world, place, withoutKeys(tags, [key]));
  }
}

function withoutKeys(tags: TagValues, keys: string[]): TagValues {
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !keys.includes(key)));
}

function saveAssignments(world: World, place: TagPlace, tags: TagValues): void {
  if (Object.keys(tags).length === 0) assignmentTable(world).delete(placeKey(place));
  else assignmentTable(world).put(placeKey(place), { place, tags });
}

/** GetLFTag: of another account's tag the values that the caller may see. */
export function getLfTag(call: Call, world: World): unknown {
  const tag = requireTag(call, world);
  const values = visibleValues(call, world, tag);
  if (values.length === 0) throw denied(`tag ${tag.key}`);
  return { CatalogId: tag.catalog, TagKey: tag.key, TagValues: values };
}

/**
 * ListLFTags: those that the caller may see, with the values that he may see; those of other accounts only with
 * ResourceShareType ALL or FOREIGN, and on pages of their own. AWS page: TBAC-listing-tags.
 */
export function listLfTags(call: Call, world: World): unknown {
  const catalog = catalogOf(call);
  const type: string | undefined = call.parameters.ResourceShareType;
  const seen = [...tagTable(world).shared()]
    .map((tag) => ({ CatalogId: tag.catalog, TagKey: tag.key, TagValues: visibleValues(call, world, tag) }))
    .filter(({ TagValues }) => TagValues.length > 0)
    .sort((a, b) => (a.CatalogId + a.TagKey < b.CatalogId + b.TagKey ? -1 : 1));
  const own = type === 'FOREIGN' ? [] : seen.filter(({ CatalogId }) => CatalogId === catalog);
  const foreign = type === 'ALL' || type === 'FOREIGN' ? seen.filter(({ CatalogId }) => CatalogId !== catalog) : [];
  const { page, next } = pageOf([...own, ...foreign], {
    max: call.parameters.MaxResults,
    token: call.parameters.NextToken,
    most: 1000,
    apart: own.length,
    refuse: invalidInput,
  });
  return defined({ LFTags: page, NextToken: next });
}

/** The places that a Resource names: a database, a table, or each named column. */
function placesOf(call: Call, world: World): { target: Target; places: TagPlace[] } {
  requireMembers(call.parameters, ['Resource']);
  const { target, scope, byColumns } = readTarget(call.parameters.Resource, call.parameters.CatalogId ?? call.account);
  if (target.kind !== 'DATABASE' && target.kind !== 'TABLE')
    throw invalidInput('LF-Tags go on databases, tables and columns.');
  allTargetsExist(world, target, scope);
  const { catalog, database = '', table } = target;
  if (table === undefined) return { target, places: [{ catalog, database }] };
  if (!byColumns) return { target, places: [{ catalog, database, table }] };
  if (!('names' in scope)) throw invalidInput('Name the columns that the LF-Tags are for.');
  return { target, places: scope.names.map((column) => ({ catalog, database, table, column })) };
}

interface TagFailure {
  LFTag: unknown;
  Error: { ErrorCode: string; ErrorMessage: string };
}

function changeAssignments(
  call: Call,
  world: World,
  change: (tags: TagValues, tag: OwnedCondition) => TagValues,
): unknown {
  requireMembers(call.parameters, ['LFTags']);
  const { target, places } = placesOf(call, world);
  requireMayTag(call, world, target);
  const failures: TagFailure[] = [];
  const given: Record<string, unknown>[] = call.parameters.LFTags;
  const keys = given.map(({ TagKey }) => String(TagKey).toLowerCase());
  if (new Set(keys).size < keys.length) throw invalidInput('Provided list of tags contains duplicate tag key');
  for (const pair of given) {
    try {
      const tag = { ...normalCondition(pair), catalog: target.catalog };
      // A tag and what it is assigned to are of one account. AWS page: TBAC-assigning-tags.
      if (pair.CatalogId !== undefined && pair.CatalogId !== target.catalog) {
        throw invalidInput(`The LF-Tag and the resource must be in the same account, not ${String(pair.CatalogId)}.`);
      }
      requireAssociate(call, world, tag);
      const next = places.map((place) => ({ place, tags: change(assignedTags(world, place), tag) }));
      for (const { place, tags } of next) saveAssignments(world, place, tags);
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      failures.push({ LFTag: pair, Error: { ErrorCode: error.code, ErrorMessage: error.message } });
    }
  }
  return failures.length > 0 ? { Failures: failures } : {};
}

/** AddLFTagsToResource: one value per key and resource; the value given last replaces the one before. */
export function addLfTagsToResource(call: Call, world: World): unknown {
  return changeAssignments(call, world, (tags, tag) => {
    requireTagValues(world, tag.catalog, tag);
    const [value, second] = tag.TagValues;
    if (value === undefined || second !== undefined) throw invalidInput('A resource takes one value per tag key.');
    const next = { ...tags, [tag.TagKey]: value };
    if (Object.keys(next).length > TAGS_PER_RESOURCE) throw invalidInput('A resource takes at most 50 LF-Tags.');
    return next;
  });
}

/** RemoveLFTagsFromResource removes what is assigned to the resource itself; an inherited tag is not there to remove. */
export function removeLfTagsFromResource(call: Call, world: World): unknown {
  return changeAssignments(call, world, (tags, tag) => {
    if (tags[tag.TagKey] === undefined) throw entityNotFound(`Tag key ${tag.TagKey} is not assigned to the resource.`);
    return withoutKeys(tags, [tag.TagKey]);
  });
}

/** GetResourceLFTags: tags with those inherited, or with ShowAssignedLFTags only the assigned ones. */
export function getResourceLfTags(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['Resource']);
  const { target } = readTarget(call.parameters.Resource, call.parameters.CatalogId ?? call.account);
  allTargetsExist(world, target, { excluded: [] });
  const { catalog, database = '', table } = target;
  if (!mayDescribe(world, call, target)) throw denied(describeTarget(target));
  const read = call.parameters.ShowAssignedLFTags ? assignedTags : effectiveTags;
  const pairs = (place: TagPlace) =>
    Object.entries(read(world, place)).map(([TagKey, value]) => ({ CatalogId: catalog, TagKey, TagValues: [value] }));
  const record = table ? findTable(world, { catalog, database, table }) : undefined;
  if (!record || !table) return { LFTagOnDatabase: unlessEmpty(pairs({ catalog, database })) };
  const columns = columnNames(record)
    .map((column) => ({ Name: column, LFTags: pairs({ catalog, database, table, column }) }))
    .filter((column) => column.LFTags.length > 0);
  return {
    LFTagOnDatabase: unlessEmpty(pairs({ catalog, database })),
    LFTagsOnTable: unlessEmpty(pairs({ catalog, database, table })),
    LFTagsOnColumns: columns,
  };
}

/** A list of tags has at least one in AWS's model (Lake Formation API reference, GetResourceLFTags); an empty one is left out. */
const unlessEmpty = <T>(list: T[]): T[] | undefined => (list.length > 0 ? list : undefined);

/** Forgets what was assigned to a database, its tables and their columns, or to one table. */
export function forgetTags(world: World, gone: { catalog: string; database: string; table?: string }): void {
  for (const { place } of [...assignmentTable(world).values()]) {
    const inside = place.catalog === gone.catalog && place.database === gone.database;
    if (inside && (gone.table === undefined || place.table === gone.table))
      assignmentTable(world).delete(placeKey(place));
  }
}
