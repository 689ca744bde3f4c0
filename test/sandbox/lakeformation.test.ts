import { CreateDatabaseCommand, CreateTableCommand, DeleteTableCommand } from '@aws-sdk/client-glue';
import {
  AddLFTagsToResourceCommand,
  BatchGrantPermissionsCommand,
  BatchRevokePermissionsCommand,
  CreateDataCellsFilterCommand,
  CreateLFTagCommand,
  DeleteDataCellsFilterCommand,
  DeleteLFTagCommand,
  DeregisterResourceCommand,
  DescribeResourceCommand,
  GetDataCellsFilterCommand,
  GetDataLakeSettingsCommand,
  GetEffectivePermissionsForPathCommand,
  GetLFTagCommand,
  GetResourceLFTagsCommand,
  ListDataCellsFilterCommand,
  ListLFTagsCommand,
  ListPermissionsCommand,
  type ListPermissionsCommandInput,
  ListResourcesCommand,
  type PrincipalResourcePermissions,
  PutDataLakeSettingsCommand,
  RegisterResourceCommand,
  RemoveLFTagsFromResourceCommand,
  UpdateDataCellsFilterCommand,
  UpdateLFTagCommand,
  UpdateResourceCommand,
} from '@aws-sdk/client-lakeformation';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  allColumnsBut,
  type ColumnScope,
  contains,
  intersect,
  onlyColumns,
  reaches,
  unite,
} from '../../src/sandbox/lf-columns.js';
import {
  admin,
  analyst,
  C,
  columns,
  database,
  G,
  governed,
  grant,
  intern,
  type Lake,
  lakeAs,
  lakeOf,
  P,
  revoke,
  table,
  withLink,
  withOrders,
} from './lake-testkit.js';
import { control, errorOf, sandboxOfTest } from './testkit.js';

const steward = `arn:aws:iam::${G}:role/steward`;

async function governance(options: { ramSharing?: boolean } = {}) {
  const sandbox = await sandboxOfTest(options);
  const g = lakeOf(sandbox, G);
  await withOrders(g);
  return { sandbox, g };
}

async function list(lake: Lake, input: ListPermissionsCommandInput = {}) {
  const { PrincipalResourcePermissions: rows = [] } = await lake.lf.send(new ListPermissionsCommand(input));
  return rows;
}

/** The rows of one principal in short: the member of Resource, its columns, permissions and grant options. */
function brief(rows: PrincipalResourcePermissions[], principal: string) {
  return rows
    .filter(({ Principal }) => Principal?.DataLakePrincipalIdentifier === principal)
    .map(({ Resource = {}, Permissions, PermissionsWithGrantOption }) => {
      const { ColumnNames, ColumnWildcard } = Resource.TableWithColumns ?? {};
      const of = ColumnNames ?? ColumnWildcard?.ExcludedColumnNames?.map((name) => `-${name}`) ?? [];
      return [Object.keys(Resource)[0], of.join(), Permissions?.join(), PermissionsWithGrantOption?.join()].join(' | ');
    });
}

test('settings put everything for IAM_ALLOWED_PRINCIPALS until they are replaced, and replacing forgets what is left out', async () => {
  const sandbox = await sandboxOfTest();
  const g = lakeOf(sandbox, G);
  const read = async () => (await g.lf.send(new GetDataLakeSettingsCommand({}))).DataLakeSettings;
  const all = [{ Principal: { DataLakePrincipalIdentifier: 'IAM_ALLOWED_PRINCIPALS' }, Permissions: ['ALL'] }];
  expect(await read()).toMatchObject({
    DataLakeAdmins: [],
    CreateDatabaseDefaultPermissions: all,
    CreateTableDefaultPermissions: all,
    Parameters: { CROSS_ACCOUNT_VERSION: '1' },
  });
  await governed(g, G, '4');
  expect(await read()).toMatchObject({ CreateTableDefaultPermissions: [], Parameters: { CROSS_ACCOUNT_VERSION: '4' } });
  await g.lf.send(new PutDataLakeSettingsCommand({ DataLakeSettings: {} }));
  expect(await read()).toMatchObject({ DataLakeAdmins: [], Parameters: { CROSS_ACCOUNT_VERSION: '1' } });
  const wrong = [{ DataLakePrincipalIdentifier: `arn:aws:sts::${G}:assumed-role/meshgate/run` }];
  const put = g.lf.send(new PutDataLakeSettingsCommand({ DataLakeSettings: { DataLakeAdmins: wrong } }));
  expect(await errorOf(put)).toMatchObject({
    name: 'InvalidInputException',
    message: expect.stringContaining('Invalid principal'),
  });
});

test('each permission fits its type of resource and no other', async () => {
  const { g } = await governance();
  const on = {
    database: [database(), ['ALL', 'ALTER', 'CREATE_TABLE', 'DESCRIBE', 'DROP']],
    table: [table(), ['ALL', 'ALTER', 'DELETE', 'DESCRIBE', 'DROP', 'INSERT', 'SELECT']],
    columns: [columns('id'), ['SELECT']],
    catalog: [{ Catalog: {} }, ['ALL', 'ALTER', 'CREATE_DATABASE', 'DESCRIBE', 'DROP']],
    location: [{ DataLocation: { ResourceArn: 'arn:aws:s3:::lake/sales' } }, ['DATA_LOCATION_ACCESS']],
  } as const;
  const permissions = [
    'ALL',
    'ALTER',
    'CREATE_DATABASE',
    'CREATE_TABLE',
    'DATA_LOCATION_ACCESS',
    'DELETE',
    'DESCRIBE',
    'DROP',
    'INSERT',
    'SELECT',
  ] as const;
  for (const [kind, [resource, fitting]] of Object.entries(on)) {
    const fits: string[] = [];
    for (const permission of permissions) {
      const attempt = grant(g, { to: steward, on: resource, permissions: [permission] });
      const name = await attempt.then(
        () => 'fits',
        (error: Error) => error.name,
      );
      if (name === 'fits') fits.push(permission);
      else expect(name, `${permission} on ${kind}`).toBe('InvalidInputException');
    }
    expect(fits, kind).toEqual(fitting);
  }
});

test('what a grant names must exist', async () => {
  const { g } = await governance();
  const attempt = (on: ReturnType<typeof table>) => errorOf(grant(g, { to: steward, on, permissions: ['SELECT'] }));
  expect((await attempt(table('nope'))).name).toBe('EntityNotFoundException');
  expect((await attempt(table('orders', G, 'nope'))).name).toBe('EntityNotFoundException');
  expect(await attempt(columns('id', 'nope'))).toMatchObject({
    name: 'InvalidInputException',
    message: 'Columns not found in table orders: [nope]',
  });
  const location = { DataLocation: { ResourceArn: 'arn:aws:s3:::lake/other' } };
  const unregistered = errorOf(grant(g, { to: steward, on: location, permissions: ['DATA_LOCATION_ACCESS'] }));
  expect((await unregistered).message).toContain('register the S3 path');
  for (const to of [
    'nobody',
    `arn:aws:iam::${C}:root`,
    'arn:aws:iam::999999999999:role/x',
    `arn:aws:sts::${C}:assumed-role/a/b`,
  ]) {
    const refused = await errorOf(grant(g, { to, on: table(), permissions: ['SELECT'] }));
    expect(refused).toMatchObject({
      name: 'InvalidInputException',
      message: expect.stringContaining('Invalid principal'),
    });
  }
});

test('grants to one principal on one table merge, SELECT apart as AWS lists it, and are revoked piece by piece', async () => {
  const { g } = await governance();
  await grant(g, { to: steward, on: columns('id'), permissions: ['SELECT'] });
  await grant(g, { to: steward, on: columns('amount'), permissions: ['SELECT'] });
  await grant(g, { to: steward, on: table(), permissions: ['DESCRIBE', 'INSERT'], grantable: ['DESCRIBE'] });
  const held = async () => brief(await list(g, { Resource: table() }), steward);
  expect(await held()).toEqual(['Table |  | DESCRIBE,INSERT | DESCRIBE', 'TableWithColumns | amount,id | SELECT | ']);
  await revoke(g, { to: steward, on: columns('id'), permissions: ['SELECT'] });
  await grant(g, { to: steward, on: table(), permissions: ['SELECT'] });
  expect(await held()).toEqual(['Table |  | DESCRIBE,INSERT | DESCRIBE', 'TableWithColumns |  | SELECT | ']);
  const gone = 'No permissions revoked. Grantee does not have: [SELECT]';
  expect(await errorOf(revoke(g, { to: steward, on: columns('id'), permissions: ['SELECT'] }))).toMatchObject({
    message: gone,
  });
  await revoke(g, { to: steward, on: table(), permissions: ['SELECT', 'DESCRIBE', 'INSERT'], grantable: ['DESCRIBE'] });
  expect(await held()).toEqual([]);
  expect(await errorOf(revoke(g, { to: steward, on: table(), permissions: ['DESCRIBE'] }))).toMatchObject({
    name: 'InvalidInputException',
    message: 'No permissions revoked. Grantee has no permissions and no grantable permissions on resource.',
  });
});

test('ALL is every permission, and who loses one has ALL no longer', async () => {
  const { g } = await governance();
  await grant(g, { to: steward, on: table(), permissions: ['ALL'] });
  const held = async () => brief(await list(g, { Resource: table() }), steward);
  expect(await held()).toEqual([
    'Table |  | ALL,ALTER,DELETE,DESCRIBE,DROP,INSERT | ',
    'TableWithColumns |  | SELECT | ',
  ]);
  await revoke(g, { to: steward, on: table(), permissions: ['DROP'] });
  expect(await held()).toEqual(['Table |  | ALTER,DELETE,DESCRIBE,INSERT | ', 'TableWithColumns |  | SELECT | ']);
  await revoke(g, { to: steward, on: table(), permissions: ['ALL'] });
  expect(await held()).toEqual([]);
});

test('who is no administrator needs the grant option, and the option must be part of the grant', async () => {
  const { sandbox, g } = await governance();
  const asSteward = await lakeAs(sandbox, steward);
  const other = `arn:aws:iam::${G}:role/other`;
  const pass = () => grant(asSteward, { to: other, on: table(), permissions: ['SELECT'] });
  await grant(g, { to: steward, on: table(), permissions: ['SELECT'] });
  expect((await errorOf(pass())).name).toBe('AccessDeniedException');
  await grant(g, { to: steward, on: columns('id'), permissions: ['SELECT'], grantable: ['SELECT'] });
  expect((await errorOf(pass())).name).toBe('AccessDeniedException');
  await grant(asSteward, { to: other, on: columns('id'), permissions: ['SELECT'] });
  const more = grant(g, { to: steward, on: table(), permissions: ['SELECT'], grantable: ['ALTER'] });
  expect((await errorOf(more)).name).toBe('InvalidInputException');
  // The role that stands for a person beside the control plane needs no entry in the settings.
  const person = await lakeAs(sandbox, `arn:aws:iam::${G}:role/administrator`);
  await grant(person, { to: other, on: table(), permissions: ['SELECT'] });
  expect(brief(await list(g, { Resource: table() }), other)).toEqual(['TableWithColumns |  | SELECT | ']);
});

test('a batch takes 20 entries, each stands alone, and failures come back under their Id', async () => {
  const { sandbox, g } = await governance();
  const entry = (Id: string, name: string, role = Id) => ({
    Id,
    Principal: { DataLakePrincipalIdentifier: `arn:aws:iam::${G}:role/${role}` },
    Resource: table(name),
    Permissions: ['SELECT' as const],
  });
  const Entries = [entry('a', 'orders'), entry('b', 'nope'), entry('c', 'orders', 'not a role'), entry('d', 'orders')];
  const { Failures = [] } = await g.lf.send(new BatchGrantPermissionsCommand({ Entries }));
  expect(Failures.map(({ RequestEntry, Error: error }) => [RequestEntry?.Id, error?.ErrorCode])).toEqual([
    ['b', 'EntityNotFoundException'],
    ['c', 'InvalidInputException'],
  ]);
  const held = async (role: string) => brief(await list(g, { Resource: table() }), `arn:aws:iam::${G}:role/${role}`);
  expect([await held('a'), await held('d')]).toEqual([
    ['TableWithColumns |  | SELECT | '],
    ['TableWithColumns |  | SELECT | '],
  ]);
  const many = Array.from({ length: 21 }, (_, index) => entry(`n${index}`, 'orders'));
  expect((await errorOf(g.lf.send(new BatchGrantPermissionsCommand({ Entries: many })))).name).toBe(
    'InvalidInputException',
  );
  const revoked = await g.lf.send(
    new BatchRevokePermissionsCommand({ Entries: [entry('a', 'orders'), entry('z', 'orders')] }),
  );
  expect(revoked.Failures?.map(({ RequestEntry }) => RequestEntry?.Id)).toEqual(['z']);
  expect([await held('a'), await held('d')]).toEqual([[], ['TableWithColumns |  | SELECT | ']]);
  const partial = {
    service: 'lakeformation',
    operation: 'BatchGrantPermissions',
    kind: 'partial',
    rate: 1,
    seed: 1,
    count: 1,
  };
  await control(sandbox, '/faults', [partial]);
  const faulty = await g.lf.send(
    new BatchGrantPermissionsCommand({ Entries: [entry('p', 'orders'), entry('q', 'orders')] }),
  );
  expect(faulty.Failures?.map(({ RequestEntry, Error: error }) => [RequestEntry?.Id, error?.ErrorCode])).toEqual([
    ['p', 'InternalServiceException'],
  ]);
  expect([await held('p'), await held('q')]).toEqual([[], ['TableWithColumns |  | SELECT | ']]);
});

test('two entries of one call for one principal on one table are refused, whatever their columns', async () => {
  const { g } = await governance();
  const Principal = { DataLakePrincipalIdentifier: `arn:aws:iam::${G}:role/twice` };
  const Entries = [
    { Id: 'whole', Principal, Resource: table('orders'), Permissions: ['DESCRIBE' as const] },
    {
      Id: 'columns',
      Principal,
      Resource: { TableWithColumns: { DatabaseName: 'sales', Name: 'orders', ColumnNames: ['id'] } },
      Permissions: ['SELECT' as const],
    },
  ];
  for (const call of [new BatchGrantPermissionsCommand({ Entries }), new BatchRevokePermissionsCommand({ Entries })]) {
    expect((await errorOf(g.lf.send(call as BatchGrantPermissionsCommand))).name).toBe('InvalidInputException');
  }
  expect(brief(await list(g, { Resource: table() }), Principal.DataLakePrincipalIdentifier)).toEqual([]);
});

test('a listing by principal and resource is of effective permissions, by table wildcard and by tag too', async () => {
  const { g } = await governance();
  await grant(g, {
    to: steward,
    on: { Table: { DatabaseName: 'sales', TableWildcard: {} } },
    permissions: ['DESCRIBE'],
  });
  await g.lf.send(new CreateLFTagCommand({ TagKey: 'LOB', TagValues: ['Sales'] }));
  await g.lf.send(
    new AddLFTagsToResourceCommand({ Resource: database(), LFTags: [{ TagKey: 'lob', TagValues: ['sales'] }] }),
  );
  const Expression = [{ TagKey: 'lob', TagValues: ['sales'] }];
  await grant(g, { to: steward, on: { LFTagPolicy: { ResourceType: 'TABLE', Expression } }, permissions: ['SELECT'] });
  expect(brief(await list(g, { Resource: table() }), steward)).toEqual([]);
  const Principal = { DataLakePrincipalIdentifier: steward };
  expect(brief(await list(g, { Principal, Resource: table() }), steward).sort()).toEqual([
    'Table |  | DESCRIBE | ',
    'TableWithColumns |  | SELECT | ',
  ]);
  expect(brief(await list(g, { Principal, ResourceType: 'LF_TAG_POLICY_TABLE' }), steward)).toEqual([
    'LFTagPolicy |  | SELECT | ',
  ]);
  const byColumns = list(g, { Resource: columns('id') });
  expect((await errorOf(byColumns)).name).toBe('InvalidInputException');
});

test('pages of a listing honour MaxResults and together hold every row once', async () => {
  const { g } = await governance();
  for (const role of ['a', 'b', 'c', 'd', 'e']) {
    await grant(g, { to: `arn:aws:iam::${G}:role/${role}`, on: table(), permissions: ['DESCRIBE'] });
  }
  const whole = await list(g, { Resource: table() });
  const paged: PrincipalResourcePermissions[] = [];
  let NextToken: string | undefined;
  do {
    const page = await g.lf.send(
      new ListPermissionsCommand({ Resource: table(), MaxResults: 2, ...(NextToken ? { NextToken } : {}) }),
    );
    expect(page.PrincipalResourcePermissions?.length).toBeLessThanOrEqual(2);
    paged.push(...(page.PrincipalResourcePermissions ?? []));
    NextToken = page.NextToken;
  } while (NextToken);
  expect(paged).toEqual(whole);
  for (const wrong of [{ MaxResults: 0 }, { MaxResults: 1001 }, { NextToken: 'x' }]) {
    expect((await errorOf(list(g, wrong))).name).toBe('InvalidInputException');
  }
});

test('administrators are listed with their implicit rows, and those cannot be revoked', async () => {
  const { g } = await governance();
  const second = `arn:aws:iam::${G}:role/second-admin`;
  const DataLakeAdmins = [admin(G), second].map((DataLakePrincipalIdentifier) => ({ DataLakePrincipalIdentifier }));
  await g.lf.send(
    new PutDataLakeSettingsCommand({
      DataLakeSettings: { DataLakeAdmins, Parameters: { CROSS_ACCOUNT_VERSION: '3' } },
    }),
  );
  const rows = await list(g, { Resource: database() });
  expect(brief(rows, second)).toEqual([
    'Database |  | ALL,ALTER,CREATE_TABLE,DESCRIBE,DROP | ALL,ALTER,CREATE_TABLE,DESCRIBE,DROP',
  ]);
  const attempt = revoke(g, { to: second, on: database(), permissions: ['DROP'] });
  expect((await errorOf(attempt)).message).toContain('No permissions revoked');
});

test('before version 3 no grant goes directly to a principal or by tag to another account', async () => {
  const { g } = await governance({ ramSharing: true });
  await g.lf.send(new CreateLFTagCommand({ TagKey: 'lob', TagValues: ['sales'] }));
  const LFTag = { TagKey: 'lob', TagValues: ['sales'] };
  const byTag = { to: C, on: { LFTag }, permissions: ['DESCRIBE' as const], grantable: ['DESCRIBE' as const] };
  await governed(g, G, '2');
  expect((await errorOf(grant(g, { to: analyst, on: table(), permissions: ['SELECT'] }))).name).toBe(
    'InvalidInputException',
  );
  expect((await errorOf(grant(g, byTag))).name).toBe('InvalidInputException');
  await grant(g, { to: C, on: table(), permissions: ['SELECT'] });
  await governed(g, G, '3');
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  await grant(g, byTag);
  expect((await errorOf(grant(g, { ...byTag, grantable: [] }))).name).toBe('InvalidInputException');
});

test('nothing is shared while IAM_ALLOWED_PRINCIPALS has permissions on it', async () => {
  const sandbox = await sandboxOfTest({ ramSharing: true });
  const g = lakeOf(sandbox, G);
  const DataLakeAdmins = [{ DataLakePrincipalIdentifier: admin(G) }];
  const CreateTableDefaultPermissions = [
    { Principal: { DataLakePrincipalIdentifier: 'IAM_ALLOWED_PRINCIPALS' }, Permissions: ['ALL' as const] },
  ];
  const Parameters = { CROSS_ACCOUNT_VERSION: '3' };
  await g.lf.send(
    new PutDataLakeSettingsCommand({ DataLakeSettings: { DataLakeAdmins, CreateTableDefaultPermissions, Parameters } }),
  );
  await g.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'sales' } }));
  await g.glue.send(new CreateTableCommand({ DatabaseName: 'sales', TableInput: { Name: 'orders' } }));
  const wish = { to: analyst, on: table(), permissions: ['SELECT' as const] };
  expect((await errorOf(grant(g, wish))).message).toContain('IAM_ALLOWED_PRINCIPALS');
  await grant(g, { ...wish, to: steward });
  await revoke(g, { to: 'IAM_ALLOWED_PRINCIPALS', on: table(), permissions: ['ALL'] });
  await grant(g, wish);
  const grantable = grant(g, {
    to: 'IAM_ALLOWED_PRINCIPALS',
    on: database(),
    permissions: ['ALL'],
    grantable: ['ALL'],
  });
  expect((await errorOf(grantable)).name).toBe('InvalidInputException');
});

test('a receiving account grants on what it holds as grantable to its own principals, and to no third account', async () => {
  const { sandbox, g } = await governance({ ramSharing: true });
  const c = lakeOf(sandbox, C);
  await withLink(c);
  const toAccount = { to: C, on: table(), permissions: ['SELECT' as const, 'DESCRIBE' as const] };
  await grant(g, toAccount);
  const on = (permissions: ('SELECT' | 'DESCRIBE' | 'INSERT')[], to = analyst) =>
    grant(c, { to, on: table(), permissions });
  expect((await errorOf(on(['SELECT']))).name).toBe('AccessDeniedException');
  await grant(g, { ...toAccount, grantable: ['SELECT'] });
  await on(['SELECT']);
  expect((await errorOf(on(['DESCRIBE']))).name).toBe('AccessDeniedException');
  expect((await errorOf(on(['INSERT']))).name).toBe('AccessDeniedException');
  for (const third of [P, `arn:aws:iam::${P}:role/x`, G]) {
    expect((await errorOf(on(['SELECT'], third))).name).toBe('InvalidInputException');
  }
  const Principal = { DataLakePrincipalIdentifier: analyst };
  for (const input of [{ Resource: table() }, { Principal }]) {
    expect(brief(await list(c, input), analyst)).toEqual(['TableWithColumns |  | SELECT | ']);
    expect(brief(await list(g, input), analyst)).toEqual([]);
  }
  expect((await errorOf(list(c, { CatalogId: G }))).name).toBe('AccessDeniedException');
});

test('the receiving administrator does not see what is shared directly with another principal', async () => {
  const { sandbox, g } = await governance({ ramSharing: true });
  const c = lakeOf(sandbox, C);
  await withLink(c);
  await grant(g, { to: analyst, on: table(), permissions: ['SELECT'] });
  await grant(g, { to: C, on: table(), permissions: ['DESCRIBE'] });
  expect(brief(await list(c, { Resource: table() }), analyst)).toEqual([]);
  expect(brief(await list(c, { Resource: table() }), C)).toEqual(['Table |  | DESCRIBE | ']);
  expect(brief(await list(await lakeAs(sandbox, analyst), { Resource: table() }), analyst)).toEqual([
    'TableWithColumns |  | SELECT | ',
  ]);
});

test('a resource link takes DESCRIBE and DROP only', async () => {
  const sandbox = await sandboxOfTest();
  const c = lakeOf(sandbox, C);
  await withLink(c);
  const on = table('sales__orders', C, 'data_products');
  await grant(c, { to: analyst, on, permissions: ['DESCRIBE', 'DROP'] });
  for (const permission of ['SELECT', 'ALTER', 'INSERT', 'ALL'] as const) {
    expect((await errorOf(grant(c, { to: analyst, on, permissions: [permission] }))).name).toBe(
      'InvalidInputException',
    );
  }
});

test('the permissions on a table go with the table', async () => {
  const { g } = await governance();
  await grant(g, { to: steward, on: table(), permissions: ['SELECT'] });
  await g.glue.send(new DeleteTableCommand({ DatabaseName: 'sales', Name: 'orders' }));
  const of = { Principal: { DataLakePrincipalIdentifier: steward } };
  expect(await list(g, of)).toEqual([]);
  expect((await errorOf(revoke(g, { to: steward, on: table(), permissions: ['SELECT'] }))).name).toBe(
    'EntityNotFoundException',
  );
});

test('locations are registered once with a role of the account, described, changed and deregistered', async () => {
  const { g } = await governance();
  const ResourceArn = 'arn:aws:s3:::lake/hr';
  const RoleArn = `arn:aws:iam::${G}:role/hr`;
  const register = (role: string) => g.lf.send(new RegisterResourceCommand({ ResourceArn, RoleArn: role }));
  expect((await errorOf(register(`arn:aws:iam::${P}:role/hr`))).name).toBe('AccessDeniedException');
  await register(RoleArn);
  expect((await errorOf(register(RoleArn))).name).toBe('AlreadyExistsException');
  const describe = () => g.lf.send(new DescribeResourceCommand({ ResourceArn }));
  expect((await describe()).ResourceInfo).toMatchObject({
    RoleArn,
    VerificationStatus: 'VERIFIED',
    HybridAccessEnabled: false,
  });
  await g.lf.send(new UpdateResourceCommand({ ResourceArn, RoleArn: `${RoleArn}-2`, HybridAccessEnabled: true }));
  expect((await describe()).ResourceInfo).toMatchObject({ RoleArn: `${RoleArn}-2`, HybridAccessEnabled: true });
  const listed = await g.lf.send(new ListResourcesCommand({}));
  expect(listed.ResourceInfoList?.map((info) => info.ResourceArn)).toEqual([ResourceArn, 'arn:aws:s3:::lake/sales']);
  await g.lf.send(new DeregisterResourceCommand({ ResourceArn }));
  expect((await errorOf(describe())).name).toBe('EntityNotFoundException');
});

test('permissions are found by the path of the data', async () => {
  const { g } = await governance();
  await grant(g, { to: steward, on: table(), permissions: ['SELECT'] });
  const on = { DataLocation: { ResourceArn: 'arn:aws:s3:::lake/sales' } };
  await grant(g, { to: steward, on, permissions: ['DATA_LOCATION_ACCESS'] });
  const at = (ResourceArn: string) => g.lf.send(new GetEffectivePermissionsForPathCommand({ ResourceArn }));
  const { Permissions = [] } = await at('arn:aws:s3:::lake/sales/orders');
  expect(brief(Permissions, steward).sort()).toEqual([
    'DataLocation |  | DATA_LOCATION_ACCESS | ',
    'TableWithColumns |  | SELECT | ',
  ]);
  expect((await at('arn:aws:s3:::lake/hr')).Permissions).toEqual([]);
});

test('tags are folded to lower case, take one value per key and resource, and are inherited until overridden', async () => {
  const { g } = await governance();
  await g.lf.send(new CreateLFTagCommand({ TagKey: 'Confidentiality', TagValues: ['Sensitive', 'open'] }));
  expect((await errorOf(g.lf.send(new CreateLFTagCommand({ TagKey: 'confidentiality', TagValues: ['x'] })))).name).toBe(
    'EntityAlreadyExistsException',
  );
  await g.lf.send(
    new UpdateLFTagCommand({ TagKey: 'confidentiality', TagValuesToAdd: ['secret'], TagValuesToDelete: ['open'] }),
  );
  expect(await g.lf.send(new GetLFTagCommand({ TagKey: 'confidentiality' }))).toMatchObject({
    TagValues: ['secret', 'sensitive'],
  });
  const attach = (Resource: ReturnType<typeof table>, ...TagValues: string[]) =>
    g.lf.send(new AddLFTagsToResourceCommand({ Resource, LFTags: [{ TagKey: 'confidentiality', TagValues }] }));
  expect((await attach(database(), 'sensitive')).Failures).toBeUndefined();
  expect((await attach(columns('email'), 'secret')).Failures).toBeUndefined();
  expect((await attach(table(), 'open')).Failures?.[0]?.Error?.ErrorCode).toBe('EntityNotFoundException');
  expect((await attach(table(), 'secret', 'sensitive')).Failures?.[0]?.Error?.ErrorCode).toBe('InvalidInputException');
  const tagsOf = (Resource: ReturnType<typeof table>, ShowAssignedLFTags = false) =>
    g.lf.send(new GetResourceLFTagsCommand({ Resource, ShowAssignedLFTags }));
  const effective = await tagsOf(table());
  expect(effective.LFTagsOnTable).toEqual([{ CatalogId: G, TagKey: 'confidentiality', TagValues: ['sensitive'] }]);
  const email = effective.LFTagsOnColumns?.find(({ Name }) => Name === 'email');
  expect(email?.LFTags?.[0]?.TagValues).toEqual(['secret']);
  const assigned = await tagsOf(table(), true);
  expect(assigned.LFTagsOnTable).toBeUndefined();
  expect(assigned.LFTagsOnColumns?.map(({ Name }) => Name)).toEqual(['email']);
  const remove = (Resource: ReturnType<typeof table>) =>
    g.lf.send(
      new RemoveLFTagsFromResourceCommand({
        Resource,
        LFTags: [{ TagKey: 'confidentiality', TagValues: ['sensitive'] }],
      }),
    );
  expect((await remove(table())).Failures?.[0]?.Error?.ErrorCode).toBe('EntityNotFoundException');
  expect((await remove(database())).Failures).toBeUndefined();
  expect((await tagsOf(database())).LFTagOnDatabase).toBeUndefined();
  await g.lf.send(new DeleteLFTagCommand({ TagKey: 'confidentiality' }));
  expect((await g.lf.send(new ListLFTagsCommand({}))).LFTags).toEqual([]);
  expect((await tagsOf(table(), true)).LFTagsOnColumns).toEqual([]);
});

test('data filters are kept under their table and a stale version is refused', async () => {
  const { g } = await governance();
  const key = { TableCatalogId: G, DatabaseName: 'sales', TableName: 'orders', Name: 'eu' };
  const TableData = {
    ...key,
    RowFilter: { FilterExpression: "email LIKE '%.eu'" },
    ColumnWildcard: { ExcludedColumnNames: ['email'] },
  };
  await g.lf.send(new CreateDataCellsFilterCommand({ TableData }));
  expect((await errorOf(g.lf.send(new CreateDataCellsFilterCommand({ TableData })))).name).toBe(
    'AlreadyExistsException',
  );
  const { DataCellsFilter: filter } = await g.lf.send(new GetDataCellsFilterCommand(key));
  expect(filter).toMatchObject(TableData);
  const update = (VersionId: string | undefined) =>
    g.lf.send(new UpdateDataCellsFilterCommand({ TableData: { ...TableData, VersionId } }));
  await update(filter?.VersionId);
  expect((await errorOf(update(filter?.VersionId))).name).toBe('ConcurrentModificationException');
  await grant(g, { to: intern, on: { DataCellsFilter: key }, permissions: ['SELECT'] });
  const Table = { CatalogId: G, DatabaseName: 'sales', Name: 'orders' };
  expect((await g.lf.send(new ListDataCellsFilterCommand({ Table }))).DataCellsFilters).toHaveLength(1);
  await g.lf.send(new DeleteDataCellsFilterCommand(key));
  expect((await errorOf(g.lf.send(new GetDataCellsFilterCommand(key)))).name).toBe('EntityNotFoundException');
  expect(await list(g, { Principal: { DataLakePrincipalIdentifier: intern } })).toEqual([]);
});

const names = ['a', 'b', 'c', 'd'];
const scopes: fc.Arbitrary<ColumnScope> = fc
  .tuple(fc.boolean(), fc.subarray(names))
  .map(([only, chosen]) => (only ? onlyColumns(chosen) : allColumnsBut(chosen)));

test('column scopes form the algebra of sets, also for columns that no scope names', () => {
  const universe = [...names, 'later'];
  fc.assert(
    fc.property(scopes, scopes, (left, right) => {
      for (const column of universe) {
        expect(reaches(unite(left, right), column)).toBe(reaches(left, column) || reaches(right, column));
        expect(reaches(intersect(left, right), column)).toBe(reaches(left, column) && reaches(right, column));
      }
      expect(contains(left, right)).toBe(universe.every((column) => !reaches(right, column) || reaches(left, column)));
    }),
  );
});
