import { afterAll, beforeEach, expect, test } from 'vitest';
import type { LfResource } from '../../src/provisioning/lake-resource.js';
import { type Answerer, startAnswerer } from './answerer.js';
import { awsOver, G, itemOf, laneTo } from './testkit.js';

/** Grants by a tag expression that AWS keeps under a name: the listing has the name alone. */

const answerer: Answerer = await startAnswerer();
afterAll(() => answerer.close());

const named = (principal: string) => ({
  Principal: { DataLakePrincipalIdentifier: principal },
  Resource: { LFTagPolicy: { CatalogId: G, ResourceType: 'TABLE', ExpressionName: 'all-orders' } },
  Permissions: ['SELECT'],
  PermissionsWithGrantOption: [],
  LastUpdated: 1_700_000_000,
});
const role = (name: string) => `arn:aws:iam::${G}:role/${name}`;
const expression = [{ key: 'product-sales', values: ['orders'] }];
const resource: LfResource = {
  type: 'LF_TAG_POLICY',
  catalogId: G,
  on: 'TABLE',
  expression,
  expressionName: 'all-orders',
};

beforeEach(() => {
  answerer.asked.splice(0);
  answerer.script('ListPermissions', { json: { PrincipalResourcePermissions: [named(role('a')), named(role('b'))] } });
});

async function listed() {
  const aws = awsOver(answerer, { requestTimeoutMs: 2_000 });
  return aws.providers.LfGrant.listAll!(await aws.open(laneTo(G)));
}

test('are listed with what the expression says, which is read once', async () => {
  answerer.script('GetLFTagExpression', {
    json: { Name: 'all-orders', Expression: [{ TagKey: 'product-sales', TagValues: ['orders'] }] },
  });
  expect(await listed()).toEqual(
    ['a', 'b'].map((name) => ({
      principal: role(name),
      resource,
      permissions: { SELECT: 'ALL_COLUMNS' },
      grantable: {},
    })),
  );
  expect(answerer.asked.filter(({ operation }) => operation === 'GetLFTagExpression')).toHaveLength(1);
});

test('are listed without it where it may not be read, and nothing is listed where AWS does not answer', async () => {
  answerer.script('GetLFTagExpression', { error: 'AccessDeniedException' });
  expect((await listed())[0]).toMatchObject({ resource: { ...resource, expression: [] } });
  answerer.script('GetLFTagExpression', { error: 'InternalServiceException', status: 500 });
  await expect(listed()).rejects.toMatchObject({ name: 'InternalServiceException' });
});

test('are revoked by the name', () => {
  const { providers } = awsOver(answerer, {});
  const spec = { principal: role('a'), resource, permissions: { SELECT: 'ALL_COLUMNS' as const }, grantable: {} };
  expect(providers.LfGrant.calls(G, itemOf('LfGrant', G, spec), 'DELETE')).toMatchObject([
    {
      operation: 'BatchRevokePermissions',
      parameters: { Entries: [{ Resource: { LFTagPolicy: { CatalogId: G, ExpressionName: 'all-orders' } } }] },
    },
  ]);
});
