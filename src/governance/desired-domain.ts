import type { Domain, EventRoute } from '../generated/prisma/client.js';
import { desire, type PermissionMap } from '../provisioning/kinds.js';
import type { LfResource } from '../provisioning/lake-resource.js';
import type { DesiredResource } from '../provisioning/resource.js';
import { centralBus } from './central-bus.js';
import { CONFIDENTIALITY } from './confidentiality.js';
import type { Mesh } from './context.js';
import { desiredRule, desiredTargets } from './desired-event-route.js';
import {
  ALL,
  calledOnly,
  desireDatabaseLink,
  desireGrant,
  desireShared,
  domainByTag,
  inAccount,
  inGovernance,
  LOB,
  locationOf,
} from './desired-grants.js';
import { desiredGlueNews, desiredInbox } from './desired-inbox.js';
import {
  busArn,
  centralDatabase,
  centralRuleArn,
  defaultEventTargetRole,
  glueArn,
  LOCAL_DATABASE,
  queueArn,
  SCHEMA_REGISTRY,
  s3Arn,
  undeliveredQueueName,
} from './names.js';

/** What a registered domain needs of AWS (design: provisioning.md, registerDomain): its part of G, its own account, and its routes. */
export function desiredDomain(mesh: Mesh, domain: Domain, routes: readonly EventRoute[] = []): DesiredResource[] {
  const resources = [
    ...governanceOf(mesh, domain, routes),
    ...routes.flatMap((route) => desiredTargets(mesh, domain, route)),
    ...desiredDomainByTag(mesh, domain),
    ...desireShared(mesh, domain, locationOf(mesh, domain), { DATA_LOCATION_ACCESS: 'ALL_COLUMNS' }),
    ...accountOf(mesh, domain),
  ];
  return calledOnly(resources, domain);
}

/** The source of the events that the AWS Analytics Reference Architecture's workflows wait for. */
const WORKFLOW_SOURCE = 'com.central.stepfunction';
const ASSOCIATE: PermissionMap = { ASSOCIATE: 'ALL_COLUMNS', DESCRIBE: 'ALL_COLUMNS' };
const CREATE: PermissionMap = { CREATE_TABLE: 'ALL_COLUMNS', DESCRIBE: 'ALL_COLUMNS' };
/** What our own role keeps on tables that the domain creates: their creator alone would hold it (Lake Formation, implicit permissions). */
const KEEP: PermissionMap = { ALTER: 'ALL_COLUMNS', DESCRIBE: 'ALL_COLUMNS', DROP: 'ALL_COLUMNS' };

/** The domain's rights on what it has by tag, with grant option, and its link to its own database of products by tag. */
export function desiredDomainByTag(mesh: Mesh, domain: Domain): DesiredResource[] {
  const at = inGovernance(mesh);
  const tag: LfResource = { type: 'LF_TAG', catalogId: mesh.governanceAccount, key: LOB, value: domain.name };
  const tables = domainByTag(mesh, domain, 'TABLE');
  return [
    desire('LfTag', at, { key: LOB, values: [domain.name] }),
    desire('LfTagAttachment', at, { resource: taggedDatabase(mesh, domain), key: LOB, value: domain.name }),
    ...desireShared(mesh, domain, tag, ASSOCIATE),
    ...desireShared(mesh, domain, domainByTag(mesh, domain, 'DATABASE'), CREATE),
    ...desireShared(mesh, domain, tables, ALL),
    desireGrant(at, mesh.governanceRoleArn, tables, KEEP),
    desireDatabaseLink(mesh, domain, domain).link,
  ];
}

const taggedDatabase = (mesh: Mesh, domain: Domain): LfResource => ({
  type: 'DATABASE',
  catalogId: mesh.governanceAccount,
  database: centralDatabase(mesh, domain, 'tbac'),
});

function governanceOf(mesh: Mesh, domain: Domain, routes: readonly EventRoute[]): DesiredResource[] {
  const at = inGovernance(mesh);
  const dataLocation = s3Arn(mesh, domain.dataLocation);
  const database = (mode: 'nrac' | 'tbac') =>
    desire('GlueDatabase', at, {
      name: centralDatabase(mesh, domain, mode),
      description: `Data products of the domain ${domain.name}`,
      locationUri: domain.dataLocation,
      dataLocation,
      parameters: { data_owner: domain.awsAccountId, data_owner_name: domain.name, access_mode: mode },
    });
  return [
    desire('DataLakeSettings', at, {
      admins: [mesh.governanceRoleArn],
      crossAccountVersion: 3,
      manage: mesh.manageSettings,
    }),
    desire('CatalogPolicy', at, { statements: catalogPolicy(mesh) }),
    desire('DataLocation', at, { arn: dataLocation, roleArn: domain.dataAccessRoleArn ?? mesh.dataAccessRoleArn }),
    database('nrac'),
    database('tbac'),
    desire('LfTag', at, { key: CONFIDENTIALITY, values: ['non-sensitive', 'sensitive'] }),
    // What nobody classified yet is sensitive; a table's own tag overrides it.
    desire('LfTagAttachment', at, { resource: taggedDatabase(mesh, domain), key: CONFIDENTIALITY, value: 'sensitive' }),
    desire('SchemaRegistry', at, { name: SCHEMA_REGISTRY }),
    centralBus(mesh),
    desire('BusPermission', at, {
      bus: mesh.centralBusName,
      statementId: 'domains',
      principalAccounts: [domain.awsAccountId],
      deniedSources: [WORKFLOW_SOURCE, 'meshgate'],
    }),
    ...centralRules(mesh, domain, routes),
    ...desiredInbox(mesh),
  ];
}

/** Two weeks, the longest that SQS keeps a message: time to see that a bus refuses what it is sent, and why. */
const UNDELIVERED_SECONDS = 14 * 86_400;

/** The domain's rules on the central bus, with the queue for what its own bus does not take: without one EventBridge drops it. */
function centralRules(mesh: Mesh, domain: Domain, routes: readonly EventRoute[]): DesiredResource[] {
  const at = inGovernance(mesh);
  const queue = undeliveredQueueName(domain);
  const targets = [
    {
      id: 'domain-bus',
      arn: busArn(mesh, domain.awsAccountId, domain.eventBusName),
      roleArn: mesh.eventTargetRoleArn,
      deadLetterArn: queueArn(mesh, mesh.governanceAccount, queue),
    },
  ];
  const events = desire('EventRule', at, {
    bus: mesh.centralBusName,
    name: `domain-${domain.name}`,
    description: `Events of the mesh that the domain ${domain.name} may see`,
    pattern: { source: ['meshgate'], account: [mesh.governanceAccount], detail: { audience: [domain.name, '*'] } },
    targets,
  });
  // A domain that provisions for itself is sent what its own workflow waits for (design: events.md, `ara` compatibility).
  const workflow = desire('EventRule', at, {
    bus: mesh.centralBusName,
    name: `workflow-${domain.name}`,
    description: `Tells the workflow of the domain ${domain.name} which links to make`,
    pattern: {
      source: [WORKFLOW_SOURCE],
      account: [mesh.governanceAccount],
      'detail-type': [`${domain.awsAccountId}_createResourceLinks`],
    },
    targets,
  });
  const rules = [
    events,
    ...(domain.provisioning === 'DELEGATED' ? [workflow] : []),
    ...routes.map((route) => desiredRule(mesh, domain, route)),
  ];
  const senders = rules.map(({ spec }) => centralRuleArn(mesh, spec.name));
  return [desire('Queue', at, { name: queue, retentionSeconds: UNDELIVERED_SECONDS, senders }), ...rules];
}

/** With cross-account version 3 the catalogue's policy lets RAM share, and nothing else (Lake Formation developer guide, hybrid-cross-account). */
function catalogPolicy(mesh: Mesh): Record<string, Record<string, unknown>> {
  return {
    MeshgateShareByRam: {
      Effect: 'Allow',
      Principal: { Service: 'ram.amazonaws.com' },
      Action: 'glue:ShareResource',
      Resource: ['catalog', 'database/*', 'table/*/*'].map((path) => glueArn(mesh, mesh.governanceAccount, path)),
    },
  };
}

function accountOf(mesh: Mesh, domain: Domain): DesiredResource[] {
  const at = inAccount(domain);
  const bus = domain.eventBusName;
  return [
    desire('DataLakeSettings', at, { admins: [domain.roleArn], manage: domain.manageSettings }),
    desire('GlueDatabase', at, {
      name: LOCAL_DATABASE,
      description: 'Links to the data products that this account may read',
      parameters: { managed_by: 'meshgate' },
    }),
    desire('EventBus', at, { name: bus }),
    desire('BusPermission', at, {
      bus,
      statementId: 'meshgate',
      principalAccounts: [mesh.governanceAccount],
      deniedSources: [],
    }),
    desire('EventRule', at, {
      bus,
      name: 'meshgate-to-central',
      description: 'State changes and events of this domain, for the mesh',
      // `account` keeps what came from the central bus from going back; AWS's own events stay here.
      pattern: { account: [domain.awsAccountId], source: [{ 'anything-but': { prefix: 'aws.' } }] },
      targets: [
        {
          id: 'central-bus',
          arn: busArn(mesh, mesh.governanceAccount, mesh.centralBusName),
          roleArn: domain.eventTargetRoleArn ?? defaultEventTargetRole(mesh, domain.awsAccountId),
        },
      ],
    }),
    ...desiredGlueNews(mesh, domain),
  ];
}
