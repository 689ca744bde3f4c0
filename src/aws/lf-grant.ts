import type { Change, Item, Observation, Outcome } from '../provisioning/provider.js';
import { compared, DONE, inParallel, look } from './attempt.js';
import { isNotFound } from './errors.js';
import { batchesOf, batchInput, ENTRIES, type Entry, keepFailure, sendEntries } from './lf-entries.js';
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
import type { AwsProvider, AwsSession } from './session.js';

type GrantItem = Item<'LfGrant'>;

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
      const { rows, vanished, tagLists, shares } = await listings(item);
      const live = withoutVanished(rows, vanished);
      const missing = missingRows(item.spec, rows);
      const excess = excessRows(item.spec, live, permissionType(item.spec.resource));
      if (live.length === 0) return { state: 'MISSING' };
      const observed = {
        permissions: heldPermissions(rows, 'permissions'),
        grantable: heldPermissions(rows, 'grantable'),
        rows,
        ...(vanished.length > 0 ? { vanished } : {}),
        ...(tagLists.length > 0 ? { tagLists } : {}),
        ...(shares.length > 0 ? { resourceShares: shares } : {}),
      };
      const found = compared(observed, [
        ...missing.map((row) => `lacks ${describeRow(row)}`),
        ...excess.map((row) => `holds ${describeRow(row)}, which nobody asked for`),
      ]);
      return found.state === 'DIFFERS' && excess.length > 0 ? { ...found, excess: true } : found;
    }),
  );
}

async function apply(session: AwsSession, changes: Change<'LfGrant'>[]): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  const observed = new Map(changes.map(({ item, observation }) => [item.id, seenIn(observation)]));
  const items = changes.map((change) => change.item);
  const excess = items.flatMap((item) => {
    const held = observed.get(item.id);
    const rows = excessRows(item.spec, liveRows(held), permissionType(item.spec.resource));
    return rows.map((row) => ({ item, row, tagLists: held?.tagLists ?? [] }));
  });
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
      const all = excessRows(NOTHING, rows, permissionType(item.spec.resource));
      held.push(...all.map((row) => ({ item, row, tagLists: listed?.tagLists ?? [] })));
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

function seenIn(observation: Change<'LfGrant'>['observation']): Pick<Held, 'rows' | 'vanished' | 'tagLists'> {
  const seen: Partial<Held> = observation.state === 'MISSING' ? {} : observation.observed;
  return { rows: seen.rows ?? [], vanished: seen.vanished ?? [], tagLists: seen.tagLists ?? [] };
}
