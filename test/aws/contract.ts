import { beforeAll, describe, expect, test } from 'vitest';
import type { AwsSession } from '../../src/aws/session.js';
import type { Kind, SpecOf } from '../../src/provisioning/kinds.js';
import type { Aws } from '../../src/provisioning/provider.js';
import * as mesh from './mesh.js';
import { C, changing, driver, G, type LoggedCall, P, REGION, roleIn } from './testkit.js';

const busArn = (account: string, name: string) => `arn:aws:events:${REGION}:${account}:event-bus/${name}`;

const ruleArn = (name: string) => `arn:aws:events:${REGION}:${G}:rule/base-bus/${name}`;

/** One call made behind the product's back. */
export type Meddling = [service: string, operation: string, parameters: object];

/** An AWS that the contract runs against: the embedded one or one that others wrote. */
export interface ContractAws {
  aws: Aws<AwsSession>;
  /** What is called while `work` runs. */
  callsOf(work: () => Promise<unknown>): Promise<Pick<LoggedCall, 'operation' | 'parameters'>[]>;
  /** Changes it as an administrator of the account; throws where a call was refused. */
  meddle(account: string, calls: Meddling[]): Promise<void>;
  /** Steps that it is known to fail: they must go on failing, or the list is out of date. */
  fails?(kind: Kind, step: Step): boolean;
}

/** The steps of the contract, in order: each a test of every kind. */
const STEPS = ['missing', 'applied', 'applied again', 'repaired', 'removed', 'removed again'] as const;
export type Step = (typeof STEPS)[number];

/** An administrator changes and drops nothing before he grants himself so (Lake Formation developer guide, implicit-permissions). */
const powers = (account: string, resource: object): Meddling => [
  'lakeformation',
  'GrantPermissions',
  {
    Principal: { DataLakePrincipalIdentifier: `arn:aws:iam::${account}:role/administrator` },
    Resource: resource,
    Permissions: 'Table' in resource ? ['ALTER', 'DROP'] : ['ALTER', 'CREATE_TABLE'],
  },
];

/** A grant of one permission to one principal. */
const may = (principal: string, permission: string, resource: object): Meddling => [
  'lakeformation',
  'GrantPermissions',
  { Principal: { DataLakePrincipalIdentifier: principal }, Resource: resource, Permissions: [permission] },
];

/** What every provider must do alike, with a change behind its back and the difference that it must then tell. */
interface Case<K extends Kind = Kind> {
  kind: K;
  account: string;
  spec: SpecOf<K>;
  /** Operations of the first apply. */
  made: string[];
  changed: Meddling[];
  difference: RegExp;
  /** Operations of the repair. */
  repaired: string[];
  removed: string[];
}

const CASES = [
  {
    kind: 'CatalogPolicy',
    account: G,
    spec: mesh.ramPolicy,
    made: ['PutResourcePolicy'],
    changed: [
      [
        'glue',
        'PutResourcePolicy',
        {
          EnableHybrid: 'TRUE',
          PolicyInJson: JSON.stringify({
            Version: '2012-10-17',
            Statement: [{ ...mesh.ramPolicy.statements.MeshgateRam, Sid: 'MeshgateRam', Action: 'glue:GetTable' }],
          }),
        },
      ],
    ],
    difference: /statement MeshgateRam is .*glue:GetTable.*wanted .*glue:ShareResource/,
    repaired: ['PutResourcePolicy'],
    removed: ['DeleteResourcePolicy'],
  },
  {
    kind: 'DataLocation',
    account: G,
    spec: mesh.location,
    made: ['RegisterResource'],
    changed: [
      ['lakeformation', 'UpdateResource', { ResourceArn: mesh.LOCATION, RoleArn: `arn:aws:iam::${G}:role/other` }],
    ],
    difference: /roleArn is .*role\/other.*, wanted .*role\/lake-reader/,
    repaired: ['UpdateResource'],
    removed: ['DeregisterResource'],
  },
  {
    kind: 'GlueDatabase',
    account: G,
    spec: mesh.salesDatabase,
    made: ['CreateDatabase'],
    changed: [
      powers(G, { Database: { Name: 'sales_nrac' } }),
      [
        'glue',
        'UpdateDatabase',
        {
          Name: 'sales_nrac',
          DatabaseInput: {
            Name: 'sales_nrac',
            Description: 'mine now',
            Parameters: { data_owner: 'me', foreign: 'kept' },
            CreateTableDefaultPermissions: [],
          },
        },
      ],
    ],
    difference: /description is "mine now", wanted "Sales, shared by name"/,
    repaired: ['UpdateDatabase'],
    removed: ['DeleteDatabase'],
  },
  {
    kind: 'GlueTable',
    account: G,
    spec: { ...mesh.ordersTable, database: 'base' },
    made: ['CreateTable'],
    changed: [
      powers(G, { Table: { DatabaseName: 'base', Name: 'orders' } }),
      [
        'glue',
        'UpdateTable',
        {
          DatabaseName: 'base',
          TableInput: {
            Name: 'orders',
            TableType: 'EXTERNAL_TABLE',
            StorageDescriptor: { Location: 's3://lake/sales/orders', Columns: [{ Name: 'id', Type: 'string' }] },
          },
        },
      ],
    ],
    difference: /column id is .*string.*wanted .*bigint/,
    repaired: ['UpdateTable'],
    removed: ['DeleteTable'],
  },
  {
    kind: 'TableLink',
    account: C,
    spec: { ...mesh.ordersLink, database: 'base' },
    made: ['CreateTable'],
    changed: [
      powers(C, { Database: { Name: 'base' } }),
      may(`arn:aws:iam::${C}:role/administrator`, 'DROP', {
        Table: { DatabaseName: 'base', Name: mesh.ordersLink.name },
      }),
      ['glue', 'DeleteTable', { DatabaseName: 'base', Name: mesh.ordersLink.name }],
      [
        'glue',
        'CreateTable',
        {
          DatabaseName: 'base',
          TableInput: {
            Name: mesh.ordersLink.name,
            TargetTable: { CatalogId: G, DatabaseName: 'base', Name: 'other' },
          },
        },
      ],
      may(roleIn(C).arn, 'DROP', { Table: { DatabaseName: 'base', Name: mesh.ordersLink.name } }),
    ],
    difference: /target is ".*base\/other", wanted ".*sales_nrac\/orders"/,
    repaired: ['DeleteTable', 'CreateTable'],
    removed: ['DeleteTable'],
  },
  {
    kind: 'DatabaseLink',
    account: C,
    spec: { name: 'sales', target: { catalogId: G, database: 'sales_nrac' } },
    made: ['CreateDatabase'],
    changed: [
      may(`arn:aws:iam::${C}:role/administrator`, 'DROP', { Database: { Name: 'sales' } }),
      ['glue', 'DeleteDatabase', { Name: 'sales' }],
      [
        'glue',
        'CreateDatabase',
        { DatabaseInput: { Name: 'sales', TargetDatabase: { CatalogId: G, DatabaseName: 'base' } } },
      ],
      may(roleIn(C).arn, 'DROP', { Database: { Name: 'sales' } }),
    ],
    difference: /target is ".*\/base", wanted ".*\/sales_nrac"/,
    repaired: ['DeleteDatabase', 'CreateDatabase'],
    removed: ['DeleteDatabase'],
  },
  {
    kind: 'DataFilter',
    account: G,
    spec: { database: 'base', table: 'filtered', name: 'eu', columns: ['id', 'amount'], rowFilter: 'amount > 10' },
    made: ['CreateDataCellsFilter'],
    changed: [
      [
        'lakeformation',
        'UpdateDataCellsFilter',
        {
          TableData: {
            TableCatalogId: G,
            DatabaseName: 'base',
            TableName: 'filtered',
            Name: 'eu',
            RowFilter: { AllRowsWildcard: {} },
            ColumnWildcard: { ExcludedColumnNames: ['email'] },
          },
        },
      ],
    ],
    difference: /columns is .*allExcept.*email.*wanted .*amount.*rowFilter is null, wanted "amount > 10"/,
    repaired: ['UpdateDataCellsFilter'],
    removed: ['DeleteDataCellsFilter'],
  },
  {
    kind: 'SchemaRegistration',
    account: G,
    spec: mesh.ordersSchema,
    made: ['CreateSchema'],
    changed: [
      [
        'glue',
        'UpdateSchema',
        {
          SchemaId: { RegistryName: mesh.ordersSchema.registry, SchemaName: mesh.ordersSchema.name },
          SchemaVersionNumber: { LatestVersion: true },
          Compatibility: 'BACKWARD',
        },
      ],
    ],
    difference: /compatibility is "BACKWARD", wanted "NONE"/,
    repaired: ['UpdateSchema'],
    removed: ['DeleteSchema'],
  },
  {
    kind: 'QualityRuleset',
    account: G,
    spec: { ...mesh.ordersRules, database: 'base', table: 'filtered' },
    made: ['CreateDataQualityRuleset'],
    changed: [
      ['glue', 'UpdateDataQualityRuleset', { Name: mesh.ordersRules.name, Ruleset: 'Rules = [ IsComplete "email" ]' }],
    ],
    difference: /rules is .*email.*wanted .*IsComplete/,
    repaired: ['UpdateDataQualityRuleset'],
    removed: ['DeleteDataQualityRuleset'],
  },
  {
    kind: 'LfTag',
    account: G,
    spec: { key: 'lob', values: ['sales', 'finance'] },
    made: ['CreateLFTag'],
    changed: [['lakeformation', 'UpdateLFTag', { TagKey: 'lob', TagValuesToDelete: ['finance'] }]],
    difference: /lacks the values finance/,
    repaired: ['UpdateLFTag'],
    removed: ['DeleteLFTag'],
  },
  {
    kind: 'LfTagAttachment',
    account: G,
    spec: {
      resource: { type: 'DATABASE', catalogId: G, database: 'base' },
      key: 'confidentiality',
      value: 'sensitive',
    },
    made: ['AddLFTagsToResource'],
    changed: [
      [
        'lakeformation',
        'AddLFTagsToResource',
        {
          Resource: { Database: { CatalogId: G, Name: 'base' } },
          LFTags: [{ TagKey: 'confidentiality', TagValues: ['non-sensitive'] }],
        },
      ],
    ],
    difference: /confidentiality is "non-sensitive", wanted "sensitive"/,
    repaired: ['AddLFTagsToResource'],
    removed: ['RemoveLFTagsFromResource'],
  },
  {
    kind: 'LfGrant',
    account: G,
    spec: {
      principal: `arn:aws:iam::${G}:role/worker`,
      resource: { type: 'DATABASE', catalogId: G, database: 'base' },
      permissions: { DESCRIBE: 'ALL_COLUMNS' },
      grantable: {},
    },
    made: ['BatchGrantPermissions'],
    changed: [may(`arn:aws:iam::${G}:role/worker`, 'DROP', { Database: { Name: 'base' } })],
    difference: /holds DROP, which nobody asked for/,
    repaired: ['BatchRevokePermissions'],
    removed: ['BatchRevokePermissions'],
  },
  {
    kind: 'EventBus',
    account: P,
    spec: { name: 'data-mesh-bus' },
    made: ['CreateEventBus'],
    changed: [],
    difference: /./,
    repaired: [],
    removed: ['DeleteEventBus'],
  },
  {
    kind: 'BusPermission',
    account: G,
    spec: {
      bus: 'base-bus',
      statementId: `meshgate-${P}`,
      principalAccounts: [P],
      deniedSources: ['meshgate', 'com.central.stepfunction'],
    },
    made: ['PutPermission'],
    changed: [
      ['events', 'RemovePermission', { EventBusName: 'base-bus', StatementId: `meshgate-${P}-denied-sources` }],
    ],
    difference: /statement meshgate-\d+-denied-sources is missing/,
    repaired: ['PutPermission'],
    removed: ['RemovePermission', 'RemovePermission'],
  },
  {
    kind: 'EventRule',
    account: G,
    spec: {
      bus: 'base-bus',
      name: 'to-sales',
      description: 'What concerns Sales',
      pattern: { source: ['meshgate'], detail: { audience: ['sales'] } },
      targets: [
        {
          id: 'bus',
          arn: busArn(P, 'inbox'),
          roleArn: `arn:aws:iam::${G}:role/put-events`,
          deadLetterArn: `arn:aws:sqs:${REGION}:${G}:undelivered`,
        },
      ],
    },
    made: ['PutRule', 'PutTargets'],
    changed: [
      [
        'events',
        'PutRule',
        {
          Name: 'to-sales',
          EventBusName: 'base-bus',
          EventPattern: JSON.stringify({ detail: { audience: ['finance'] }, source: ['meshgate'] }),
          State: 'DISABLED',
        },
      ],
      [
        'events',
        'PutTargets',
        {
          Rule: 'to-sales',
          EventBusName: 'base-bus',
          Targets: [
            { Id: 'leak', Arn: busArn(C, 'leak'), RoleArn: `arn:aws:iam::${G}:role/put-events` },
            { Id: 'bus', Arn: busArn(P, 'inbox'), RoleArn: `arn:aws:iam::${G}:role/put-events` },
          ],
        },
      ],
    ],
    difference:
      /pattern is .*finance.*wanted .*sales.*state is "DISABLED".*targets is \[(?!.*undelivered.*, wanted).*leak.*, wanted .*undelivered/,
    repaired: ['PutRule', 'RemoveTargets', 'PutTargets'],
    removed: ['RemoveTargets', 'DeleteRule'],
  },
  {
    kind: 'Queue',
    account: G,
    spec: { name: 'undelivered', retentionSeconds: 1_209_600, senders: [ruleArn('to-sales'), ruleArn('to-finance')] },
    made: ['CreateQueue'],
    changed: [
      [
        'sqs',
        'SetQueueAttributes',
        {
          QueueUrl: `https://sqs.${REGION}.amazonaws.com/${G}/undelivered`,
          Attributes: {
            MessageRetentionPeriod: '60',
            SqsManagedSseEnabled: 'false',
            Policy: JSON.stringify({
              Version: '2012-10-17',
              Statement: {
                Sid: 'MeshgateSenders',
                Effect: 'Allow',
                Principal: { Service: 'events.amazonaws.com' },
                Action: 'sqs:SendMessage',
                Resource: `arn:aws:sqs:${REGION}:${G}:undelivered`,
                Condition: { ArnEquals: { 'aws:SourceArn': ruleArn('to-sales') } },
              },
            }),
          },
        },
      ],
    ],
    difference:
      /retentionSeconds is 60, wanted 1209600; encryption is "none", wanted "SSE-SQS"; statement MeshgateSenders is .*wanted .*to-finance/,
    repaired: ['SetQueueAttributes'],
    removed: ['DeleteQueue'],
  },
] as unknown as Case[];

/** Tests every provider's contract against an AWS. */
export function testContract({ aws, callsOf, meddle, fails = () => false }: ContractAws): void {
  // Ground to stand on, beside the objects under test.
  beforeAll(async () => {
    await mesh.govern(aws);
    for (const account of [G, C]) await driver(aws, 'GlueDatabase', account).apply({ name: 'base', parameters: {} });
    await driver(aws, 'LfTag', G).apply({ key: 'confidentiality', values: ['sensitive', 'non-sensitive'] });
    await driver(aws, 'GlueTable', G).apply({ ...mesh.ordersTable, database: 'base', name: 'filtered' });
    await driver(aws, 'EventBus', G).apply({ name: 'base-bus' });
    await driver(aws, 'SchemaRegistry', G).apply(mesh.registry);
  });

  describe.each(CASES)('$kind', ({ kind, account, spec, ...expected }) => {
    const provider = driver(aws, kind, account);
    const step = (name: Step) => (fails(kind, name) ? test.fails : test);

    step('missing')('is missing before it is applied', async () => {
      expect(await provider.observe(spec)).toEqual([{ state: 'MISSING' }]);
    });

    step('applied')('agrees once it is applied, by the calls that the plan shows', async () => {
      const calls = await callsOf(async () => expect(await provider.apply(spec)).toEqual([{ ok: true }]));
      expect(changing(calls)).toEqual(expected.made);
      for (const planned of provider.calls('CREATE', spec)) {
        const sent = calls.find(({ operation }) => operation === planned.operation);
        expect(sent?.parameters).toEqual(planned.parameters);
      }
      expect(await provider.observe(spec)).toMatchObject([{ state: 'AGREES' }]);
    });

    step('applied again')('is applied again without a call that changes anything', async () => {
      expect(changing(await callsOf(() => provider.apply(spec)))).toEqual([]);
    });

    // A bus has nothing about it that could be changed.
    if (expected.changed.length > 0)
      step('repaired')('tells and repairs what was changed behind its back', async () => {
        await meddle(account, expected.changed);
        const [seen] = await provider.observe(spec);
        expect(seen).toMatchObject({ state: 'DIFFERS' });
        expect(seen?.state === 'DIFFERS' && seen.differences.join('; ')).toMatch(expected.difference);
        const calls = await callsOf(async () => expect(await provider.apply(spec)).toEqual([{ ok: true }]));
        expect(changing(calls)).toEqual(expected.repaired);
        expect(await provider.observe(spec)).toMatchObject([{ state: 'AGREES' }]);
      });

    step('removed')('is missing once it is removed, by the operations that the plan shows', async () => {
      const calls = await callsOf(async () => expect(await provider.remove(spec)).toEqual([{ ok: true }]));
      expect(changing(calls)).toEqual(expected.removed);
      expect(provider.calls('DELETE', spec).map(({ operation }) => operation)).toEqual(expected.removed);
      expect(await provider.observe(spec)).toEqual([{ state: 'MISSING' }]);
    });

    step('removed again')('is removed again without an error', async () => {
      expect(await provider.remove(spec)).toEqual([{ ok: true }]);
    });
  });
}
