import {
  CreateDatabaseCommand,
  CreateTableCommand,
  GetDataQualityRulesetCommand,
  GetTableCommand,
  GetTablesCommand,
} from '@aws-sdk/client-glue';
import {
  AddLFTagsToResourceCommand,
  BatchGrantPermissionsCommand,
  BatchRevokePermissionsCommand,
  CreateDataCellsFilterCommand,
  CreateLFTagCommand,
  GetLFTagCommand,
  GetResourceLFTagsCommand,
  GrantPermissionsCommand,
  ListPermissionsCommand,
  RevokePermissionsCommand,
  SearchTablesByLFTagsCommand,
  UpdateResourceCommand,
} from '@aws-sdk/client-lakeformation';
import { GetResourceShareInvitationsCommand, GetResourceSharesCommand } from '@aws-sdk/client-ram';
import type { AwsSession } from '../../src/aws/session.js';
import type { Kind } from '../../src/provisioning/kinds.js';
import type { Step } from '../aws/contract.js';
import { C, G } from '../aws/testkit.js';

/** Something of AWS that the emulator does not do or does otherwise. */
export interface Lack {
  /** What is lacking, as a sentence about the emulator. */
  lack: string;
  /** What AWS does, and what of ours cannot be tested here for it. */
  why: string;
  /** Steps of the contract that fail for it. */
  fails: Partial<Record<Kind, Step[]>>;
  /** One call, or a few, that show the lack; answers true while it is there. */
  shows(sessions: Sessions): Promise<boolean>;
}

/** The governance account and a consumer's. */
export interface Sessions {
  governance: AwsSession;
  consumer: AwsSession;
}

const worker = { DataLakePrincipalIdentifier: `arn:aws:iam::${G}:role/prober` };
const database = (Name: string, CatalogId = G) => ({ Database: { CatalogId, Name } });
const table = (Name: string) => ({ Table: { CatalogId: G, DatabaseName: 'probe', Name } });

/** The name of the error that a call ends with; null where it succeeds. An operation that is missing answers HTML: SyntaxError. */
async function errorOf(call: Promise<unknown>): Promise<string | null> {
  return call.then(
    () => null,
    (error: unknown) => (error as Error).name,
  );
}

/** What moto 5.2 lacks of what Meshgate calls. */
export const LACKS: Lack[] = [
  {
    lack: 'ListPermissions wants a resource beside a principal',
    why: 'AWS lists all that a principal holds. What IAM_ALLOWED_PRINCIPALS holds is found so, and with it that Lake Formation alone governs an object.',
    fails: { GlueDatabase: ['applied', 'repaired'], GlueTable: ['applied', 'repaired'] },
    shows: async ({ governance }) =>
      (await errorOf(governance.lakeFormation.send(new ListPermissionsCommand({ Principal: worker })))) ===
      'InvalidInputException',
  },
  {
    lack: 'UpdateResource is missing',
    why: 'AWS changes the role of a registered location in place.',
    fails: { DataLocation: ['repaired'] },
    shows: async ({ governance }) =>
      (await errorOf(
        governance.lakeFormation.send(
          new UpdateResourceCommand({ ResourceArn: 'arn:aws:s3:::probe', RoleArn: `arn:aws:iam::${G}:role/reader` }),
        ),
      )) === 'SyntaxError',
  },
  {
    lack: 'GetLFTag answers a tag that does not exist, without values',
    why: 'AWS answers EntityNotFoundException, upon which the tag is created; here an update is tried, which fails.',
    fails: { LfTag: ['applied', 'applied again', 'repaired'] },
    shows: async ({ governance }) => {
      const answer = await governance.lakeFormation.send(new GetLFTagCommand({ TagKey: 'never-made' }));
      return answer.TagValues?.length === 0;
    },
  },
  {
    lack: 'GetResourceLFTags fails on a database that was never tagged',
    why: 'AWS answers no tags. The contract runs on a database that was tagged once and is not now.',
    fails: {},
    shows: async ({ governance }) =>
      (await errorOf(
        governance.lakeFormation.send(new GetResourceLFTagsCommand({ Resource: database('never-tagged') })),
      )) !== null,
  },
  {
    lack: 'AddLFTagsToResource takes values that the tag does not have',
    why: 'AWS reports them in Failures.',
    fails: {},
    shows: async ({ governance: { lakeFormation } }) => {
      await lakeFormation.send(new CreateLFTagCommand({ TagKey: 'probe', TagValues: ['known'] }));
      const LFTags = [{ TagKey: 'probe', TagValues: ['unknown'] }];
      const { Failures } = await lakeFormation.send(
        new AddLFTagsToResourceCommand({ Resource: database('probe-tagged'), LFTags }),
      );
      return Failures?.length === 0;
    },
  },
  {
    lack: 'a grant that names its catalog and one that leaves it out are two records',
    why: 'In AWS the catalog left out is that of the account called.',
    fails: { LfGrant: ['repaired'] },
    shows: async ({ governance: { lakeFormation } }) => {
      const unnamed = { Database: { Name: 'two-records' } };
      await lakeFormation.send(
        new GrantPermissionsCommand({ Principal: worker, Resource: unnamed, Permissions: ['DESCRIBE'] }),
      );
      const list = new ListPermissionsCommand({ Resource: database('two-records') });
      return (await lakeFormation.send(list)).PrincipalResourcePermissions?.length === 0;
    },
  },
  {
    lack: 'a revoke fails once two grants of one principal on one resource were merged',
    why: 'AWS takes away what the revoke names and leaves the rest.',
    fails: {},
    shows: async ({ governance: { lakeFormation } }) => {
      const on = { Principal: worker, Resource: database('merged') };
      for (const permission of ['DESCRIBE', 'DROP'] as const)
        await lakeFormation.send(new GrantPermissionsCommand({ ...on, Permissions: [permission] }));
      return (
        (await errorOf(lakeFormation.send(new RevokePermissionsCommand({ ...on, Permissions: ['DROP'] })))) !== null
      );
    },
  },
  {
    lack: 'a batch never has failures',
    why: 'AWS answers per entry: revoking what was never granted, or granting on a table that is missing, is a failure by id.',
    fails: {},
    shows: async ({ governance: { lakeFormation } }) => {
      const Entries = [{ Id: '1', Principal: worker, Resource: table('never-made'), Permissions: ['SELECT' as const] }];
      const granted = await lakeFormation.send(new BatchGrantPermissionsCommand({ Entries }));
      const revoked = await lakeFormation.send(new BatchRevokePermissionsCommand({ Entries }));
      return granted.Failures?.length === 0 && revoked.Failures?.length === 0;
    },
  },
  {
    lack: 'grants in a batch lose their grant option',
    why: 'AWS keeps PermissionsWithGrantOption of an entry; a grant to an account lives by it.',
    fails: {},
    shows: async ({ governance: { lakeFormation } }) => {
      const Resource = database('with-option');
      const Permissions = ['DESCRIBE' as const];
      const Entries = [{ Id: '1', Principal: worker, Resource, Permissions, PermissionsWithGrantOption: Permissions }];
      await lakeFormation.send(new BatchGrantPermissionsCommand({ Entries }));
      const { PrincipalResourcePermissions: rows } = await lakeFormation.send(new ListPermissionsCommand({ Resource }));
      return rows?.length === 1 && (rows[0]?.PermissionsWithGrantOption ?? []).length === 0;
    },
  },
  {
    lack: 'nothing is validated: SELECT on a database is granted',
    why: 'AWS answers InvalidInputException.',
    fails: {},
    shows: async ({ governance: { lakeFormation } }) => {
      const wrong = { Principal: worker, Resource: database('probe'), Permissions: ['SELECT' as const] };
      return (await errorOf(lakeFormation.send(new GrantPermissionsCommand(wrong)))) === null;
    },
  },
  {
    lack: 'data cells filters cannot be created',
    why: 'Access by filter runs against the sandbox alone.',
    fails: { DataFilter: ['missing', 'applied', 'repaired', 'removed', 'removed again'] },
    shows: async ({ governance }) =>
      (await errorOf(
        governance.lakeFormation.send(
          new CreateDataCellsFilterCommand({
            TableData: { TableCatalogId: G, DatabaseName: 'probe', TableName: 'orders', Name: 'eu' },
          }),
        ),
      )) === 'SyntaxError',
  },
  {
    lack: 'rulesets of data quality are missing',
    why: 'AWS Glue Data Quality keeps and evaluates them; they run against the sandbox alone.',
    fails: { QualityRuleset: ['missing', 'applied', 'repaired', 'removed', 'removed again'] },
    shows: async ({ governance }) =>
      (await errorOf(governance.glue.send(new GetDataQualityRulesetCommand({ Name: 'probe' })))) === 'SyntaxError',
  },
  {
    lack: 'SearchTablesByLFTags is missing',
    why: 'What a tag expression opens can only be asked of AWS itself and of the sandbox.',
    fails: {},
    shows: async ({ governance }) =>
      (await errorOf(
        governance.lakeFormation.send(
          new SearchTablesByLFTagsCommand({ Expression: [{ TagKey: 'probe', TagValues: ['known'] }] }),
        ),
      )) === 'SyntaxError',
  },
  {
    lack: 'a grant to another account makes no RAM share, and invitations are missing',
    why: 'AWS shares what is granted across accounts through RAM; ShareAcceptance has nothing to accept here.',
    fails: {},
    shows: async ({ governance, consumer }) => {
      const [wish] = [{ Principal: { DataLakePrincipalIdentifier: C }, Resource: database('shared') }];
      await governance.lakeFormation.send(new GrantPermissionsCommand({ ...wish, Permissions: ['DESCRIBE'] }));
      const { resourceShares } = await governance.ram.send(new GetResourceSharesCommand({ resourceOwner: 'SELF' }));
      const invitations = errorOf(consumer.ram.send(new GetResourceShareInvitationsCommand({})));
      return resourceShares?.length === 0 && (await invitations) !== null;
    },
  },
  {
    lack: 'an account sees nothing of the catalogue of another that shared it',
    why: 'AWS answers GetTable with the owner as CatalogId, and resolves a resource link to its target.',
    fails: {},
    shows: async ({ governance, consumer }) => {
      await makeTable(governance);
      const wish = { CatalogId: G, DatabaseName: 'probe', Name: 'orders' };
      return (await errorOf(consumer.glue.send(new GetTableCommand(wish)))) === 'EntityNotFoundException';
    },
  },
  {
    lack: 'GetTables does not page',
    why: 'AWS honours MaxResults; that all pages are read is tested against the sandbox.',
    fails: {},
    shows: async ({ governance }) => {
      await makeTable(governance);
      const list = new GetTablesCommand({ DatabaseName: 'probe', MaxResults: 1 });
      const { TableList, NextToken } = await governance.glue.send(list);
      return (TableList ?? []).length > 1 && NextToken === undefined;
    },
  },
];

/** The database `probe` with two tables; that it is there already is fine. */
async function makeTable({ glue }: AwsSession): Promise<void> {
  await errorOf(glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'probe' } })));
  for (const Name of ['orders', 'lines'])
    await errorOf(glue.send(new CreateTableCommand({ DatabaseName: 'probe', TableInput: { Name } })));
}
