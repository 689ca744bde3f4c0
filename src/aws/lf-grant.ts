import {
  BatchGrantPermissionsCommand,
  type BatchPermissionsFailureEntry,
  type BatchPermissionsRequestEntry,
  BatchRevokePermissionsCommand,
  GetDataLakeSettingsCommand,
  type Permission,
  type PrincipalResourcePermissions,
  type Resource,
} from '@aws-sdk/client-lakeformation';
import { type LfResource, lfResourceText } from '../provisioning/kinds.js';
import type { Change, Item, Observation, Outcome } from '../provisioning/provider.js';
import { compared, DONE, inParallel, look } from './attempt.js';
import { classify, classifyEntry, isAwsFailure, isNotFound, isNothingToRevoke } from './errors.js';
import {
  describeRow,
  excessRows,
  heldPermissions,
  missingRows,
  type PermissionRow,
  type Wanted,
  wantedRows,
} from './lf-permissions.js';
import { columnsResource, lfResource, listPermissions } from './lf-resource.js';
import type { AwsProvider, AwsSession } from './session.js';

type GrantItem = Item<'LfGrant'>;

/** An entry of a batch call, and the item that it is for. */
interface Entry {
  item: GrantItem;
  row: PermissionRow;
}

/** What a listing holds for one item. */
interface Held {
  rows: PermissionRow[];
  /** The RAM shares that carry the grant to another account. */
  shares: string[];
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
  apply,
  remove,
  calls: (account, item, action) => [
    {
      service: 'lakeformation',
      operation: action === 'DELETE' ? 'BatchRevokePermissions' : 'BatchGrantPermissions',
      parameters: batchInput(
        account,
        wantedRows(item.spec).map((row) => ({ item, row })),
      ),
    },
  ],
};

async function observe(session: AwsSession, items: GrantItem[]): Promise<Observation[]> {
  const listings = await listHeld(session, items);
  return inParallel(items, READS, (item) =>
    look(async () => {
      const { rows, shares } = await listings(item);
      const missing = missingRows(item.spec, rows);
      const excess = excessRows(item.spec, rows, item.spec.resource.type);
      if (rows.length === 0) return { state: 'MISSING' };
      const observed = {
        permissions: heldPermissions(rows, 'permissions'),
        grantable: heldPermissions(rows, 'grantable'),
        rows,
        ...(shares.length > 0 ? { resourceShares: shares } : {}),
      };
      return compared(observed, [
        ...missing.map((row) => `lacks ${describeRow(row)}`),
        ...excess.map((row) => `holds ${describeRow(row)}, which nobody asked for`),
      ]);
    }),
  );
}

/** Lists each resource once for all items on it; the function answers an item's rows or throws what its listing threw. */
async function listHeld(session: AwsSession, items: GrantItem[]): Promise<(item: GrantItem) => Promise<Held>> {
  const resources = new Map(items.map((item) => [lfResourceText(item.spec.resource), item.spec.resource]));
  const listings = new Map<string, PrincipalResourcePermissions[] | { failed: unknown }>();
  await inParallel([...resources], READS, async ([text, resource]) => {
    try {
      listings.set(text, await listPermissions(session, { Resource: lfResource(resource) }));
    } catch (error) {
      if (!isAwsFailure(error)) throw error;
      listings.set(text, { failed: error });
    }
  });
  let admins: Promise<Set<string>> | undefined;
  return async (item) => {
    const { principal, resource } = item.spec;
    const listing = listings.get(lfResourceText(resource)) ?? [];
    if ('failed' in listing) throw listing.failed;
    const own = listing.filter(
      (row) => row.Principal?.DataLakePrincipalIdentifier === principal && isOn(row.Resource, resource),
    );
    if (own.every((row) => row.LastUpdated)) return heldIn(own);
    // An administrator's implicit row was never granted, so it carries no time of change: it neither counts nor can be revoked.
    admins ??= administrators(session);
    const implicit = (await admins).has(principal);
    return heldIn(own.filter((row) => row.LastUpdated || !implicit));
  };
}

async function administrators(session: AwsSession): Promise<Set<string>> {
  const answer = await session.lakeFormation.send(new GetDataLakeSettingsCommand({ CatalogId: session.account }));
  const names = answer.DataLakeSettings?.DataLakeAdmins?.map((admin) => admin.DataLakePrincipalIdentifier ?? '');
  return new Set(names);
}

function heldIn(rows: PrincipalResourcePermissions[]): Held {
  const shares = rows.flatMap((row) => row.AdditionalDetails?.ResourceShare ?? []);
  return { rows: rows.map(toRow), shares: [...new Set(shares)].sort() };
}

/** A listing of a table also answers rows of the database's table wildcard and of data filters: those are other resources. */
function isOn(row: Resource | undefined, resource: LfResource): boolean {
  switch (resource.type) {
    case 'CATALOG':
      return row?.Catalog !== undefined;
    case 'DATABASE':
      return row?.Database?.Name === resource.database;
    case 'TABLE': {
      const table = row?.Table ?? row?.TableWithColumns;
      const wildcard = row?.Table?.TableWildcard !== undefined;
      return !wildcard && table?.DatabaseName === resource.database && table.Name === resource.table;
    }
  }
}

/** Table and TableWithColumns are answered interchangeably: a column wildcard without exclusions is the whole table. */
function toRow(row: PrincipalResourcePermissions): PermissionRow {
  const { ColumnNames: columns, ColumnWildcard: wildcard } = row.Resource?.TableWithColumns ?? {};
  const except = wildcard?.ExcludedColumnNames ?? [];
  const held = { permissions: row.Permissions ?? [], grantable: row.PermissionsWithGrantOption ?? [] };
  if (except.length > 0) return { scope: { allExcept: [...except].sort() }, ...held };
  if (columns && columns.length > 0)
    return { scope: { columns: columns.map((name) => name.toLowerCase()).sort() }, ...held };
  return { scope: 'ALL_COLUMNS', ...held };
}

async function apply(session: AwsSession, changes: Change<'LfGrant'>[]): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  const observed = new Map(changes.map(({ item, observation }) => [item.id, rowsOf(observation)]));
  const items = changes.map((change) => change.item);
  const excess = items.flatMap((item) =>
    excessRows(item.spec, observed.get(item.id) ?? [], item.spec.resource.type).map((row) => ({ item, row })),
  );
  await sendEntries(session, 'REVOKE', excess, outcomes);
  // What a revoke left is read, not computed: AWS merges and splits rows as it sees fit.
  const revoked = [...new Set(excess.map(({ item }) => item))].filter((item) => !outcomes.has(item.id));
  const listings = await listHeld(session, revoked);
  for (const item of revoked) {
    await keepFailure(outcomes, [item], async () => observed.set(item.id, (await listings(item)).rows));
  }
  const missing = items
    .filter((item) => !outcomes.has(item.id))
    .flatMap((item) => missingRows(item.spec, observed.get(item.id) ?? []).map((row) => ({ item, row })));
  await sendEntries(session, 'GRANT', missing, outcomes);
  return items.map((item) => outcomes.get(item.id) ?? DONE);
}

async function remove(session: AwsSession, items: GrantItem[]): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  const listings = await listHeld(session, items);
  const held: Entry[] = [];
  for (const item of items) {
    await keepFailure(outcomes, [item], async () => {
      const rows = await unlessGone(listings(item));
      held.push(...excessRows(NOTHING, rows, item.spec.resource.type).map((row) => ({ item, row })));
    });
  }
  await sendEntries(session, 'REVOKE', held, outcomes);
  return items.map((item) => outcomes.get(item.id) ?? DONE);
}

/** With the object its permissions are gone too. */
async function unlessGone(listing: Promise<Held>): Promise<PermissionRow[]> {
  try {
    return (await listing).rows;
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

function rowsOf(observation: Change<'LfGrant'>['observation']): PermissionRow[] {
  if (observation.state === 'MISSING') return [];
  return (observation.observed as { rows?: PermissionRow[] }).rows ?? [];
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
  outcomes.set(failure.RequestEntry?.Id ?? '', { ok: false, error: classifyEntry({ code, message, requestId }) });
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
