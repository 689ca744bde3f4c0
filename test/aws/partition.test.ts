import { expect, test } from 'vitest';
import { createBusPermission } from '../../src/aws/bus-permission.js';
import { differingStatements } from '../../src/aws/policy-document.js';
import { G, itemOf, P } from './testkit.js';

test.each([
  ['us-east-1', 'aws'],
  ['cn-north-1', 'aws-cn'],
  ['us-gov-west-1', 'aws-us-gov'],
])('ARNs in a bus policy of %s are of the partition %s', (region, partition) => {
  const spec = { bus: 'central', statementId: 'domains', principalAccounts: [P], deniedSources: [] };
  const [call] = createBusPermission(region).calls(G, itemOf('BusPermission', G, spec), 'CREATE');
  const [statement] = JSON.parse(String(call?.parameters.Policy)).Statement;
  expect(statement).toMatchObject({
    Principal: { AWS: [`arn:${partition}:iam::${P}:root`] },
    Resource: `arn:${partition}:events:${region}:${G}:event-bus/central`,
  });
  // AWS may answer the account in place of its root.
  const found = { ...statement, Principal: { AWS: P } };
  expect(differingStatements({ Version: '2012-10-17', Statement: [found] }, { domains: statement })).toEqual([]);
});
