import {
  BatchGrantPermissionsCommand,
  type BatchPermissionsFailureEntry,
  type BatchPermissionsRequestEntry,
  BatchRevokePermissionsCommand,
  type Permission,
  type Resource,
} from '@aws-sdk/client-lakeformation';
import { chunksOf } from '../provisioning/group.js';
import type { LfResource } from '../provisioning/lake-resource.js';
import type { Item, Outcome } from '../provisioning/provider.js';
import { classify, classifyEntry, isAwsFailure, isNothingToRevoke } from './errors.js';
import type { PermissionRow } from './lf-permissions.js';
import { columnsResource, lfResource, tagResource } from './lf-resource.js';
import type { AwsSession } from './session.js';

type GrantItem = Item<'LfGrant'>;

/** An entry of a batch call, and the item that it is for. */
export interface Entry {
  item: GrantItem;
  row: PermissionRow;
  /** For a tag's value: the lists of values that it is listed with. */
  tagLists?: string[][];
  /** For a tag: the values that it is on, in place of the one of its item. */
  tagValues?: string[];
}

/** Entries of one batch call (Lake Formation API reference, BatchGrantPermissions). */
export const ENTRIES = 20;

/** Sends entries in batches of 20; `outcomes` gets the failures, by item. */
export async function sendEntries(
  session: AwsSession,
  action: 'GRANT' | 'REVOKE',
  entries: Entry[],
  outcomes: Map<string, Outcome>,
): Promise<void> {
  const unfound: Entry[] = [];
  for (const batch of batchesOf(entries)) {
    const input = batchInput(session.account, batch);
    await keepFailure(
      outcomes,
      batch.map(({ item }) => item),
      async () => {
        const answer =
          action === 'GRANT'
            ? await session.lakeFormation.send(new BatchGrantPermissionsCommand(input))
            : await session.lakeFormation.send(new BatchRevokePermissionsCommand(input));
        for (const failure of answer.Failures ?? []) {
          const entry = batch.find(({ item }) => item.id === failure.RequestEntry?.Id);
          if (action === 'REVOKE' && isGone(failure)) unfound.push(...(entry ? [entry] : []));
          else recordFailure({ outcomes, action, failure, requestId: answer.$metadata.requestId });
        }
      },
    );
  }
  // A tag's permission that was given for several values at once may be taken back for all of them alone.
  const together = unfound.flatMap(({ tagLists = [], ...entry }) =>
    tagLists.map((tagValues) => ({ ...entry, tagValues })),
  );
  if (together.length > 0) await sendEntries(session, action, together, outcomes);
}

/** Nothing is held there, or it went with its object: a revoke has nothing to do. */
function isGone({ Error: error }: BatchPermissionsFailureEntry): boolean {
  const { ErrorCode: name, ErrorMessage: message } = error ?? {};
  return isNothingToRevoke({ name, message }) || name === 'EntityNotFoundException';
}

/**
 * Entries in calls of at most 20, and never two of one principal on one resource in the same call: AWS gives no order
 * within a call, so the second might undo or meet the first.
 */
export function batchesOf(entries: Entry[]): Entry[][] {
  const rounds: Entry[][] = [];
  const seen = new Map<string, number>();
  for (const entry of entries) {
    // Values of a tag that are taken back together are of several items.
    const { item, tagValues } = entry;
    const place = tagValues ? `${item.spec.principal} ${JSON.stringify(toEntry(entry).Resource)}` : item.id;
    const round = seen.get(place) ?? 0;
    seen.set(place, round + 1);
    const list = rounds[round] ?? [];
    rounds[round] = list;
    list.push(entry);
  }
  return rounds.flatMap((round) => chunksOf(round, ENTRIES));
}

/** The input of BatchGrantPermissions and BatchRevokePermissions; CatalogId is the account called, the entries name the owner. */
export function batchInput(
  account: string,
  entries: Entry[],
): { CatalogId: string; Entries: BatchPermissionsRequestEntry[] } {
  return { CatalogId: account, Entries: entries.map(toEntry) };
}

function toEntry({ item, row, tagValues }: Entry): BatchPermissionsRequestEntry {
  const { principal, resource } = item.spec;
  return {
    Id: item.id,
    Principal: { DataLakePrincipalIdentifier: principal },
    Resource:
      tagValues && resource.type === 'LF_TAG' ? tagResource(resource, tagValues) : scopedResource(resource, row),
    Permissions: row.permissions as Permission[],
    ...(row.grantable.length > 0 ? { PermissionsWithGrantOption: row.grantable as Permission[] } : {}),
  };
}

function scopedResource(resource: LfResource, { scope }: PermissionRow): Resource {
  if (scope === 'ALL_COLUMNS' || resource.type !== 'TABLE') return lfResource(resource);
  if ('columns' in scope) return columnsResource(resource, scope.columns);
  const { catalogId, database, table } = resource;
  const wildcard = { ColumnWildcard: { ExcludedColumnNames: scope.allExcept } };
  return { TableWithColumns: { CatalogId: catalogId, DatabaseName: database, Name: table, ...wildcard } };
}

interface EntryFailure {
  outcomes: Map<string, Outcome>;
  action: 'GRANT' | 'REVOKE';
  failure: BatchPermissionsFailureEntry;
  requestId: string | undefined;
}

function recordFailure({ outcomes, action, failure, requestId }: EntryFailure): void {
  const { ErrorCode: code, ErrorMessage: message } = failure.Error ?? {};
  const error = classifyEntry({ code, message, requestId });
  // A column went between listing and revoke: the next look knows the table's columns.
  const vanished = action === 'REVOKE' && code === 'InvalidInputException' && /columns? not found/i.test(message ?? '');
  outcomes.set(failure.RequestEntry?.Id ?? '', {
    ok: false,
    error: vanished ? { ...error, treatment: 'OBSERVE' } : error,
  });
}

/** A failure of the call as a whole counts for each item in it. */
export async function keepFailure(
  outcomes: Map<string, Outcome>,
  items: GrantItem[],
  calls: () => Promise<unknown>,
): Promise<void> {
  try {
    await calls();
  } catch (error) {
    if (!isAwsFailure(error)) throw error;
    for (const item of items) outcomes.set(item.id, { ok: false, error: classify(error) });
  }
}
