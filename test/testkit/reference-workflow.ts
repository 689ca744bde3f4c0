import {
  CreateEventBusCommand,
  EventBridgeClient,
  PutPermissionCommand,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import { CreateDatabaseCommand, CreateTableCommand, GlueClient } from '@aws-sdk/client-glue';
import { GrantPermissionsCommand, LakeFormationClient } from '@aws-sdk/client-lakeformation';
import {
  AcceptResourceShareInvitationCommand,
  GetResourceShareInvitationsCommand,
  RAMClient,
} from '@aws-sdk/client-ram';
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { GOVERNANCE_ACCOUNT as CENTRAL, DEMO_REGION as region } from '../../src/demo/mesh.js';
import { governanceCredentials } from '../../src/sandbox/sts.js';
import { sandboxControl } from './sandbox-control.js';

/** What the workflow of an account did about one event. */
export interface Execution {
  detail: Record<string, unknown>;
  /** STOPPED: the workflow found no invitation and ended without a word. */
  status: 'SUCCEEDED' | 'STOPPED' | 'FAILED';
  error: string | null;
}

/** A domain that knows Meshgate by nothing but the events of the AWS Analytics Reference Architecture. */
export interface ReferenceDomain {
  executions: Execution[];
  /** The role that its workflow runs as. */
  roleArn: string;
  stop(): Promise<void>;
}

type Detail = Record<'central_database_name' | 'producer_acc_id' | 'database_name' | 'lf_access_mode', string> & {
  table_names?: string[];
};

/**
 * Sets an account up as that architecture's DataDomain construct does, with a bus `data-mesh-bus`, a rule on it and an administrator role for
 * its workflows, and then carries out what its NRAC and TBAC state machines do for every event that arrives, step by step
 * (aws-samples/aws-analytics-reference-architecture, core/src/data-mesh).
 */
export async function startReferenceDomain(sandbox: string, account: string): Promise<ReferenceDomain> {
  const roleArn = `arn:aws:iam::${account}:role/data-mesh-workflow`;
  await sandboxControl(sandbox).asAdministrator(account, 'lakeformation:PutDataLakeSettings', {
    DataLakeSettings: { DataLakeAdmins: [{ DataLakePrincipalIdentifier: roleArn }] },
  });
  const at = { endpoint: sandbox, region, credentials: await credentialsOf(sandbox, roleArn), maxAttempts: 1 };
  const clients = { glue: new GlueClient(at), ram: new RAMClient(at), lakeformation: new LakeFormationClient(at) };
  const sqs = new SQSClient(at);
  const queueUrl = await listen(new EventBridgeClient(at), sqs, account);
  const executions: Execution[] = [];
  let stopping = false;
  const ended = (async () => {
    while (!stopping) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: queueUrl, WaitTimeSeconds: 1 }));
      for (const { Body = '', ReceiptHandle } of Messages) {
        const { detail } = JSON.parse(Body) as { detail: Detail };
        executions.push({ detail, ...(await carryOut(clients, { detail, roleArn })) });
        await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }));
      }
    }
  })();
  return {
    executions,
    roleArn,
    stop: async () => {
      stopping = true;
      await ended;
    },
  };
}

async function credentialsOf(sandbox: string, roleArn: string) {
  const sts = new STSClient({ endpoint: sandbox, region, credentials: governanceCredentials(CENTRAL) });
  const { Credentials: keys } = await sts.send(
    new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: 'state-machine' }),
  );
  return {
    accessKeyId: keys?.AccessKeyId ?? '',
    secretAccessKey: keys?.SecretAccessKey ?? '',
    sessionToken: keys?.SessionToken ?? '',
  };
}

const BUS = 'data-mesh-bus';
const QUEUE = 'workflow';

/** The bus with its policy and the rule, whose target stands for the state machine. Answers the queue's URL. */
async function listen(events: EventBridgeClient, sqs: SQSClient, account: string): Promise<string> {
  await events.send(new CreateEventBusCommand({ Name: BUS }));
  const policy = { StatementId: 'AllowCentralAccountToPutEvents', Action: 'events:PutEvents', Principal: CENTRAL };
  await events.send(new PutPermissionCommand({ EventBusName: BUS, ...policy }));
  const statement = {
    ...{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage' },
    Resource: `arn:aws:sqs:${region}:${account}:${QUEUE}`,
  };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: QUEUE, Attributes: { Policy } }));
  const EventPattern = JSON.stringify({
    source: ['com.central.stepfunction'],
    account: [CENTRAL],
    'detail-type': [`${account}_createResourceLinks`],
  });
  await events.send(new PutRuleCommand({ EventBusName: BUS, Name: 'DataDomainRule', EventPattern }));
  const Targets = [{ Id: 'workflow', Arn: statement.Resource }];
  await events.send(new PutTargetsCommand({ EventBusName: BUS, Rule: 'DataDomainRule', Targets }));
  return QueueUrl;
}

interface Clients {
  glue: GlueClient;
  ram: RAMClient;
  lakeformation: LakeFormationClient;
}

async function carryOut(
  clients: Clients,
  { detail, roleArn }: { detail: Detail; roleArn: string },
): Promise<Omit<Execution, 'detail'>> {
  try {
    const went = detail.lf_access_mode === 'tbac' ? await tbac(clients, detail) : await nrac(clients, detail, roleArn);
    return { status: went ? 'SUCCEEDED' : 'STOPPED', error: null };
  } catch (error) {
    return { status: 'FAILED', error: (error as Error).name };
  }
}

/** Accepts what the central account shared, and links each table; a link that is there fails the execution. */
async function nrac({ glue, ram, lakeformation }: Clients, detail: Detail, roleArn: string): Promise<boolean> {
  const { resourceShareInvitations: found = [] } = await ram.send(new GetResourceShareInvitationsCommand({}));
  const central = found.filter(({ senderAccountId }) => senderAccountId === CENTRAL);
  if (central.length === 0) return false;
  await glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: detail.database_name } })).catch(alreadyThere);
  const Database = { Name: detail.database_name };
  const Principal = { DataLakePrincipalIdentifier: roleArn };
  await lakeformation.send(new GrantPermissionsCommand({ Permissions: ['ALL'], Principal, Resource: { Database } }));
  for (const { resourceShareInvitationArn, status } of central) {
    if (status === 'PENDING') await ram.send(new AcceptResourceShareInvitationCommand({ resourceShareInvitationArn }));
  }
  for (const Name of detail.table_names ?? []) {
    const TargetTable = { CatalogId: CENTRAL, DatabaseName: detail.central_database_name, Name };
    const TableInput = { Name: `rl-${Name}`, TargetTable };
    await glue.send(new CreateTableCommand({ DatabaseName: detail.database_name, TableInput }));
  }
  return true;
}

/** Links the central database; here a link that is there is no failure. */
async function tbac({ glue }: Clients, { central_database_name: DatabaseName }: Detail): Promise<boolean> {
  const TargetDatabase = { CatalogId: CENTRAL, DatabaseName };
  const DatabaseInput = { Name: `rl-${DatabaseName}`, TargetDatabase };
  await glue.send(new CreateDatabaseCommand({ DatabaseInput })).catch(alreadyThere);
  return true;
}

function alreadyThere(error: Error): void {
  if (error.name !== 'AlreadyExistsException') throw error;
}
