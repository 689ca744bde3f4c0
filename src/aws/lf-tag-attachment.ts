import {
  AddLFTagsToResourceCommand,
  GetResourceLFTagsCommand,
  type GetResourceLFTagsCommandOutput,
  type LFTagError,
  RemoveLFTagsFromResourceCommand,
  type Resource,
} from '@aws-sdk/client-lakeformation';
import type { SpecOf } from '../provisioning/kinds.js';
import { lfResourceText } from '../provisioning/lake-resource.js';
import type { Item, Observation, Outcome } from '../provisioning/provider.js';
import { compared, DONE, differs, inParallel, look } from './attempt.js';
import { classify, classifyEntry, isAwsFailure, isNotFound } from './errors.js';
import { columnsResource, lfResource } from './lf-resource.js';
import type { AwsProvider, AwsSession } from './session.js';

type TagItem = Item<'LfTagAttachment'>;
type Spec = SpecOf<'LfTagAttachment'>;

const READS = 4;
/** LF-tags in one AddLFTagsToResource, and on one resource. */
const TAGS = 50;

/** The value of one LF-tag on a database, a table or some columns; tags of one resource go out in one call. */
export const lfTagAttachment: AwsProvider<'LfTagAttachment'> = {
  kind: 'LfTagAttachment',
  batchSize: TAGS,
  observe,
  async apply(session, changes) {
    const items = changes.map(({ item }) => item);
    const added = await send(session, 'ADD', items);
    const extra = changes.map(({ item, observation }, n) => (added[n]?.ok ? strayItems(item, observation) : []));
    const removed = await removeEach(session, extra);
    return items.map((_, n) => (added[n]?.ok ? (removed[n] ?? DONE) : (added[n] ?? DONE)));
  },
  remove: async (session, items) => {
    // What the resource only inherits is not there to remove, so each is looked at first.
    const seen = await observe(session, items);
    return removeEach(
      session,
      items.map((item, index) => {
        const observation = seen[index];
        return observation && observation.state !== 'MISSING' ? [item, ...strayItems(item, observation)] : [];
      }),
    );
  },
  calls: (account, item, action) => {
    const call = (operation: string, on: TagItem) => ({
      service: 'lakeformation',
      operation,
      parameters: tagsInput(account, [on]),
    });
    if (action === 'DELETE') return [call('RemoveLFTagsFromResource', item)];
    const { before, spec } = item;
    const dropped = before?.columns?.filter((column) => !spec.columns?.includes(column)) ?? [];
    const stray = Object.fromEntries(dropped.map((column) => [column, before?.value ?? spec.value]));
    return [
      call('AddLFTagsToResource', item),
      ...itemsOn(item, stray).map((each) => call('RemoveLFTagsFromResource', each)),
    ];
  },
};

/** The same tag on columns that it was not asked for, such as those of an earlier spec, each as an item of its own. */
function strayItems(item: TagItem, observation: Observation): TagItem[] {
  const { stray = {} } = ('observed' in observation ? observation.observed : {}) as { stray?: Record<string, string> };
  return itemsOn(item, stray);
}

/** One item for each column, with the value that it has there. */
function itemsOn(item: TagItem, values: Record<string, string>): TagItem[] {
  return Object.entries(values).map(([column, value]) => ({
    ...item,
    spec: { ...item.spec, columns: [column], value },
  }));
}

/** Removes lists of items and answers one outcome a list: the first failure in it. */
async function removeEach(session: AwsSession, lists: TagItem[][]): Promise<Outcome[]> {
  const all = lists.flat();
  const outcomes = new Map((await send(session, 'REMOVE', all)).map((outcome, n) => [all[n], outcome]));
  return lists.map((list) => list.map((item) => outcomes.get(item) ?? DONE).find(({ ok }) => !ok) ?? DONE);
}

async function observe(session: AwsSession, items: TagItem[]): Promise<Observation[]> {
  const reads = new Map<string, Promise<GetResourceLFTagsCommandOutput>>();
  const read = ({ resource }: Spec) => {
    const text = lfResourceText(resource);
    const started = reads.get(text) ?? readTags(session, lfResource(resource));
    reads.set(text, started);
    return started;
  };
  return inParallel(items, READS, ({ spec }) =>
    look(async () => {
      const tags = await read(spec);
      const values = spec.columns ? columnValues(tags, spec, spec.columns) : { '': ownValue(tags, spec) };
      const found = Object.entries(values).filter(([, value]) => value !== null);
      const stray = spec.columns ? strayValues(tags, spec, spec.columns) : {};
      if (found.length === 0 && Object.keys(stray).length === 0) return { state: 'MISSING' };
      const differences = Object.entries(values).flatMap(([column, value]) =>
        differs(column === '' ? spec.key : `${spec.key} on column ${column}`, value, spec.value.toLowerCase()),
      );
      const extra = Object.entries(stray).flatMap(([column, value]) =>
        differs(`${spec.key} on column ${column}`, value, null),
      );
      return compared({ key: spec.key, values: Object.fromEntries(found), stray }, [...differences, ...extra]);
    }),
  );
}

/** Assigned tags alone: an inherited value is not ours to compare. */
function readTags(session: AwsSession, resource: Resource): Promise<GetResourceLFTagsCommandOutput> {
  const input = { CatalogId: session.account, Resource: resource, ShowAssignedLFTags: true };
  return session.lakeFormation.send(new GetResourceLFTagsCommand(input));
}

function ownValue(tags: GetResourceLFTagsCommandOutput, { resource, key }: Spec): string | null {
  const pairs = resource.type === 'TABLE' ? tags.LFTagsOnTable : tags.LFTagOnDatabase;
  return pairs?.find(({ TagKey }) => TagKey === key.toLowerCase())?.TagValues?.[0] ?? null;
}

function columnValues(
  tags: GetResourceLFTagsCommandOutput,
  { key }: Spec,
  columns: string[],
): Record<string, string | null> {
  const valueOn = (column: string) => {
    const found = tags.LFTagsOnColumns?.find(({ Name }) => Name?.toLowerCase() === column.toLowerCase());
    return found?.LFTags?.find(({ TagKey }) => TagKey === key.toLowerCase())?.TagValues?.[0] ?? null;
  };
  return Object.fromEntries(columns.map((column) => [column, valueOn(column)]));
}

/** The values of the key on other columns: all columns of a table that carry it are one attachment's. */
function strayValues(tags: GetResourceLFTagsCommandOutput, { key }: Spec, columns: string[]): Record<string, string> {
  const wanted = new Set(columns.map((column) => column.toLowerCase()));
  const stray = (tags.LFTagsOnColumns ?? []).flatMap(({ Name: name = '', LFTags: pairs }) => {
    const value = pairs?.find(({ TagKey }) => TagKey === key.toLowerCase())?.TagValues?.[0];
    return value === undefined || wanted.has(name.toLowerCase()) ? [] : [[name, value]];
  });
  return Object.fromEntries(stray);
}

function place({ resource, columns }: Spec): Resource {
  return columns && resource.type === 'TABLE' ? columnsResource(resource, columns) : lfResource(resource);
}

/** The input of AddLFTagsToResource and RemoveLFTagsFromResource for items on one and the same place. */
function tagsInput(account: string, items: [TagItem, ...TagItem[]]) {
  return {
    CatalogId: account,
    Resource: place(items[0].spec),
    LFTags: items.map(({ spec }) => ({ CatalogId: account, TagKey: spec.key, TagValues: [spec.value] })),
  };
}

async function send(session: AwsSession, action: 'ADD' | 'REMOVE', items: TagItem[]): Promise<Outcome[]> {
  const groups = new Map<string, [TagItem, ...TagItem[]]>();
  for (const item of items) {
    const key = JSON.stringify(place(item.spec));
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  const outcomes = new Map<TagItem, Outcome>();
  for (const group of groups.values()) {
    for (const [item, outcome] of await sendGroup(session, action, group)) outcomes.set(item, outcome);
  }
  return items.map((item) => outcomes.get(item) ?? DONE);
}

async function sendGroup(
  session: AwsSession,
  action: 'ADD' | 'REMOVE',
  group: [TagItem, ...TagItem[]],
): Promise<[TagItem, Outcome][]> {
  const input = tagsInput(session.account, group);
  try {
    const answer =
      action === 'ADD'
        ? await session.lakeFormation.send(new AddLFTagsToResourceCommand(input))
        : await session.lakeFormation.send(new RemoveLFTagsFromResourceCommand(input));
    return (answer.Failures ?? []).flatMap((failure) => {
      const item = group.find(({ spec }) => spec.key.toLowerCase() === failure.LFTag?.TagKey?.toLowerCase());
      const outcome = outcomeOf(action, failure, answer.$metadata.requestId);
      return item && outcome ? [[item, outcome] as [TagItem, Outcome]] : [];
    });
  } catch (error) {
    if (!isAwsFailure(error)) throw error;
    if (action === 'REMOVE' && isNotFound(error)) return [];
    return group.map((item) => [item, { ok: false, error: classify(error) }]);
  }
}

function outcomeOf(
  action: 'ADD' | 'REMOVE',
  { Error: error }: LFTagError,
  requestId: string | undefined,
): Outcome | null {
  const { ErrorCode: code, ErrorMessage: message } = error ?? {};
  if (action === 'REMOVE' && code === 'EntityNotFoundException') return null;
  return { ok: false, error: classifyEntry({ code, message, requestId }) };
}
