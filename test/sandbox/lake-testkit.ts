import { CreateDatabaseCommand, CreateTableCommand, GlueClient, type TableInput } from '@aws-sdk/client-glue';
import {
  AddLFTagsToResourceCommand,
  CreateDataCellsFilterCommand,
  CreateLFTagCommand,
  type DataCellsFilter,
  GrantPermissionsCommand,
  LakeFormationClient,
  ListPermissionsCommand,
  type ListPermissionsCommandInput,
  type Permission,
  PutDataLakeSettingsCommand,
  RegisterResourceCommand,
  type Resource,
  RevokePermissionsCommand,
} from '@aws-sdk/client-lakeformation';
import {
  AcceptResourceShareInvitationCommand,
  GetResourceShareInvitationsCommand,
  RAMClient,
} from '@aws-sdk/client-ram';
import type { Sandbox } from '../../src/sandbox/server.js';
import type { Service, Table, World } from '../../src/sandbox/service.js';
import { assumed, C, clientOf, control, G, P, REGION } from './testkit.js';

export { C, G, P };

/** The role that the plain clients call as. */
export const admin = (account: string) => `arn:aws:iam::${account}:role/meshgate`;
export const analyst = `arn:aws:iam::${C}:role/analyst`;
export const intern = `arn:aws:iam::${C}:role/interns/intern`;

/** The clients of the data services in an account. */
export function lakeOf(sandbox: Sandbox, account: string) {
  return {
    glue: clientOf(GlueClient, sandbox, account),
    lf: clientOf(LakeFormationClient, sandbox, account),
    ram: clientOf(RAMClient, sandbox, account),
  };
}

export type Lake = ReturnType<typeof lakeOf>;

/** The clients of the data services as any role. */
export async function lakeAs(sandbox: Sandbox, role: string): Promise<Lake> {
  const config = { endpoint: sandbox.url, region: REGION, credentials: await assumed(sandbox, role), maxAttempts: 1 };
  return { glue: new GlueClient(config), lf: new LakeFormationClient(config), ram: new RAMClient(config) };
}

/** Makes role/meshgate the administrator of an account that governs by Lake Formation alone. */
export async function governed(lake: Lake, account: string, version = '3'): Promise<void> {
  await lake.lf.send(
    new PutDataLakeSettingsCommand({
      DataLakeSettings: {
        DataLakeAdmins: [{ DataLakePrincipalIdentifier: admin(account) }],
        CreateDatabaseDefaultPermissions: [],
        CreateTableDefaultPermissions: [],
        Parameters: { CROSS_ACCOUNT_VERSION: version },
      },
    }),
  );
}

export const orders: TableInput = {
  Name: 'orders',
  StorageDescriptor: {
    Location: 's3://lake/sales/orders',
    Columns: [
      { Name: 'id', Type: 'bigint' },
      { Name: 'amount', Type: 'decimal(10,2)' },
      { Name: 'email', Type: 'string' },
    ],
  },
  PartitionKeys: [{ Name: 'day', Type: 'date' }],
};

/** The table sales.orders of G at a registered location. */
export async function withOrders(lake: Lake): Promise<void> {
  await governed(lake, G);
  const RoleArn = `arn:aws:iam::${G}:role/lake-reader`;
  await lake.lf.send(new RegisterResourceCommand({ ResourceArn: 'arn:aws:s3:::lake/sales', RoleArn }));
  await lake.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'sales' } }));
  await lake.glue.send(new CreateTableCommand({ DatabaseName: 'sales', TableInput: orders }));
}

/** The database data_products of C with a link `sales__orders` to G's table. */
export async function withLink(lake: Lake): Promise<void> {
  await governed(lake, C);
  await lake.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'data_products' } }));
  const TargetTable = { CatalogId: G, DatabaseName: 'sales', Name: 'orders' };
  await lake.glue.send(
    new CreateTableCommand({ DatabaseName: 'data_products', TableInput: { Name: 'sales__orders', TargetTable } }),
  );
}

export const table = (name = 'orders', catalog = G, database = 'sales'): Resource => ({
  Table: { CatalogId: catalog, DatabaseName: database, Name: name },
});

export const database = (name = 'sales', catalog = G): Resource => ({ Database: { CatalogId: catalog, Name: name } });

export const columns = (...names: string[]): Resource => ({
  TableWithColumns: { CatalogId: G, DatabaseName: 'sales', Name: 'orders', ColumnNames: names },
});

export interface Wish {
  to: string;
  on: Resource;
  permissions: Permission[];
  grantable?: Permission[];
}

function entryOf({ to, on, permissions, grantable }: Wish) {
  return {
    Principal: { DataLakePrincipalIdentifier: to },
    Resource: on,
    Permissions: permissions,
    ...(grantable ? { PermissionsWithGrantOption: grantable } : {}),
  };
}

export const grant = (lake: Lake, wish: Wish) => lake.lf.send(new GrantPermissionsCommand(entryOf(wish)));
export const revoke = (lake: Lake, wish: Wish) => lake.lf.send(new RevokePermissionsCommand(entryOf(wish)));

/** Accepts every pending invitation of the account and answers how many there were. */
export async function acceptAll(lake: Lake): Promise<number> {
  const { resourceShareInvitations = [] } = await lake.ram.send(new GetResourceShareInvitationsCommand({}));
  const pending = resourceShareInvitations.filter(({ status }) => status === 'PENDING');
  for (const { resourceShareInvitationArn } of pending) {
    await lake.ram.send(new AcceptResourceShareInvitationCommand({ resourceShareInvitationArn }));
  }
  return pending.length;
}

/** Defines a tag in the account of the client. */
export const makeTag = (lake: Lake, TagKey: string, ...TagValues: string[]) =>
  lake.lf.send(new CreateLFTagCommand({ TagKey, TagValues }));

/** Assigns one value and answers the error code of the failure, undefined where there was none. */
export async function attach(lake: Lake, Resource: Resource, [TagKey, value]: [string, string]) {
  const LFTags = [{ TagKey, TagValues: [value] }];
  const { Failures } = await lake.lf.send(new AddLFTagsToResourceCommand({ Resource, LFTags }));
  return Failures?.[0]?.Error?.ErrorCode;
}

/** The tables (or databases) of G that carry one of the values of every key. */
export const tagged = (tags: Record<string, string[]>, ResourceType: 'TABLE' | 'DATABASE' = 'TABLE'): Resource => ({
  LFTagPolicy: {
    CatalogId: G,
    ResourceType,
    Expression: Object.entries(tags).map(([TagKey, TagValues]) => ({ TagKey, TagValues })),
  },
});

/** Some values of a tag of G. */
export const tag = (TagKey: string, ...TagValues: string[]): Resource => ({
  LFTag: { CatalogId: G, TagKey, TagValues },
});

/** A filter on sales.orders of G. */
export const filter = (Name: string): Resource => ({
  DataCellsFilter: { TableCatalogId: G, DatabaseName: 'sales', TableName: 'orders', Name },
});

/** Makes a filter on sales.orders of G: all rows where no expression is given, all columns where none is named. */
export const makeFilter = (
  lake: Lake,
  Name: string,
  { rows, ...columns }: { rows?: string } & Pick<DataCellsFilter, 'ColumnNames' | 'ColumnWildcard'> = {},
) =>
  lake.lf.send(
    new CreateDataCellsFilterCommand({
      TableData: {
        TableCatalogId: G,
        DatabaseName: 'sales',
        TableName: 'orders',
        Name,
        RowFilter: rows === undefined ? { AllRowsWildcard: {} } : { FilterExpression: rows },
        ...(columns.ColumnNames || columns.ColumnWildcard ? columns : { ColumnWildcard: {} }),
      },
    }),
  );

/** One page of ListPermissions, 1,000 rows unless told. */
export async function permissionsOf(lake: Lake, input: ListPermissionsCommandInput = {}) {
  const { PrincipalResourcePermissions: rows = [] } = await lake.lf.send(new ListPermissionsCommand(input));
  return rows;
}

/** G with sales.orders, C with a link to it; RAM shares are accepted by themselves unless told otherwise. */
export async function meshOf(sandbox: Sandbox): Promise<{ g: Lake; c: Lake }> {
  const [g, c] = [lakeOf(sandbox, G), lakeOf(sandbox, C)];
  await withOrders(g);
  await withLink(c);
  return { g, c };
}

/** The link `sales__orders` of C. */
export const link: Resource = { Table: { CatalogId: C, DatabaseName: 'data_products', Name: 'sales__orders' } };

/** The error code of a call, `none` where it succeeds. */
export const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (error: Error) => error.name,
  );

/** Asks the oracle over the control endpoint; a column list asks for each column. */
export async function mayRead(
  sandbox: Sandbox,
  principal: string,
  at: Partial<Record<'account' | 'database' | 'table' | 'column' | 'permission' | 'region', string>> = {},
): Promise<{ allowed: boolean; reason: string; rowFilter?: string }> {
  const query = new URLSearchParams({
    principal,
    account: C,
    database: 'data_products',
    table: 'sales__orders',
    ...at,
  });
  return control(sandbox, `/can-read?${query}`);
}

/** The services over a world in memory whose clock the test turns. */
export function lakeInMemory(start: string) {
  let now = new Date(start);
  const tables = new Map<string, Map<string, string>>();
  const world: World = {
    table<T>(name: string): Table<T> {
      const rows = tables.get(name) ?? new Map<string, string>();
      tables.set(name, rows);
      const read = (text: string) => JSON.parse(text) as T;
      return {
        get: (key) => (rows.has(key) ? read(rows.get(key) ?? '') : undefined),
        put: (key, value) => void rows.set(key, JSON.stringify(value)),
        delete: (key) => rows.delete(key),
        entries: () => [...rows].map(([key, text]): [string, T] => [key, read(text)]),
        values: () => [...rows.values()].map(read),
        shared: () => [...rows.values()].map(read),
      };
    },
    now: () => now,
    id: () => crypto.randomUUID(),
    knowsAccount: (account) => [G, P, C].includes(account),
    organization: { ramSharing: false },
    invoke: () => Promise.reject(new Error('nothing is invoked here')),
  };
  const call = (service: Service, operation: string, account: string, parameters: Record<string, unknown>) =>
    service[operation]?.(
      { account, region: REGION, principal: admin(account), session: undefined, service: '', operation, parameters },
      world,
    );
  return { world, call, pass: (hours: number) => (now = new Date(now.getTime() + hours * 3_600_000)) };
}
