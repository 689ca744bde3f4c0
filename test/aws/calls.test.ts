import { beforeAll, describe, expect, test } from 'vitest';
import type { Kind, SpecOf } from '../../src/provisioning/kinds.js';
import { lfResourceText, tagPolicy } from '../../src/provisioning/lake-resource.js';
import type { AwsCall } from '../../src/provisioning/provider.js';
import { sandboxOfTest } from '../sandbox/testkit.js';
import * as mesh from './mesh.js';
import { awsOver, C, callsOf, control, driver, G, type LoggedCall, P, REGION } from './testkit.js';

/** What a plan says of AWS calls is what is then sent. */

const sandbox = await sandboxOfTest({ ramSharing: true });
const aws = awsOver(sandbox);
const worker = `arn:aws:iam::${G}:role/worker`;
const busArn = (account: string, name: string) => `arn:aws:events:${REGION}:${account}:event-bus/${name}`;
const ruleArn = (name: string) => `arn:aws:events:${REGION}:${G}:rule/ground/${name}`;
const queueArn = `arn:aws:sqs:${REGION}:${G}:undelivered`;
const putEvents = `arn:aws:iam::${G}:role/put-events`;

/** A kind with a first and a second spec of one object; without a second there is nothing about it that changes. */
interface Case<K extends Kind = Kind> {
  name: string;
  kind: K;
  account: string;
  first: SpecOf<K>;
  second?: SpecOf<K>;
}

function caseOf<K extends Kind>(kind: K, account: string, first: SpecOf<K>, second?: SpecOf<K>): Case {
  const at = 'resource' in first ? ` on a ${lfResourceText(first.resource).split(' ')[0]}` : '';
  return { name: `${kind}${at}`, kind, account, first, ...(second ? { second } : {}) } as unknown as Case;
}

const database = { type: 'DATABASE', catalogId: G, database: 'sales_nrac' } as const;
const expression = tagPolicy(G, 'TABLE', [
  { key: 'lob', values: ['sales'] },
  { key: 'confidentiality', values: ['non-sensitive'] },
]);
const held = (spec: Partial<SpecOf<'LfGrant'>> & Pick<SpecOf<'LfGrant'>, 'resource' | 'permissions'>) => ({
  principal: worker,
  grantable: {},
  ...spec,
});

const CASES: Case[] = [
  caseOf('CatalogPolicy', G, mesh.ramPolicy, {
    statements: {
      MeshgateRam: { ...mesh.ramPolicy.statements.MeshgateRam, Resource: [`arn:aws:glue:${REGION}:${G}:catalog`] },
    },
  }),
  caseOf(
    'DataLocation',
    G,
    { ...mesh.location, arn: 'arn:aws:s3:::lake/other' },
    {
      arn: 'arn:aws:s3:::lake/other',
      roleArn: `arn:aws:iam::${G}:role/other-reader`,
    },
  ),
  caseOf(
    'GlueDatabase',
    G,
    { name: 'planned', description: 'Planned', parameters: { a: '1', b: '2' } },
    {
      name: 'planned',
      parameters: { a: '3' },
    },
  ),
  caseOf(
    'GlueTable',
    G,
    { ...mesh.ordersTable, name: 'planned' },
    {
      ...mesh.ordersTable,
      name: 'planned',
      description: 'Planned',
      columns: mesh.ordersTable.columns.slice(0, 2),
      parameters: { other: 'yes' },
    },
  ),
  caseOf('TableLink', C, mesh.ordersLink, {
    ...mesh.ordersLink,
    target: { ...mesh.ordersLink.target, table: 'planned' },
  }),
  caseOf(
    'DatabaseLink',
    C,
    { name: 'sales', target: { catalogId: G, database: 'sales_nrac' } },
    {
      name: 'sales',
      target: { catalogId: G, database: 'other' },
    },
  ),
  caseOf('LfTag', G, { key: 'planned', values: ['one', 'two'] }, { key: 'planned', values: ['one', 'three', 'two'] }),
  caseOf(
    'LfTagAttachment',
    G,
    { resource: mesh.orders, key: 'confidentiality', value: 'sensitive', columns: ['email', 'id'] },
    {
      resource: mesh.orders,
      key: 'confidentiality',
      value: 'sensitive',
      columns: ['id'],
    },
  ),
  caseOf(
    'LfTagAttachment',
    G,
    { resource: database, key: 'confidentiality', value: 'sensitive' },
    {
      resource: database,
      key: 'confidentiality',
      value: 'non-sensitive',
    },
  ),
  caseOf(
    'LfGrant',
    G,
    held({ resource: mesh.orders, permissions: { DESCRIBE: 'ALL_COLUMNS', SELECT: ['id', 'email'] } }),
    held({ resource: mesh.orders, permissions: { SELECT: ['amount', 'id'] } }),
  ),
  caseOf(
    'LfGrant',
    G,
    held({
      principal: P,
      resource: mesh.orders,
      permissions: { ALL: 'ALL_COLUMNS' },
      grantable: { ALL: 'ALL_COLUMNS' },
    }),
    held({ principal: P, resource: mesh.orders, permissions: { DESCRIBE: 'ALL_COLUMNS', SELECT: ['id'] } }),
  ),
  caseOf(
    'LfGrant',
    G,
    held({ resource: database, permissions: { DESCRIBE: 'ALL_COLUMNS' } }),
    held({ resource: database, permissions: { CREATE_TABLE: 'ALL_COLUMNS', DESCRIBE: 'ALL_COLUMNS' } }),
  ),
  caseOf(
    'LfGrant',
    G,
    held({
      resource: { ...mesh.orders, type: 'DATA_FILTER', filter: 'ground' },
      permissions: { SELECT: 'ALL_COLUMNS' },
    }),
  ),
  caseOf(
    'LfGrant',
    G,
    held({
      resource: { type: 'DATA_LOCATION', catalogId: G, arn: mesh.LOCATION },
      permissions: { DATA_LOCATION_ACCESS: 'ALL_COLUMNS' },
    }),
    held({
      resource: { type: 'DATA_LOCATION', catalogId: G, arn: mesh.LOCATION },
      permissions: { DATA_LOCATION_ACCESS: 'ALL_COLUMNS' },
      grantable: { DATA_LOCATION_ACCESS: 'ALL_COLUMNS' },
    }),
  ),
  caseOf(
    'LfGrant',
    G,
    held({
      resource: { type: 'LF_TAG', catalogId: G, key: 'lob', value: 'sales' },
      permissions: { ASSOCIATE: 'ALL_COLUMNS', DESCRIBE: 'ALL_COLUMNS' },
    }),
    held({
      resource: { type: 'LF_TAG', catalogId: G, key: 'lob', value: 'sales' },
      permissions: { DESCRIBE: 'ALL_COLUMNS' },
    }),
  ),
  caseOf(
    'LfGrant',
    G,
    held({ resource: expression, permissions: { DESCRIBE: 'ALL_COLUMNS', SELECT: 'ALL_COLUMNS' } }),
    held({ resource: expression, permissions: { DESCRIBE: 'ALL_COLUMNS' } }),
  ),
  caseOf(
    'DataFilter',
    G,
    { database: 'sales_nrac', table: 'orders', name: 'planned', columns: ['id', 'amount'], rowFilter: 'amount > 10' },
    {
      database: 'sales_nrac',
      table: 'orders',
      name: 'planned',
      columns: 'ALL_COLUMNS',
      rowFilter: null,
    },
  ),
  caseOf('SchemaRegistration', G, mesh.ordersSchema, {
    ...mesh.ordersSchema,
    definition: { ...mesh.ordersSchema.definition, properties: { id: { type: 'string' } } },
  }),
  caseOf('QualityRuleset', G, mesh.ordersRules, { ...mesh.ordersRules, rules: ['RowCount > 5'] }),
  caseOf(
    'QualityRuleset',
    G,
    { ...mesh.ordersRules, name: 'moved' },
    { ...mesh.ordersRules, name: 'moved', database: 'sales_tbac' },
  ),
  caseOf('EventBus', P, { name: 'planned' }),
  caseOf(
    'BusPermission',
    G,
    { bus: 'ground', statementId: 'planned', principalAccounts: [P], deniedSources: ['meshgate'] },
    {
      bus: 'ground',
      statementId: 'planned',
      principalAccounts: [C, P],
      deniedSources: [],
    },
  ),
  caseOf(
    'EventRule',
    G,
    {
      bus: 'ground',
      name: 'planned',
      description: 'Planned',
      pattern: { source: ['meshgate'] },
      targets: [
        { id: 'one', arn: busArn(P, 'inbox'), roleArn: putEvents },
        { id: 'two', arn: busArn(C, 'inbox'), roleArn: putEvents },
      ],
    },
    {
      bus: 'ground',
      name: 'planned',
      pattern: { source: ['other'] },
      targets: [{ id: 'two', arn: busArn(C, 'other'), roleArn: putEvents, deadLetterArn: queueArn }],
    },
  ),
  caseOf(
    'Queue',
    G,
    { name: 'planned', retentionSeconds: 1_209_600, senders: [ruleArn('one')] },
    { name: 'planned', retentionSeconds: 86_400, senders: [ruleArn('two'), ruleArn('one')] },
  ),
  caseOf(
    'Queue',
    G,
    {
      name: 'tried',
      retentionSeconds: 1_209_600,
      senders: [ruleArn('one')],
      redrive: { deadLetterArn: queueArn, maxReceives: 20 },
    },
    {
      name: 'tried',
      retentionSeconds: 1_209_600,
      senders: [ruleArn('one')],
      redrive: { deadLetterArn: queueArn, maxReceives: 5 },
    },
  ),
];

/** What only AWS knows: the version that an update must meet. Of a queue's address its own part is known. */
const UNKNOWN = ['VersionId', 'PolicyHashCondition'];

function known(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(known);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => {
      if (UNKNOWN.includes(name)) return [];
      return [[name, name === 'QueueUrl' ? new URL(String(member)).pathname : known(member)]];
    }),
  );
}

const sent = (calls: LoggedCall[]) =>
  calls
    .filter(({ operation }) => !/^(Get|List|Describe|Assume)/.test(operation))
    .map(({ service, operation, parameters }) => ({ service, operation, parameters: known(parameters) }));
const planned = (calls: AwsCall[]) => calls.map((call) => ({ ...call, parameters: known(call.parameters) }));

beforeAll(async () => {
  await mesh.govern(aws);
  await mesh.publish(aws);
  await driver(aws, 'GlueDatabase', C).apply(mesh.localDatabase);
  await driver(aws, 'LfTag', G).apply({ key: 'confidentiality', values: ['sensitive', 'non-sensitive'] });
  await driver(aws, 'LfTag', G).apply({ key: 'lob', values: ['sales'] });
  const ground = { database: 'sales_nrac', table: 'orders', name: 'ground', columns: ['id'], rowFilter: null };
  await driver(aws, 'DataFilter', G).apply(ground);
  await driver(aws, 'EventBus', G).apply({ name: 'ground' });
  await driver(aws, 'SchemaRegistry', G).apply(mesh.registry);
  await control(sandbox, '/settings', { schemaCheckMs: 0 });
  await driver(aws, 'CatalogPolicy', G).remove(mesh.ramPolicy);
});

test('the settings of an account are put as the plan shows, with what else the account has set', async () => {
  const settings = driver(aws, 'DataLakeSettings', P);
  const calls = await callsOf(sandbox, () => settings.apply(mesh.settings(P)));
  expect(sent(calls)).toMatchObject(planned(settings.calls('CREATE', mesh.settings(P))));
});

describe.each(CASES)('$name', ({ kind, account, first, second }) => {
  const provider = driver(aws, kind, account);
  const done = [{ ok: true }];

  test('is created by the calls that the plan shows', async () => {
    const calls = await callsOf(sandbox, async () => expect(await provider.apply(first)).toEqual(done));
    expect(sent(calls)).toEqual(planned(provider.calls('CREATE', first)));
  });

  if (second)
    test('is updated by the calls that the plan shows', async () => {
      const calls = await callsOf(sandbox, async () => expect(await provider.apply(second)).toEqual(done));
      expect(sent(calls)).toEqual(planned(provider.calls('UPDATE', second, first)));
      expect(await provider.observe(second)).toMatchObject([{ state: 'AGREES' }]);
    });

  test('is removed by the calls that the plan shows', async () => {
    const last = second ?? first;
    const calls = await callsOf(sandbox, async () => expect(await provider.remove(last)).toEqual(done));
    expect(sent(calls)).toEqual(planned(provider.calls('DELETE', last)));
    expect(await provider.observe(last)).toEqual([{ state: 'MISSING' }]);
  });
});
