import { expect, test } from 'vitest';
import { type AccessFacts, accessOf, type HeldClaim, shareKey, worldOf } from '../../src/governance/explain.js';
import { foreignClaims } from '../../src/governance/foreign-access.js';
import { desire, type Kind, type SpecOf } from '../../src/provisioning/kinds.js';
import { type LfResource, lfResourceOf, lfResourceText, tagPolicy } from '../../src/provisioning/lake-resource.js';

const [G, C] = ['999999999999', '222222222222'];
const READER = `arn:aws:iam::${C}:role/reader`;
const TARGET: LfResource = { type: 'TABLE', catalogId: G, database: 'sales_nrac', table: 'orders' };
const LINK: LfResource = { type: 'TABLE', catalogId: C, database: 'data_products', table: 'link' };
const ALL = { SELECT: 'ALL_COLUMNS' } as const;

const claim = <K extends Kind>(kind: K, account: string, spec: SpecOf<K>, id = 'grant-1'): HeldClaim => {
  desire(kind, { account, region: 'eu-central-1' }, spec);
  return { kind, account, spec, owner: { type: 'ACCESS_GRANT', id } } as HeldClaim;
};
const grant = (
  account: string,
  principal: string,
  resource: LfResource,
  permissions: SpecOf<'LfGrant'>['permissions'] = ALL,
) => claim('LfGrant', account, { principal, resource, permissions, grantable: {} });
const ground = [
  claim('GlueTable', G, {
    database: 'sales_nrac',
    name: 'orders',
    location: 's3://sales/orders',
    dataLocation: 'arn:aws:s3:::sales',
    format: 'PARQUET',
    columns: [],
    partitionKeys: [],
    parameters: {},
  }),
  claim('DataLocation', G, { arn: 'arn:aws:s3:::sales', roleArn: `arn:aws:iam::${G}:role/data` }),
];
const link = [
  claim('TableLink', C, {
    database: 'data_products',
    name: 'link',
    target: { catalogId: G, database: 'sales_nrac', table: 'orders' },
  }),
  grant(C, READER, LINK, { DESCRIBE: 'ALL_COLUMNS' }),
];

function reads(claims: HeldClaim[], more: Partial<AccessFacts> = {}): string[] {
  const world = worldOf({
    governanceAccount: G,
    tables: [{ name: 'orders', columns: ['id', 'email'], databases: ['sales_nrac', 'sales_tbac'] }],
    claims,
    closedShares: new Set(),
    delegated: { accounts: new Set(), principalsOf: new Map() },
    ...more,
  });
  return accessOf(world, READER).flatMap(({ ways }) =>
    ways.flatMap(({ kind, columns }) => `${kind} ${columns.join(',')}`),
  );
}

test('a grant by name opens its columns, once table, location, link and share stand', () => {
  const direct = grant(G, READER, TARGET, { SELECT: ['id'] });
  expect(reads([...ground, ...link, direct])).toEqual(['NAMED id']);
  expect(reads([...link, direct])).toEqual([]);
  expect(reads([...ground, direct])).toEqual([]);
  expect(reads([...ground, ...link])).toEqual([]);
  expect(reads([...ground, ...link, direct], { closedShares: new Set([shareKey(READER, TARGET)]) })).toEqual([]);
});

test('what the account has opens nothing that it has not passed on, and what it passed on nothing that it has not', () => {
  const toAccount = grant(G, C, TARGET, { SELECT: ['id'] });
  expect(reads([...ground, ...link, toAccount])).toEqual([]);
  expect(reads([...ground, ...link, grant(C, READER, TARGET)])).toEqual([]);
  expect(reads([...ground, ...link, toAccount, grant(C, READER, TARGET)])).toEqual(['ACCOUNT id']);
});

test("a column's own tag comes before its table's, and the table's before the database's", () => {
  const expression = tagPolicy(G, 'TABLE', [{ key: 'confidentiality', values: ['non-sensitive'] }]);
  const table: LfResource = { ...TARGET };
  const tag = (resource: LfResource, value: string, columns?: string[]) =>
    claim('LfTagAttachment', G, { resource, key: 'confidentiality', value, ...(columns ? { columns } : {}) });
  const granted = [...ground, ...link, grant(G, C, expression), grant(C, READER, expression)];
  const onDatabase = tag({ type: 'DATABASE', catalogId: G, database: 'sales_nrac' }, 'sensitive');
  expect(reads([...granted, onDatabase])).toEqual([]);
  expect(reads([...granted, onDatabase, tag(table, 'non-sensitive')])).toEqual(['TAG id,email']);
  expect(reads([...granted, onDatabase, tag(table, 'non-sensitive'), tag(table, 'sensitive', ['email'])])).toEqual([
    'TAG id',
  ]);
});

test('what a domain that provisions for itself was told counts for the principals of its grant alone', () => {
  const claims = [...ground, grant(G, C, TARGET)];
  const told = (principals: string[]) => ({
    delegated: { accounts: new Set([C]), principalsOf: new Map([['grant-1', principals]]) },
  });
  expect(reads(claims, told([READER]))).toEqual(['ACCOUNT id,email']);
  expect(reads(claims, told([]))).toEqual([]);
});

test('what a foreign grant is on can be read from its text, an expression by name where its content is known', () => {
  const expression = [
    { key: 'confidentiality', values: ['non-sensitive', 'sensitive'] },
    { key: 'owner and=other', values: ['a'] },
  ];
  const resources: LfResource[] = [
    TARGET,
    { type: 'DATABASE', catalogId: G, database: 'sales_nrac' },
    { type: 'DATA_FILTER', catalogId: G, database: 'sales_nrac', table: 'orders', filter: 'a/b' },
    tagPolicy(G, 'TABLE', expression),
    tagPolicy(G, 'DATABASE', expression.slice(0, 1)),
  ];
  for (const resource of resources) expect(lfResourceOf(lfResourceText(resource))).toEqual(resource);
  expect(lfResourceOf(`catalog ${G}`)).toBeNull();
  const named = lfResourceText({ ...tagPolicy(G, 'TABLE', expression), expressionName: 'with it' });
  expect(lfResourceOf(named)).toBeNull();
  expect(lfResourceOf(named, expression)).toEqual(tagPolicy(G, 'TABLE', expression));
});

test('a foreign grant needs no link of the principal, and one on a filter that others made may open the whole table', () => {
  const fact = { id: 'f', account: G, principal: READER, permissions: ALL, expression: null, filter: null };
  const foreign = (resource: string) => foreignClaims(G, [{ ...fact, resource }]);
  expect(reads([...ground, ...foreign(`filter ${G}/sales_nrac/orders/mine`)])).toEqual(['FOREIGN id,email']);
  expect(reads([...ground, ...foreign(`table ${G}/sales_nrac/*`)])).toEqual(['FOREIGN id,email']);
  expect(reads([...ground, ...foreign(`table ${G}/sales_nrac/others`)])).toEqual([]);
  expect(reads(foreign(`table ${G}/sales_nrac/orders`))).toEqual([]);
});
