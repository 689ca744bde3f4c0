import { columnsResource, lfResource } from '../../src/aws/lf-resource.js';
import type { SpecOf } from '../../src/provisioning/kinds.js';
import type { LfResource } from '../../src/provisioning/lake-resource.js';
import type { ProcessMesh } from '../testkit/process-mesh.js';

/** What somebody with rights of his own may do to an object of the mesh, and on which objects, in G and in the accounts. */
const HOW = {
  'a grant is taken away': { on: `"kind" = 'LfGrant'`, change: takeGrant },
  'a grant is widened': {
    on: `"kind" = 'LfGrant' AND "spec" #>> '{resource,type}' IN ('TABLE', 'DATABASE') AND NOT "spec" -> 'permissions' ? 'ALL'`,
    change: widenGrant,
  },
  'somebody else is granted something': { on: `"kind" IN ('GlueTable', 'TableLink')`, change: grantElse },
  'a table is changed': { on: `"kind" = 'GlueTable'`, change: changeTable },
  'a link is deleted': { on: `"kind" = 'TableLink'`, change: deleteTable },
  'a tag is taken off': { on: `"kind" = 'LfTagAttachment' AND NOT "spec" ? 'columns'`, change: takeTag },
  'a filter is deleted': { on: `"kind" = 'DataFilter'`, change: deleteFilter },
  'a queue loses its policy': { on: `"kind" = 'Queue'`, change: takePolicy },
} satisfies Record<string, { on: string; change: (mesh: ProcessMesh, target: Target) => Promise<unknown> }>;

export type Change = keyof typeof HOW;
export const CHANGES = Object.keys(HOW) as Change[];

/** An object that stands in AWS. */
export interface Target {
  id: string;
  kind: string;
  account: string;
  key: string;
  spec: never;
}

/** The objects that a change can befall now, in order; `more` is a further condition in SQL. */
export const targetsOf = (mesh: ProcessMesh, change: Change, more = 'true'): Promise<Target[]> =>
  mesh.query<Target>(
    `SELECT "id", "kind", "account", "key", "spec" FROM "Resource"
     WHERE "status" = 'READY' AND "desired" = 'PRESENT' AND ${HOW[change].on} AND ${more} ORDER BY "key", "account"`,
  );

/** Changes this object behind Meshgate's back. */
export const befall = (mesh: ProcessMesh, change: Change, target: Target): Promise<unknown> =>
  HOW[change].change(mesh, target);

/** Changes one of the objects that this can be done to; `which` in [0, 1) says the how-manieth. Throws where AWS refuses, or there is none. */
export async function changeOutOfBand(
  mesh: ProcessMesh,
  { change, which }: { change: Change; which: number },
): Promise<void> {
  const targets = await targetsOf(mesh, change);
  const target = targets[Math.floor(which * targets.length)];
  if (!target) throw new Error(`There is nothing to which this could happen: ${change}.`);
  await befall(mesh, change, target);
}

async function takeGrant({ sandbox }: ProcessMesh, { account, spec }: Target): Promise<void> {
  const { principal, resource, permissions, grantable } = spec as SpecOf<'LfGrant'>;
  for (const [word, columns] of Object.entries(permissions)) {
    await sandbox.asAdministrator(account, 'lakeformation:RevokePermissions', {
      Principal: { DataLakePrincipalIdentifier: principal },
      Resource:
        columns === 'ALL_COLUMNS' || resource.type !== 'TABLE'
          ? lfResource(resource)
          : columnsResource(resource, columns),
      Permissions: [word],
      PermissionsWithGrantOption: word in grantable ? [word] : [],
    });
  }
}

/** He may drop it too. */
function widenGrant({ sandbox }: ProcessMesh, { account, spec }: Target): Promise<unknown> {
  const { principal, resource } = spec as SpecOf<'LfGrant'>;
  return grant(sandbox, { account, principal, resource, permissions: ['DROP'] });
}

function grantElse({ sandbox }: ProcessMesh, { kind, account, spec }: Target): Promise<unknown> {
  const { database, name: table } = spec as SpecOf<'GlueTable' | 'TableLink'>;
  const resource: LfResource = { type: 'TABLE', catalogId: account, database, table };
  const principal = `arn:aws:iam::${account}:role/somebody-else`;
  return grant(sandbox, {
    account,
    principal,
    resource,
    permissions: kind === 'GlueTable' ? ['SELECT'] : ['DESCRIBE'],
  });
}

interface Grant {
  account: string;
  principal: string;
  resource: LfResource;
  permissions: string[];
}

const grant = (sandbox: ProcessMesh['sandbox'], { account, principal, resource, permissions }: Grant) =>
  sandbox.asAdministrator(account, 'lakeformation:GrantPermissions', {
    Principal: { DataLakePrincipalIdentifier: principal },
    Resource: lfResource(resource),
    Permissions: permissions,
  });

interface GlueTable {
  Parameters: Record<string, string>;
  StorageDescriptor: { Columns: object[] };
  TableType?: string;
  PartitionKeys?: object[];
  Description?: string;
}

/** It has a column more, and says that it is something else. */
async function changeTable({ sandbox }: ProcessMesh, { account, spec }: Target): Promise<void> {
  const { database: DatabaseName, name: Name } = spec as SpecOf<'GlueTable'>;
  const place = { CatalogId: account, DatabaseName };
  const { Table } = await sandbox.asAdministrator<{ Table: GlueTable }>(account, 'glue:GetTable', { ...place, Name });
  const { Parameters, StorageDescriptor, TableType, PartitionKeys, Description } = Table;
  const Columns = [...StorageDescriptor.Columns, { Name: 'slipped_in', Type: 'string' }];
  const TableInput = {
    Name,
    TableType,
    PartitionKeys,
    Description,
    Parameters: { ...Parameters, classification_level: 'PUBLIC_TO_ALL' },
    StorageDescriptor: { ...StorageDescriptor, Columns },
  };
  const resource: LfResource = { type: 'TABLE', catalogId: account, database: DatabaseName, table: Name };
  await withRight(sandbox, { account, resource, permissions: ['ALTER'] }, () =>
    sandbox.asAdministrator(account, 'glue:UpdateTable', { ...place, TableInput }),
  );
}

function deleteTable({ sandbox }: ProcessMesh, { account, spec }: Target): Promise<unknown> {
  const { database: DatabaseName, name: Name } = spec as SpecOf<'TableLink'>;
  const resource: LfResource = { type: 'TABLE', catalogId: account, database: DatabaseName, table: Name };
  return withRight(sandbox, { account, resource, permissions: ['DROP'] }, () =>
    sandbox.asAdministrator(account, 'glue:DeleteTable', { CatalogId: account, DatabaseName, Name }),
  );
}

/** An administrator may give himself what he needs, and leaves nothing of it behind; a table's permissions go with the table. */
async function withRight(
  sandbox: ProcessMesh['sandbox'],
  right: Omit<Grant, 'principal'>,
  work: () => Promise<unknown>,
): Promise<void> {
  const { account, resource, permissions } = right;
  const principal = `arn:aws:iam::${account}:role/administrator`;
  await grant(sandbox, { ...right, principal });
  await work();
  if (permissions.includes('DROP')) return;
  await sandbox.asAdministrator(account, 'lakeformation:RevokePermissions', {
    Principal: { DataLakePrincipalIdentifier: principal },
    Resource: lfResource(resource),
    Permissions: permissions,
  });
}

function takeTag({ sandbox }: ProcessMesh, { account, spec }: Target): Promise<unknown> {
  const { resource, key, value } = spec as SpecOf<'LfTagAttachment'>;
  return sandbox.asAdministrator(account, 'lakeformation:RemoveLFTagsFromResource', {
    Resource: lfResource(resource),
    LFTags: [{ CatalogId: resource.catalogId, TagKey: key, TagValues: [value] }],
  });
}

function deleteFilter({ sandbox }: ProcessMesh, { account, spec }: Target): Promise<unknown> {
  const { database: DatabaseName, table: TableName, name: Name } = spec as SpecOf<'DataFilter'>;
  return sandbox.asAdministrator(account, 'lakeformation:DeleteDataCellsFilter', {
    TableCatalogId: account,
    DatabaseName,
    TableName,
    Name,
  });
}

function takePolicy({ sandbox }: ProcessMesh, { account, spec }: Target): Promise<unknown> {
  const { name } = spec as SpecOf<'Queue'>;
  return sandbox.asAdministrator(account, 'sqs:SetQueueAttributes', {
    QueueUrl: `https://sqs.amazonaws.com/${account}/${name}`,
    Attributes: { Policy: '', MessageRetentionPeriod: '60' },
  });
}
