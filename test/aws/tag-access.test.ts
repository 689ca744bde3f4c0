import { beforeAll, describe, expect, test } from 'vitest';
import type { SpecOf } from '../../src/provisioning/kinds.js';
import { type LfResource, tagPolicy } from '../../src/provisioning/lake-resource.js';
import { sandboxOfTest } from '../sandbox/testkit.js';
import * as mesh from './mesh.js';
import { awsOver, C, callsOf, canRead, changing, drift, driver, G } from './testkit.js';

type Grant = SpecOf<'LfGrant'>;
const ALL = 'ALL_COLUMNS' as const;
const tag = (key: string, value: string): LfResource => ({ type: 'LF_TAG', catalogId: G, key, value });
const product = tagPolicy(G, 'TABLE', [
  { key: 'product', values: ['orders'] },
  { key: 'confidentiality', values: ['non-sensitive'] },
]);
const domain = tagPolicy(G, 'DATABASE', [{ key: 'lob', values: ['sales'] }]);
const both = (resource: LfResource, permissions: Grant['permissions'], principal: string): Grant => ({
  principal,
  resource,
  permissions,
  grantable: principal === C ? permissions : {},
});

/** Access by tag from G to account C, and there to one role, through a link to the database: the whole chain, judged by the oracle. */
describe.each([
  { name: 'by invitation', ramSharing: false },
  { name: 'within an organization that shares', ramSharing: true },
])('access by tag, $name', async ({ ramSharing }) => {
  const sandbox = await sandboxOfTest({ ramSharing });
  const aws = awsOver(sandbox);
  const grants = driver(aws, 'LfGrant', G);
  const local = driver(aws, 'LfGrant', C);
  const share = driver(aws, 'ShareAcceptance', C);
  const link = { name: 'sales', target: { catalogId: G, database: 'sales_nrac' } };
  const linked: LfResource = { type: 'DATABASE', catalogId: C, database: 'sales' };
  const readable = async () => {
    const columns = ['id', 'amount', 'email', 'day'];
    const asked = { principal: mesh.analyst, account: C, database: 'sales', table: 'orders' };
    const allowed = await Promise.all(columns.map((column) => canRead(sandbox, { ...asked, column })));
    return columns.filter((_, index) => allowed[index]);
  };
  const toAccount = [
    both(tag('product', 'orders'), { DESCRIBE: ALL }, C),
    both(tag('confidentiality', 'non-sensitive'), { DESCRIBE: ALL }, C),
    both(tag('lob', 'sales'), { DESCRIBE: ALL }, C),
    both(domain, { DESCRIBE: ALL }, C),
    both(product, { DESCRIBE: ALL, SELECT: ALL }, C),
  ];

  beforeAll(async () => {
    await mesh.govern(aws);
    await mesh.publish(aws);
    const tags = driver(aws, 'LfTag', G);
    await tags.apply(
      { key: 'product', values: ['orders', 'returns'] },
      { key: 'confidentiality', values: ['sensitive', 'non-sensitive'] },
      { key: 'lob', values: ['sales', 'hr'] },
    );
    const on: SpecOf<'LfTagAttachment'>[] = [
      { resource: mesh.orders, key: 'product', value: 'orders' },
      { resource: mesh.orders, key: 'confidentiality', value: 'non-sensitive' },
      { resource: mesh.orders, key: 'confidentiality', value: 'sensitive', columns: ['email'] },
      { resource: { type: 'DATABASE', catalogId: G, database: 'sales_nrac' }, key: 'lob', value: 'sales' },
    ];
    expect((await driver(aws, 'LfTagAttachment', G).apply(...on)).every(({ ok }) => ok)).toBe(true);
  });

  test('the account is given tags and expressions with the grant option, and they agree', async () => {
    expect(await grants.apply(...toAccount)).toEqual(toAccount.map(() => ({ ok: true })));
    expect(await grants.observe(...toAccount)).toMatchObject(toAccount.map(() => ({ state: 'AGREES' })));
    expect(changing(await callsOf(sandbox, () => grants.apply(...toAccount)))).toEqual([]);
  });

  test('tags are listed together, expressions one by one', async () => {
    const calls = await callsOf(sandbox, () => grants.observe(...toAccount));
    expect(calls.filter(({ operation }) => operation === 'ListPermissions')).toHaveLength(3);
  });

  test('the account’s share is accepted where it is not shared at once', async () => {
    const shares = [product, domain].map((resource) => ({ resource, principal: C }));
    expect(await share.observe(...shares)).toMatchObject(
      shares.map(() => ({ state: ramSharing ? 'AGREES' : 'WAITING' })),
    );
    await share.apply(...shares);
    expect(await share.observe(...shares)).toMatchObject(shares.map(() => ({ state: 'AGREES' })));
  });

  test('tags and locations need no share', async () => {
    const location: LfResource = { type: 'DATA_LOCATION', catalogId: G, arn: mesh.LOCATION };
    expect(
      await share.observe({ resource: tag('lob', 'sales'), principal: C }, { resource: location, principal: C }),
    ).toMatchObject([{ state: 'AGREES' }, { state: 'AGREES' }]);
  });

  test('a link and the identical expression open what carries the tags', async () => {
    expect(await driver(aws, 'DatabaseLink', C).apply(link)).toEqual([{ ok: true }]);
    const given = [
      both(linked, { DESCRIBE: ALL }, mesh.analyst),
      both(product, { DESCRIBE: ALL, SELECT: ALL }, mesh.analyst),
    ];
    expect(await local.apply(...given)).toEqual([{ ok: true }, { ok: true }]);
    expect(await local.observe(...given)).toMatchObject([{ state: 'AGREES' }, { state: 'AGREES' }]);
    expect(await readable()).toEqual(['id', 'amount', 'day']);
  });

  test('another expression than the account was given is refused', async () => {
    const wider = tagPolicy(G, 'TABLE', [{ key: 'product', values: ['orders'] }]);
    expect(await local.apply(both(wider, { SELECT: ALL }, mesh.intern))).toMatchObject([{ ok: false }]);
  });

  test('what is added to an expression and to a tag behind our back is told and revoked', async () => {
    const associate = { Permissions: ['ASSOCIATE'], PermissionsWithGrantOption: ['ASSOCIATE'] };
    const who = { Principal: { DataLakePrincipalIdentifier: C } };
    const Expression = [
      { TagKey: 'confidentiality', TagValues: ['non-sensitive'] },
      { TagKey: 'product', TagValues: ['orders'] },
    ];
    const policy = { LFTagPolicy: { CatalogId: G, ResourceType: 'TABLE', Expression } };
    // What was given for several values at once is one row.
    const tags = { LFTag: { CatalogId: G, TagKey: 'product', TagValues: ['orders', 'returns'] } };
    await drift(
      sandbox,
      G,
      ['lakeformation', 'GrantPermissions', { ...who, Resource: policy, Permissions: ['ALTER', 'DROP'] }],
      ['lakeformation', 'GrantPermissions', { ...who, Resource: tags, ...associate }],
    );
    expect(await grants.observe(toAccount[4]!, toAccount[0]!, toAccount[1]!)).toMatchObject([
      { state: 'DIFFERS', differences: ['holds ALTER, DROP, which nobody asked for'] },
      { state: 'DIFFERS', differences: ['holds ASSOCIATE (grantable), which nobody asked for'] },
      { state: 'AGREES' },
    ]);
    await grants.apply(...toAccount);
    expect(await grants.observe(...toAccount)).toMatchObject(toAccount.map(() => ({ state: 'AGREES' })));
    expect(await readable()).toEqual(['id', 'amount', 'day']);
  });

  test('once the account’s expression is revoked nothing is readable', async () => {
    expect(await grants.remove(...toAccount)).toEqual(toAccount.map(() => ({ ok: true })));
    expect(await grants.observe(...toAccount)).toEqual(toAccount.map(() => ({ state: 'MISSING' })));
    expect(await readable()).toEqual([]);
  });
});
