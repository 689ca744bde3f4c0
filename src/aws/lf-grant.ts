import {
  BatchGrantPermissionsCommand,
  type BatchPermissionsFailureEntry,
  type BatchPermissionsRequestEntry,
  BatchRevokePermissionsCommand,
  type Permission,
  type Resource,
} from '@aws-sdk/client-lakeformation';
import type { LfResource } from '../provisioning/lake-resource.js';
import type { Change, Item, Observation, Outcome } from '../provisioning/provider.js';
import { compared, DONE, inParallel, look } from './attempt.js';
import { classify, classifyEntry, isAwsFailure, isNotFound, isNothingToRevoke } from './errors.js';
import { type Held, listAll, listHeld } from './lf-held.js';
import {
  afterRevoke,
  asListed,
  describeRow,
  excessRows,
  heldPermissions,
  missingRows,
  type PermissionRow,
  permissionType,
  type Wanted,
  wantedRows,
  withoutVanished,
} from './lf-permissions.js';
import { columnsResource, lfResource } from './lf-resource.js';
import type { AwsProvider, AwsSession } from './session.js';

type GrantItem = Item<'LfGrant'>;

/** An entry of a batch call, and the item that it is for. */
interface Entry {
  item: GrantItem;
  row: PermissionRow;
}

/** Entries of one batch call (Lake Formation API reference, BatchGrantPermissions). */
const ENTRIES = 20;
const READS = 4;
const NOTHING: Wanted = { permissions: {}, grantable: {} };

/** The permissions of one principal on one resource, exactly: what is missing is granted, what is too much is revoked. */
export const lfGrant: AwsProvider<'LfGrant'> = {
  kind: 'LfGrant',
  batchSize: ENTRIES,
  observe,
  listAll,
  apply,
  remove,
  calls: (account, item, action) =>
    plannedEntries(item, action).flatMap(({ operation, entries }) =>
      batchesOf(entries).map((batch) => ({
        service: 'lakeformation',
        operation,
        parameters: batchInput(account, batch),
      })),
    ),
};

/** What would be revoked, then granted, where AWS holds what was wanted so far. */
function plannedEntries(item: GrantItem, action: 'CREATE' | 'UPDATE' | 'DELETE') {
  const { spec, before } = item;
  const type = permissionType(spec.resource);
  const held = action === 'CREATE' ? [] : wantedRows(action === 'DELETE' ? spec : (before ?? NOTHING));
  const listed = asListed(held, type);
  const wanted = action === 'DELETE' ? NOTHING : spec;
  const revoked = excessRows(wanted, listed, type);
  const missing = missingRows(wanted, afterRevoke(listed, revoked));
  return [
    { operation: 'BatchRevokePermissions', entries: revoked.map((row) => ({ item, row })) },
    { operation: 'BatchGrantPermissions', entries: missing.map((row) => ({ item, row })) },
  ];
}

async function observe(session: AwsSession, items: GrantItem[]): Promise<Observation[]> {
  const listings = await listHeld(session, items);
  return inParallel(items, READS, (item) =>
    look(async () => {
      const { rows, vanished, shares } = await listings(item);
      const live = withoutVanished(rows, vanished);
      const missing = missingRows(item.spec, rows);
      const excess = excessRows(item.spec, live, permissionType(item.spec.resource));
      if (live.length === 0) return { state: 'MISSING' };
      const observed = {
        permissions: heldPermissions(rows, 'permissions'),
        grantable: heldPermissions(rows, 'grantable'),
        rows,
        ...(vanished.length > 0 ? { vanished } : {}),
        ...(shares.length > 0 ? { resourceShares: shares } : {}),
      };
      return compared(observed, [
        ...missing.map((row) => `lacks ${describeRow(row)}`),
        ...excess.map((row) => `holds ${describeRow(row)}, which nobody asked for`),
      ]);
    }),
  );
}

async function apply(session: AwsSession, changes: Change<'LfGrant'>[]): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  const observed = new Map(changes.map(({ item, observation }) => [item.id, seenIn(observation)]));
  const items = changes.map((change) => change.item);
  const excess = items.flatMap((item) =>
    excessRows(item.spec, liveRows(observed.get(item.id)), permissionType(item.spec.resource)).map((row) => ({
      item,
      row,
    })),
  );
  await sendEntries(session, 'REVOKE', excess, outcomes);
  // What a revoke left is read, not computed: AWS merges and splits rows as it sees fit.
  const revoked = [...new Set(excess.map(({ item }) => item))].filter((item) => !outcomes.has(item.id));
  const listings = await listHeld(session, revoked);
  for (const item of revoked) {
    await keepFailure(outcomes, [item], async () => observed.set(item.id, await listings(item)));
  }
  const missing = items
    .filter((item) => !outcomes.has(item.id))
    .flatMap((item) => missingRows(item.spec, observed.get(item.id)?.rows ?? []).map((row) => ({ item, row })));
  await sendEntries(session, 'GRANT', missing, outcomes);
  return items.map((item) => outcomes.get(item.id) ?? DONE);
}

async function remove(session: AwsSession, items: GrantItem[]): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  const listings = await listHeld(session, items);
  const held: Entry[] = [];
  for (const item of items) {
    await keepFailure(outcomes, [item], async () => {
      const listed = await unlessGone(listings(item));
      // A listing may be older than a grant that was sent: then its whole spec is revoked, listed or not.
      const sent = item.unconfirmed && listed ? withoutVanished(wantedRows(item.spec), listed.vanished) : [];
      const rows = [...liveRows(listed), ...sent];
      held.push(...excessRows(NOTHING, rows, permissionType(item.spec.resource)).map((row) => ({ item, row })));
    });
  }
  await sendEntries(session, 'REVOKE', held, outcomes);
  return items.map((item) => outcomes.get(item.id) ?? DONE);
}

/** With the object its permissions are gone too. */
async function unlessGone(listing: Promise<Held>): Promise<Held | undefined> {
  try {
    return await listing;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function liveRows(held: Pick<Held, 'rows' | 'vanished'> | undefined): PermissionRow[] {
  return held ? withoutVanished(held.rows, held.vanished) : [];
}

function seenIn(observation: Change<'LfGrant'>['observation']): Pick<Held, 'rows' | 'vanished'> {
  const seen: Partial<Held> = observation.state === 'MISSING' ? {} : observation.observed;
  return { rows: seen.rows ?? [], vanished: seen.vanished ?? [] };
}

/** Sends entries in batches of 20; `outcomes` gets the failures, by item. */
async function sendEntries(
  session: AwsSession,
  action: 'GRANT' | 'REVOKE',
  entries: Entry[],
  outcomes: Map<string, Outcome>,
): Promise<void> {
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
          recordFailure({ outcomes, action, failure, requestId: answer.$metadata.requestId });
        }
      },
    );
  }
}

/**
 * Entries in calls of at most 20, and never two of one principal on one resource in the same call: AWS gives no order
 * within a call, so the second might undo or meet the first.
 */
function batchesOf(entries: Entry[]): Entry[][] {
  const rounds: Entry[][] = [];
  const seen = new Map<string, number>();
  for (const entry of entries) {
    const round = seen.get(entry.item.id) ?? 0;
    seen.set(entry.item.id, round + 1);
    const list = rounds[round] ?? [];
    rounds[round] = list;
    list.push(entry);
  }
  return rounds.flatMap((round) =>
    Array.from({ length: Math.ceil(round.length / ENTRIES) }, (_, n) => round.slice(n * ENTRIES, (n + 1) * ENTRIES)),
  );
}

/** The input of BatchGrantPermissions and BatchRevokePermissions; CatalogId is the account called, the entries name the owner. */
function batchInput(account: string, entries: Entry[]): { CatalogId: string; Entries: BatchPermissionsRequestEntry[] } {
  return { CatalogId: account, Entries: entries.map(toEntry) };
}

function toEntry({ item, row }: Entry): BatchPermissionsRequestEntry {
  const { principal, resource } = item.spec;
  return {
    Id: item.id,
    Principal: { DataLakePrincipalIdentifier: principal },
    Resource: scopedResource(resource, row),
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
  const gone = isNothingToRevoke({ name: code, message }) || code === 'EntityNotFoundException';
  if (action === 'REVOKE' && gone) return;
  const error = classifyEntry({ code, message, requestId });
  // A column went between listing and revoke: the next look knows the table's columns.
  const vanished = action === 'REVOKE' && code === 'InvalidInputException' && /columns? not found/i.test(message ?? '');
  outcomes.set(failure.RequestEntry?.Id ?? '', {
    ok: false,
    error: vanished ? { ...error, treatment: 'OBSERVE' } : error,
  });
}

/** A failure of the call as a whole counts for each item in it. */
async function keepFailure(
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
