import type { Domain } from '../generated/prisma/client.js';
import { desire } from '../provisioning/kinds.js';
import type { LfResource } from '../provisioning/lake-resource.js';
import type { DesiredResource } from '../provisioning/resource.js';
import type { Mesh } from './context.js';
import { busArn, centralDatabase, defaultEventTargetRole, glueArn, LOCAL_DATABASE, s3Arn } from './names.js';

/** What a registered domain needs of AWS (design: provisioning.md, registerDomain): its part of G, and its own account. */
export function desiredDomain(mesh: Mesh, domain: Domain): DesiredResource[] {
  return [...inGovernance(mesh, domain), ...inDomain(mesh, domain)];
}

function inGovernance(mesh: Mesh, domain: Domain): DesiredResource[] {
  const at = { account: mesh.governanceAccount, region: mesh.region };
  const dataLocation = s3Arn(mesh, domain.dataLocation);
  const tbac: LfResource = {
    type: 'DATABASE',
    catalogId: mesh.governanceAccount,
    database: centralDatabase(mesh, domain, 'tbac'),
  };
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
    desire('LfTag', at, { key: 'lob', values: [domain.name] }),
    desire('LfTag', at, { key: 'confidentiality', values: ['non-sensitive', 'sensitive'] }),
    desire('LfTagAttachment', at, { resource: tbac, key: 'lob', value: domain.name }),
    // What nobody classified yet is sensitive; a table's own tag overrides it.
    desire('LfTagAttachment', at, { resource: tbac, key: 'confidentiality', value: 'sensitive' }),
    desire('EventBus', at, { name: mesh.centralBusName }),
    desire('BusPermission', at, {
      bus: mesh.centralBusName,
      statementId: 'domains',
      principalAccounts: [domain.awsAccountId],
      deniedSources: ['com.central.stepfunction', 'meshgate'],
    }),
    desire('EventRule', at, {
      bus: mesh.centralBusName,
      name: `domain-${domain.name}`,
      description: `Events of the mesh that the domain ${domain.name} may see`,
      pattern: { source: ['meshgate'], account: [mesh.governanceAccount], detail: { audience: [domain.name, '*'] } },
      targets: [
        {
          id: 'domain-bus',
          arn: busArn(mesh, domain.awsAccountId, domain.eventBusName),
          roleArn: mesh.eventTargetRoleArn,
        },
      ],
    }),
  ];
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

function inDomain(mesh: Mesh, domain: Domain): DesiredResource[] {
  const at = { account: domain.awsAccountId, region: domain.awsRegion };
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
  ];
}
