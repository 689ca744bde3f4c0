import { PutEventsCommand } from '@aws-sdk/client-eventbridge';
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { beforeAll, describe, expect, test } from 'vitest';
import type { SpecOf } from '../../src/provisioning/kinds.js';
import { clientsOf, sandboxOfTest } from '../sandbox/testkit.js';
import { startAnswerer } from './answerer.js';
import * as mesh from './mesh.js';
import {
  awsOver,
  C,
  callsOf,
  changing,
  control,
  drift,
  driver,
  G,
  itemOf,
  laneTo,
  P,
  REGION,
  roleIn,
} from './testkit.js';

const sandbox = await sandboxOfTest();
const aws = awsOver(sandbox);

describe('DataLakeSettings', () => {
  const settings = driver(aws, 'DataLakeSettings', G);
  const spec = mesh.settings(G);

  test('that we may not write are waited for, and what is missing is named', async () => {
    const watched = { ...spec, manage: false };
    const [seen] = await settings.observe(watched);
    expect(seen).toMatchObject({
      state: 'WAITING',
      waitingFor: expect.stringMatching(
        /role\/meshgate must be a data lake administrator; Create.*must be empty.*CROSS_ACCOUNT_VERSION is 1 and must be 4/,
      ),
    });
    expect(changing(await callsOf(sandbox, () => settings.apply(watched)))).toEqual([]);
    expect(settings.calls('CREATE', watched)).toEqual([]);
  });

  test('are read, changed and written, so that other administrators and a higher version stay', async () => {
    const other = `arn:aws:iam::${G}:role/other-admin`;
    await drift(sandbox, G, [
      'lakeformation',
      'PutDataLakeSettings',
      {
        DataLakeSettings: {
          DataLakeAdmins: [{ DataLakePrincipalIdentifier: other }],
          Parameters: { CROSS_ACCOUNT_VERSION: '5' },
          TrustedResourceOwners: [P],
        },
      },
    ]);
    expect(await settings.apply(spec)).toEqual([{ ok: true }]);
    const calls = await callsOf(sandbox, () => settings.apply(spec));
    expect(changing(calls)).toEqual([]);
    expect(await settings.observe(spec)).toMatchObject([
      {
        state: 'AGREES',
        observed: { admins: [other, spec.admins[0]], crossAccountVersion: '5', createTableDefaultPermissions: [] },
      },
    ]);
    const state = await control(sandbox, `/state?account=${G}`);
    expect(JSON.stringify(state)).toContain('TrustedResourceOwners');
  });

  test('are never taken back: old defaults would open every new table to IAM alone', async () => {
    expect(changing(await callsOf(sandbox, () => settings.remove(spec)))).toEqual([]);
    expect(await settings.observe(spec)).toMatchObject([{ state: 'AGREES' }]);
  });
});

describe('the catalogue', () => {
  const databases = driver(aws, 'GlueDatabase', G);
  const tables = driver(aws, 'GlueTable', G);

  beforeAll(async () => {
    await mesh.govern(aws);
    await mesh.publish(aws);
  });

  test('a database open to IAM_ALLOWED_PRINCIPALS is drift, and is closed', async () => {
    await drift(sandbox, G, [
      'lakeformation',
      'GrantPermissions',
      {
        Principal: { DataLakePrincipalIdentifier: 'IAM_ALLOWED_PRINCIPALS' },
        Resource: { Database: { Name: 'sales_nrac' } },
        Permissions: ['ALL'],
      },
    ]);
    expect(await databases.observe(mesh.salesDatabase)).toMatchObject([
      { state: 'DIFFERS', differences: [expect.stringMatching(/bypasses Lake Formation/)] },
    ]);
    const calls = await callsOf(sandbox, () => databases.apply(mesh.salesDatabase));
    expect(changing(calls)).toEqual(['BatchRevokePermissions']);
    expect(await databases.observe(mesh.salesDatabase)).toMatchObject([{ state: 'AGREES' }]);
  });

  test('a table open to IAM_ALLOWED_PRINCIPALS is drift, and is closed without another version of it', async () => {
    const everyone = { DataLakePrincipalIdentifier: 'IAM_ALLOWED_PRINCIPALS' };
    const Resource = { Table: { DatabaseName: 'sales_nrac', Name: 'orders' } };
    await drift(sandbox, G, [
      'lakeformation',
      'GrantPermissions',
      { Principal: everyone, Resource, Permissions: ['SELECT', 'DESCRIBE'] },
    ]);
    expect(await tables.observe(mesh.ordersTable)).toMatchObject([
      { state: 'DIFFERS', differences: [expect.stringMatching(/DESCRIBE.*bypasses Lake Formation/)] },
    ]);
    const calls = await callsOf(sandbox, () => tables.apply(mesh.ordersTable));
    expect(changing(calls)).toEqual(['BatchRevokePermissions']);
    expect(await tables.observe(mesh.ordersTable)).toMatchObject([{ state: 'AGREES' }]);
  });

  test('every table of a database open to IAM_ALLOWED_PRINCIPALS bars other accounts, is drift, and is closed', async () => {
    await drift(sandbox, G, [
      'lakeformation',
      'GrantPermissions',
      {
        Principal: { DataLakePrincipalIdentifier: 'IAM_ALLOWED_PRINCIPALS' },
        Resource: { Table: { DatabaseName: 'sales_nrac', TableWildcard: {} } },
        Permissions: ['SELECT', 'DESCRIBE'],
      },
    ]);
    const access = {
      principal: mesh.intern,
      resource: mesh.orders,
      permissions: { SELECT: 'ALL_COLUMNS' as const },
      grantable: {},
    };
    expect(await driver(aws, 'LfGrant', G).apply(access)).toMatchObject([
      { ok: false, error: { message: expect.stringMatching(/not allowed while IAM_ALLOWED_PRINCIPALS/) } },
    ]);
    expect(await tables.observe(mesh.ordersTable)).toMatchObject([
      { state: 'DIFFERS', differences: [expect.stringMatching(/SELECT.*bypasses Lake Formation/)] },
    ]);
    const calls = await callsOf(sandbox, () => tables.apply(mesh.ordersTable));
    expect(changing(calls)).toEqual(['BatchRevokePermissions']);
    expect(await tables.observe(mesh.ordersTable)).toMatchObject([{ state: 'AGREES' }]);
  });

  test('a database made under the old defaults is closed in the same step', async () => {
    const everyone = [{ Principal: { DataLakePrincipalIdentifier: 'IAM_ALLOWED_PRINCIPALS' }, Permissions: ['ALL'] }];
    await drift(sandbox, P, [
      'lakeformation',
      'PutDataLakeSettings',
      {
        DataLakeSettings: {
          DataLakeAdmins: [{ DataLakePrincipalIdentifier: roleIn(P).arn }],
          CreateDatabaseDefaultPermissions: everyone,
          CreateTableDefaultPermissions: everyone,
        },
      },
    ]);
    const old = driver(aws, 'GlueDatabase', P);
    const calls = await callsOf(sandbox, async () =>
      expect(await old.apply({ name: 'fresh', parameters: {} })).toEqual([{ ok: true }]),
    );
    expect(changing(calls)).toEqual(['CreateDatabase', 'BatchRevokePermissions']);
    expect(await old.observe({ name: 'fresh', parameters: {} })).toMatchObject([{ state: 'AGREES' }]);
  });

  test('a database that holds tables is never deleted', async () => {
    const calls = await callsOf(sandbox, async () => {
      expect(await databases.remove(mesh.salesDatabase)).toMatchObject([
        { ok: false, error: { treatment: 'PERMANENT', code: 'DatabaseNotEmpty' } },
      ]);
    });
    expect(changing(calls)).toEqual([]);
  });

  test('what others wrote on a database and a table outlives our update', async () => {
    await databases.apply({ ...mesh.salesDatabase, description: 'again', parameters: { data_owner: 'sales' } });
    expect(await databases.observe(mesh.salesDatabase)).toMatchObject([
      { state: 'DIFFERS', observed: { parameters: { access_mode: 'nrac' } } },
    ]);
    await tables.apply({ ...mesh.ordersTable, description: 'again', parameters: { other: 'yes' } });
    expect(await tables.observe(mesh.ordersTable)).toMatchObject([
      { state: 'DIFFERS', observed: { parameters: { product: 'orders', other: 'yes', classification: 'parquet' } } },
    ]);
    await tables.apply(mesh.ordersTable);
  });

  test('an update of a table names the version that it was read at', async () => {
    const calls = await callsOf(sandbox, () => tables.apply({ ...mesh.ordersTable, description: 'v' }));
    expect(calls.find(({ operation }) => operation === 'UpdateTable')?.parameters.VersionId).toMatch(/^\d+$/);
    await tables.apply(mesh.ordersTable);
  });

  test.each(['PARQUET', 'ORC', 'AVRO', 'JSON', 'CSV', 'ICEBERG'] as const)(
    'a table of %s is made once and then agrees',
    async (format) => {
      const spec: SpecOf<'GlueTable'> = { ...mesh.ordersTable, name: `t_${format.toLowerCase()}`, format };
      expect(await tables.apply(spec)).toEqual([{ ok: true }]);
      expect(await tables.observe(spec)).toMatchObject([{ state: 'AGREES' }]);
      const [planned] = tables.calls('CREATE', spec);
      expect('OpenTableFormatInput' in (planned?.parameters ?? {})).toBe(format === 'ICEBERG');
    },
  );

  test('columns in another order, of another type, or too many are told one by one', async () => {
    const spec = { ...mesh.ordersTable, name: 't_csv', format: 'CSV' as const };
    const other = { ...spec, columns: [spec.columns[1]!, { ...spec.columns[0]!, type: 'int' }] };
    const [seen] = await tables.observe(other);
    expect(seen).toMatchObject({
      state: 'DIFFERS',
      differences: [expect.stringMatching(/column id is .*bigint.*wanted .*int/), 'column email is not wanted'],
    });
    const [order] = await tables.observe({ ...spec, columns: [...spec.columns].reverse() });
    expect(order).toMatchObject({ state: 'DIFFERS', differences: [expect.stringMatching(/^order of columns/)] });
  });

  test('columns that a crawler is to fill are not compared', async () => {
    expect(await tables.observe({ ...mesh.ordersTable, columns: [] })).toMatchObject([{ state: 'AGREES' }]);
  });

  test('a table created by another hand since it was looked for is compared, not overwritten', async () => {
    const spec = { ...mesh.ordersTable, name: 'race' };
    const racing = { ...spec, location: 's3://lake/sales/elsewhere' };
    await tables.apply(racing);
    const provider = aws.providers.GlueTable;
    const session = await aws.open(laneTo(G));
    const [outcome] = await provider.apply(session, [
      { item: itemOf('GlueTable', G, spec), observation: { state: 'MISSING' } },
    ]);
    expect(outcome).toMatchObject({
      ok: false,
      error: { treatment: 'PERMANENT', code: 'Conflict', message: expect.stringMatching(/elsewhere/) },
    });
    const [same] = await provider.apply(session, [
      { item: itemOf('GlueTable', G, racing), observation: { state: 'MISSING' } },
    ]);
    expect(same).toEqual({ ok: true });
  });
});

describe('links', () => {
  const links = driver(aws, 'TableLink', C);
  const tables = driver(aws, 'GlueTable', C);

  beforeAll(async () => {
    await driver(aws, 'GlueDatabase', C).apply(mesh.localDatabase);
  });

  test('a link of our name to another target is left alone when ours is to go', async () => {
    await links.apply({ ...mesh.ordersLink, target: { ...mesh.ordersLink.target, table: 'other' } });
    const calls = await callsOf(sandbox, async () => {
      expect(await links.remove(mesh.ordersLink)).toMatchObject([
        { ok: false, error: { code: 'Conflict', message: expect.stringMatching(/sales_nrac\/other/) } },
      ]);
    });
    expect(changing(calls)).toEqual([]);
  });

  test('a retarget deletes and makes anew, and never updates', async () => {
    const calls = await callsOf(sandbox, () => links.apply(mesh.ordersLink));
    expect(changing(calls)).toEqual(['DeleteTable', 'CreateTable']);
  });

  test('a table never updates or deletes through a link', async () => {
    const through = { ...mesh.ordersTable, database: 'data_products', name: mesh.ordersLink.name };
    const calls = await callsOf(sandbox, async () => {
      expect(await tables.apply(through)).toMatchObject([{ ok: false, error: { code: 'Conflict' } }]);
      expect(await tables.remove(through)).toMatchObject([{ ok: false, error: { code: 'Conflict' } }]);
    });
    expect(changing(calls)).toEqual([]);
  });

  test('a link never replaces or deletes a table of the same name', async () => {
    const own = { ...mesh.ordersTable, database: 'data_products', name: 'own', location: 's3://elsewhere/own' };
    await tables.apply(own);
    const link = { ...mesh.ordersLink, name: 'own' };
    const calls = await callsOf(sandbox, async () => {
      expect(await links.observe(link)).toMatchObject([
        { state: 'DIFFERS', differences: [expect.stringMatching(/is a table, not a link/)] },
      ]);
      expect(await links.apply(link)).toMatchObject([{ ok: false, error: { code: 'Conflict' } }]);
      expect(await links.remove(link)).toMatchObject([{ ok: false, error: { code: 'Conflict' } }]);
    });
    expect(changing(calls)).toEqual([]);
  });
});

describe('links to databases', () => {
  const links = driver(aws, 'DatabaseLink', C);
  const databases = driver(aws, 'GlueDatabase', C);
  const link = { name: 'sales', target: { catalogId: G, database: 'sales_nrac' } };

  test('one of our name to another target is left alone when ours is to go, and is retargeted without an update', async () => {
    await links.apply({ ...link, target: { ...link.target, database: 'other' } });
    const removing = await callsOf(sandbox, async () => {
      expect(await links.remove(link)).toMatchObject([
        { ok: false, error: { code: 'Conflict', message: expect.stringMatching(/111111111111\/other/) } },
      ]);
    });
    expect(changing(removing)).toEqual([]);
    const applying = await callsOf(sandbox, () => links.apply(link));
    expect(changing(applying)).toEqual(['DeleteDatabase', 'CreateDatabase']);
    expect(await links.observe(link)).toMatchObject([{ state: 'AGREES' }]);
  });

  test('a database never updates or deletes through one, and the target outlives it', async () => {
    const target = driver(aws, 'GlueDatabase', G);
    const before = await target.observe(mesh.salesDatabase);
    const through = { name: 'sales', description: 'mine', parameters: {} };
    const calls = await callsOf(sandbox, async () => {
      expect(await databases.apply(through)).toMatchObject([{ ok: false, error: { code: 'Conflict' } }]);
      expect(await databases.remove(through)).toMatchObject([{ ok: false, error: { code: 'Conflict' } }]);
    });
    expect(changing(calls)).toEqual([]);
    expect(await links.remove(link)).toEqual([{ ok: true }]);
    expect(await target.observe(mesh.salesDatabase)).toEqual(before);
  });

  test('one never replaces or deletes a database of the same name', async () => {
    await databases.apply({ name: 'own', parameters: {} });
    const over = { ...link, name: 'own' };
    const calls = await callsOf(sandbox, async () => {
      expect(await links.observe(over)).toMatchObject([
        { state: 'DIFFERS', differences: [expect.stringMatching(/is a database, not a link/)] },
      ]);
      expect(await links.apply(over)).toMatchObject([{ ok: false, error: { code: 'Conflict' } }]);
      expect(await links.remove(over)).toMatchObject([{ ok: false, error: { code: 'Conflict' } }]);
    });
    expect(changing(calls)).toEqual([]);
  });
});

describe('tags', () => {
  const tags = driver(aws, 'LfTag', G);
  const attachments = driver(aws, 'LfTagAttachment', G);
  const on = (key: string, value: string, columns?: string[]): SpecOf<'LfTagAttachment'> => ({
    resource: mesh.orders,
    key,
    value,
    ...(columns ? { columns } : {}),
  });

  test('values beyond one call are added by further calls', async () => {
    const many = { key: 'wide', values: Array.from({ length: 120 }, (_, n) => `v${n}`) };
    const calls = await callsOf(sandbox, () => tags.apply(many));
    expect(changing(calls)).toEqual(['CreateLFTag', 'UpdateLFTag', 'UpdateLFTag']);
    expect(tags.calls('CREATE', many).map(({ operation }) => operation)).toEqual([
      'CreateLFTag',
      'UpdateLFTag',
      'UpdateLFTag',
    ]);
    expect(await tags.observe(many)).toMatchObject([{ state: 'AGREES' }]);
  });

  test('others’ values stay, and a tag that has them outlives ours', async () => {
    await tags.apply({ key: 'shared', values: ['ours'] });
    await drift(sandbox, G, ['lakeformation', 'UpdateLFTag', { TagKey: 'shared', TagValuesToAdd: ['theirs'] }]);
    expect(await tags.observe({ key: 'shared', values: ['ours'] })).toMatchObject([{ state: 'AGREES' }]);
    const calls = await callsOf(sandbox, () => tags.remove({ key: 'shared', values: ['ours'] }));
    expect(changing(calls)).toEqual(['UpdateLFTag']);
    expect(await tags.observe({ key: 'shared', values: ['theirs'] })).toMatchObject([{ state: 'AGREES' }]);
  });

  test('tags of one resource go out together and are read together', async () => {
    await tags.apply(
      { key: 'confidentiality', values: ['sensitive', 'non-sensitive'] },
      { key: 'lob', values: ['sales'] },
    );
    const specs = [
      on('confidentiality', 'non-sensitive'),
      on('lob', 'sales'),
      on('confidentiality', 'sensitive', ['email', 'amount']),
    ];
    const calls = await callsOf(sandbox, async () =>
      expect(await attachments.apply(...specs)).toEqual(specs.map(() => ({ ok: true }))),
    );
    expect(calls.map(({ operation }) => operation)).toEqual([
      'GetResourceLFTags',
      'AddLFTagsToResource',
      'AddLFTagsToResource',
    ]);
    expect(await attachments.observe(...specs)).toMatchObject(specs.map(() => ({ state: 'AGREES' })));
  });

  test('a column that lost its tag is told and repaired; one that only inherits does not count', async () => {
    const spec = on('confidentiality', 'sensitive', ['email', 'amount']);
    const email = { TableWithColumns: { DatabaseName: 'sales_nrac', Name: 'orders', ColumnNames: ['email'] } };
    await drift(sandbox, G, [
      'lakeformation',
      'RemoveLFTagsFromResource',
      { Resource: email, LFTags: [{ TagKey: 'confidentiality', TagValues: ['sensitive'] }] },
    ]);
    expect(await attachments.observe(spec)).toMatchObject([
      { state: 'DIFFERS', differences: [expect.stringMatching(/on column email is null/)] },
    ]);
    await attachments.apply(spec);
    expect(await attachments.observe(spec)).toMatchObject([{ state: 'AGREES' }]);
  });

  test('columns that are no longer asked for lose their tag', async () => {
    const spec = on('confidentiality', 'sensitive', ['email']);
    expect(await attachments.observe(spec)).toMatchObject([
      { state: 'DIFFERS', differences: [expect.stringMatching(/on column amount is "sensitive", wanted null/)] },
    ]);
    expect(await attachments.apply(spec)).toEqual([{ ok: true }]);
    expect(await attachments.observe(spec)).toMatchObject([{ state: 'AGREES' }]);
    expect(await attachments.observe(on('confidentiality', 'sensitive', ['amount', 'email']))).toMatchObject([
      { state: 'DIFFERS', differences: [expect.stringMatching(/on column amount is null/)] },
    ]);
  });

  test('of several tags the one that is refused fails alone', async () => {
    const outcomes = await attachments.apply(on('lob', 'no-such-value'), on('confidentiality', 'sensitive'));
    expect(outcomes).toMatchObject([{ ok: false }, { ok: true }]);
  });
});

describe('shares', () => {
  const shares = driver(aws, 'ShareAcceptance', C);
  const share = { resource: mesh.orders, principal: mesh.analyst };
  const access = { ...share, permissions: { SELECT: 'ALL_COLUMNS' as const }, grantable: {} };

  test('a rejected invitation fails with the advice to grant again, and doing so cures it', async () => {
    const grants = driver(aws, 'LfGrant', G);
    await grants.apply(access);
    const [waiting] = await shares.observe(share);
    const { pendingInvitations } = (waiting as unknown as { observed: { pendingInvitations: string[] } }).observed;
    expect(pendingInvitations).toHaveLength(2);
    await drift(
      sandbox,
      C,
      ...pendingInvitations.map((arn): [string, string, object] => [
        'ram',
        'RejectResourceShareInvitation',
        { resourceShareInvitationArn: arn },
      ]),
    );
    expect(await shares.observe(share)).toMatchObject([
      {
        state: 'FAILED',
        error: {
          code: 'ResourceShareInvitationREJECTED',
          message: expect.stringMatching(/grant it again/),
          reissue: true,
        },
      },
    ]);
    await grants.remove(access);
    await grants.apply(access);
    const calls = await callsOf(sandbox, async () => expect(await shares.apply(share)).toEqual([{ ok: true }]));
    const [planned] = shares.calls('CREATE', share);
    expect(new Set(changing(calls))).toEqual(new Set([planned?.operation]));
    expect(await shares.observe(share)).toMatchObject([{ state: 'AGREES' }]);
  });

  test('a share that names its tables by wildcard carries each of them, as from cross-account version 5 on', async () => {
    const answerer = await startAnswerer();
    const arn = `arn:aws:ram:us-east-1:${G}:resource-share/1`;
    const resource = (path: string) => ({ arn: `arn:aws:glue:us-east-1:${G}:${path}`, resourceShareArn: arn });
    answerer.script('getresourceshares', {
      json: { resourceShares: [{ resourceShareArn: arn, name: 'LakeFormation-V5-1', status: 'ACTIVE' }] },
    });
    answerer.script('getresourceshareinvitations', { json: { resourceShareInvitations: [] } });
    const observed = async (...paths: string[]) => {
      answerer.script('listresources', { json: { resources: paths.map(resource) } });
      return (await driver(awsOver(answerer), 'ShareAcceptance', C).observe(share))[0]?.state;
    };
    expect(await observed('table/sales_nrac/*')).toBe('AGREES');
    expect(await observed('catalog', 'table/*')).toBe('AGREES');
    expect(await observed('table/*/*')).toBe('AGREES');
    expect(await observed('catalog', 'database/*', 'table/other/*', 'table/sales_nrac/orders_old')).toBe('WAITING');
    await answerer.close();
  });

  test('removing makes no call', async () => {
    expect(await callsOf(sandbox, async () => expect(await shares.remove(share)).toEqual([{ ok: true }]))).toEqual([]);
    expect(shares.calls('DELETE', share)).toEqual([]);
  });
});

describe('buses', () => {
  test('a statement of others on the bus stays when ours comes and goes', async () => {
    await driver(aws, 'EventBus', G).apply({ name: 'central' });
    await drift(sandbox, G, [
      'events',
      'PutPermission',
      { EventBusName: 'central', Action: 'events:PutEvents', Principal: C, StatementId: 'theirs' },
    ]);
    const permissions = driver(aws, 'BusPermission', G);
    const spec = { bus: 'central', statementId: `p-${P}`, principalAccounts: [P], deniedSources: ['meshgate'] };
    const second = { ...spec, statementId: `p-${C}`, principalAccounts: [C] };
    expect(await permissions.apply(spec, second)).toEqual([{ ok: true }, { ok: true }]);
    await permissions.remove(spec);
    expect(await permissions.observe(spec, second)).toMatchObject([{ state: 'MISSING' }, { state: 'AGREES' }]);
    expect(JSON.stringify(await control(sandbox, `/state?account=${G}`))).toContain('theirs');
  });

  test('the statement of 150 domains fits into the policy of one bus', () => {
    const principalAccounts = Array.from({ length: 150 }, (_, n) => String(300_000_000_000 + n));
    const spec = { bus: 'central', statementId: 'domains', principalAccounts, deniedSources: ['meshgate'] };
    const [call] = driver(aws, 'BusPermission', G).calls('CREATE', spec);
    // EventBridge quotas: the resource-based policy of a bus has at most 10,240 bytes.
    expect(String(call?.parameters.Policy).length).toBeLessThan(10_240);
  });

  test('the default bus is never made or deleted', async () => {
    const buses = driver(aws, 'EventBus', G);
    expect(await buses.observe({ name: 'default' })).toMatchObject([{ state: 'AGREES' }]);
    expect(await callsOf(sandbox, () => buses.remove({ name: 'default' }))).toEqual([]);
  });
});

describe('queues', () => {
  const queues = driver(aws, 'Queue', G);
  const sqs = clientsOf(sandbox, G).sqs;
  const events = clientsOf(sandbox, G).events;
  const urlOf = (name: string) => `${sandbox.url}/${G}/${name}`;
  const ruleArn = (name: string) => `arn:aws:events:${REGION}:${G}:rule/sending/${name}`;
  const spec = (name: string, ...senders: string[]) => ({ name, retentionSeconds: 1_209_600, senders });
  const policyOf = async (name: string) => {
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: urlOf(name), AttributeNames: ['All'] }),
    );
    return Attributes?.Policy;
  };

  test('sends what nobody deletes to another queue, and leaves a redrive alone that it was not asked for', async () => {
    await queues.apply(spec('beyond'));
    const redrive = { deadLetterArn: `arn:aws:sqs:${REGION}:${G}:beyond`, maxReceives: 20 };
    await queues.apply({ ...spec('tried'), redrive });
    expect((await queues.observe({ ...spec('tried'), redrive }))[0]).toMatchObject({
      state: 'AGREES',
      observed: { redrive },
    });
    expect((await queues.observe({ ...spec('tried'), redrive: { ...redrive, maxReceives: 5 } }))[0]).toMatchObject({
      state: 'DIFFERS',
    });
    expect((await queues.observe(spec('tried')))[0]).toMatchObject({ state: 'AGREES' });
  });

  test('a statement of others stays when ours comes, changes and goes', async () => {
    await queues.apply(spec('shared'));
    expect(await policyOf('shared')).toBeUndefined();
    const theirs = {
      Sid: 'theirs',
      Effect: 'Allow',
      Principal: { AWS: C },
      Action: 'sqs:ReceiveMessage',
      Resource: `arn:aws:sqs:${REGION}:${G}:shared`,
    };
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [theirs] });
    await drift(sandbox, G, ['sqs', 'SetQueueAttributes', { QueueUrl: urlOf('shared'), Attributes: { Policy } }]);
    expect(await queues.observe(spec('shared'))).toMatchObject([{ state: 'AGREES' }]);
    for (const senders of [[ruleArn('a')], [ruleArn('a'), ruleArn('b')]]) {
      expect(await queues.apply(spec('shared', ...senders))).toEqual([{ ok: true }]);
      expect(await queues.observe(spec('shared', ...senders))).toMatchObject([{ state: 'AGREES' }]);
      expect(await policyOf('shared')).toContain('theirs');
    }
    expect(await queues.observe(spec('shared'))).toMatchObject([
      { state: 'DIFFERS', differences: ['statement MeshgateSenders is not wanted'] },
    ]);
    await queues.apply(spec('shared'));
    expect(JSON.parse((await policyOf('shared')) ?? '')).toEqual(JSON.parse(Policy));
  });

  test('one that was given a key, with which EventBridge could not write to it, is put back to the encryption of SQS', async () => {
    await queues.apply(spec('keyed'));
    const Attributes = { KmsMasterKeyId: 'alias/theirs' };
    await drift(sandbox, G, ['sqs', 'SetQueueAttributes', { QueueUrl: urlOf('keyed'), Attributes }]);
    expect(await queues.observe(spec('keyed'))).toMatchObject([
      { state: 'DIFFERS', differences: ['encryption is "SSE-KMS with alias/theirs", wanted "SSE-SQS"'] },
    ]);
    await queues.apply(spec('keyed'));
    expect(await queues.observe(spec('keyed'))).toMatchObject([{ state: 'AGREES' }]);
  });

  test('one that holds messages is not deleted before somebody has read them', async () => {
    await queues.apply(spec('full'));
    await sqs.send(new SendMessageCommand({ QueueUrl: urlOf('full'), MessageBody: 'undelivered' }));
    const refusing = await callsOf(sandbox, async () => {
      expect(await queues.remove(spec('full'))).toMatchObject([
        { ok: false, error: { code: 'QueueNotEmpty', message: expect.stringContaining('about 1 messages') } },
      ]);
    });
    expect(changing(refusing)).toEqual([]);
    // Taken, and not yet deleted by who took it.
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: urlOf('full') }));
    expect(await queues.remove(spec('full'))).toMatchObject([{ ok: false }]);
    const ReceiptHandle = Messages[0]?.ReceiptHandle;
    await sqs.send(new DeleteMessageCommand({ QueueUrl: urlOf('full'), ReceiptHandle }));
    expect(await queues.remove(spec('full'))).toEqual([{ ok: true }]);
    expect(await queues.observe(spec('full'))).toEqual([{ state: 'MISSING' }]);
  });

  test('the name of one that was just deleted is waited for', async () => {
    await queues.apply(spec('brief'));
    await queues.remove(spec('brief'));
    expect(await queues.apply(spec('brief'))).toMatchObject([
      { ok: false, error: { code: 'QueueDeletedRecently', treatment: 'RETRY' } },
    ]);
  });

  test('one made by another hand since it was looked for is compared, not overwritten', async () => {
    await queues.apply({ ...spec('race'), retentionSeconds: 60 });
    const session = await aws.open(laneTo(G));
    const make = (wanted: SpecOf<'Queue'>) =>
      aws.providers.Queue.apply(session, [{ item: itemOf('Queue', G, wanted), observation: { state: 'MISSING' } }]);
    expect(await make(spec('race'))).toMatchObject([
      { ok: false, error: { code: 'Conflict', treatment: 'PERMANENT', message: expect.stringContaining('60') } },
    ]);
    expect(await make({ ...spec('race'), retentionSeconds: 60 })).toEqual([{ ok: true }]);
  });

  test('an event that the bus of another account refuses is kept there with the reason, for the rules that may send alone', async () => {
    await driver(aws, 'EventBus', G).apply({ name: 'sending' });
    await driver(aws, 'EventBus', P).apply({ name: 'closed' });
    const rule = (name: string): SpecOf<'EventRule'> => ({
      bus: 'sending',
      name,
      pattern: { source: [name] },
      targets: [
        {
          id: 'bus',
          arn: `arn:aws:events:${REGION}:${P}:event-bus/closed`,
          roleArn: `arn:aws:iam::${G}:role/put-events`,
          deadLetterArn: `arn:aws:sqs:${REGION}:${G}:undelivered`,
        },
      ],
    });
    await queues.apply(spec('undelivered', ruleArn('known')));
    await driver(aws, 'EventRule', G).apply(rule('known'), rule('unknown'));
    const entry = { EventBusName: 'sending', DetailType: 'Refused', Detail: '{"n":1}' };
    const Entries = ['unknown', 'known'].map((Source) => ({ ...entry, Source }));
    await events.send(new PutEventsCommand({ Entries }));
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: urlOf('undelivered'),
        MaxNumberOfMessages: 10,
        MessageAttributeNames: ['All'],
      }),
    );
    expect(Messages).toHaveLength(1);
    expect(JSON.parse(Messages[0]?.Body ?? '')).toMatchObject({ source: 'known', detail: { n: 1 } });
    expect(Messages[0]?.MessageAttributes).toMatchObject({
      RULE_ARN: { StringValue: ruleArn('known') },
      TARGET_ARN: { StringValue: rule('known').targets[0]?.arn },
      ERROR_CODE: { StringValue: 'NO_PERMISSIONS' },
      ERROR_MESSAGE: { StringValue: expect.stringContaining('does not allow') },
    });
  });
});
