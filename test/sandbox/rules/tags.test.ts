/** Rules of LF-Tags. Each test ends with the page of the Lake Formation developer guide that it comes from. */
import { CreateDatabaseCommand, CreateTableCommand, DeleteDatabaseCommand } from '@aws-sdk/client-glue';
import {
  DeleteLFTagCommand,
  GetLFTagCommand,
  ListLFTagsCommand,
  ListPermissionsCommand,
  UpdateLFTagCommand,
} from '@aws-sdk/client-lakeformation';
import { GetResourceSharesCommand } from '@aws-sdk/client-ram';
import { expect, test } from 'vitest';
import {
  acceptAll,
  analyst,
  attach,
  C,
  columns,
  database,
  G,
  grant,
  intern,
  type Lake,
  lakeAs,
  lakeOf,
  link,
  makeTag,
  mayRead,
  meshOf,
  outcome,
  P,
  permissionsOf,
  revoke,
  table,
  tag,
  tagged,
} from '../lake-testkit.js';
import { sandboxOfTest } from '../testkit.js';

const SELECT = ['SELECT' as const];
const READ = ['SELECT' as const, 'DESCRIBE' as const];

/** G's database sales is tagged lob=sales, confidentiality=open, and C has a link `shop` to it that the analyst may describe. */
async function taggedMesh(options: { ramSharing?: boolean } = { ramSharing: true }) {
  const sandbox = await sandboxOfTest(options);
  const { g, c } = await meshOf(sandbox);
  await makeTag(g, 'lob', 'sales', 'hr');
  await makeTag(g, 'confidentiality', 'open', 'secret');
  await attach(g, database(), ['lob', 'sales']);
  await attach(g, database(), ['confidentiality', 'open']);
  const TargetDatabase = { CatalogId: G, DatabaseName: 'sales' };
  await c.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'shop', TargetDatabase } }));
  await grant(c, { to: analyst, on: database('shop', C), permissions: ['DESCRIBE'] });
  const reads = async (column?: string) =>
    (await mayRead(sandbox, analyst, { database: 'shop', table: 'orders', ...(column ? { column } : {}) })).allowed;
  return { sandbox, g, c, reads };
}

/** G's grant of an expression to account C and C's grant of the same to the analyst. */
async function passOn({ g, c }: { g: Lake; c: Lake }, tags: Record<string, string[]>) {
  await grant(g, { to: C, on: tagged(tags), permissions: READ, grantable: READ });
  await grant(c, { to: analyst, on: tagged(tags), permissions: READ });
}

test('the keys of an expression are joined by AND (lf-tag-considerations)', async () => {
  const { reads, ...mesh } = await taggedMesh();
  await passOn(mesh, { lob: ['sales'], confidentiality: ['secret'] });
  expect(await reads()).toBe(false);
  await passOn(mesh, { lob: ['sales'], confidentiality: ['open'] });
  expect(await reads()).toBe(true);
});

test('the values of a key are joined by OR (lf-tag-considerations)', async () => {
  const { reads, ...mesh } = await taggedMesh();
  await passOn(mesh, { lob: ['hr', 'sales'] });
  expect(await reads()).toBe(true);
  await attach(mesh.g, table(), ['lob', 'hr']);
  expect(await reads()).toBe(true);
});

test('tables inherit tags of their database and columns of their table, and an own value overrides (lf-tag-considerations)', async () => {
  const { reads, ...mesh } = await taggedMesh();
  await passOn(mesh, { confidentiality: ['open'] });
  const each = () => Promise.all(['id', 'email'].map(reads));
  expect(await each()).toEqual([true, true]);
  await attach(mesh.g, columns('email'), ['confidentiality', 'secret']);
  expect(await each()).toEqual([true, false]);
  await attach(mesh.g, table(), ['confidentiality', 'secret']);
  expect(await each()).toEqual([false, false]);
  await attach(mesh.g, columns('email'), ['confidentiality', 'open']);
  expect(await each()).toEqual([false, true]);
});

test('grants by tag and by name add up, and the answer tells through which (lf-tag-considerations)', async () => {
  const { sandbox, reads, ...mesh } = await taggedMesh();
  await attach(mesh.g, columns('email'), ['confidentiality', 'secret']);
  await passOn(mesh, { confidentiality: ['open'] });
  expect(await reads()).toBe(false);
  await grant(mesh.g, { to: analyst, on: columns('email'), permissions: SELECT });
  expect(await reads()).toBe(true);
  const told = async (column: string) =>
    (await mayRead(sandbox, analyst, { database: 'shop', table: 'orders', column })).reason;
  const byTag = `SELECT by LF-Tags confidentiality=open granted by`;
  expect(await told('id')).toContain(`${byTag} ${G} to ${C}, ${byTag} ${C} to ${analyst}`);
  expect(await told('email')).toContain(`SELECT granted by ${G} to ${analyst}`);
  expect(await told('email')).not.toContain('LF-Tags');
});

test('a new table with the tags is read with no further grant, and a table whose tag changes no more (tag-based-access-control)', async () => {
  const { sandbox, g, reads, ...mesh } = await taggedMesh();
  await passOn({ g, ...mesh }, { lob: ['sales'] });
  const TableInput = {
    Name: 'refunds',
    StorageDescriptor: { Location: 's3://lake/sales/refunds', Columns: [{ Name: 'id', Type: 'bigint' }] },
  };
  await g.glue.send(new CreateTableCommand({ DatabaseName: 'sales', TableInput }));
  const refunds = async () => (await mayRead(sandbox, analyst, { database: 'shop', table: 'refunds' })).allowed;
  expect([await reads(), await refunds()]).toEqual([true, true]);
  await attach(g, table('refunds'), ['lob', 'hr']);
  expect([await reads(), await refunds()]).toEqual([true, false]);
});

test('a database link to tagged tables needs DESCRIBE on the link, and its target none on the database (granting-link-permissions)', async () => {
  const { sandbox, c, ...mesh } = await taggedMesh();
  await passOn({ c, ...mesh }, { lob: ['sales'] });
  const asked = () => mayRead(sandbox, analyst, { database: 'shop', table: 'orders' });
  expect(await asked()).toMatchObject({
    allowed: true,
    reason: expect.stringContaining('DESCRIBE on database link shop'),
  });
  await revoke(c, { to: analyst, on: database('shop', C), permissions: ['DESCRIBE'] });
  expect((await asked()).reason).toBe(`no DESCRIBE on database link shop in account ${C}`);
  // DROP lets the link be deleted; it shows nothing.
  await grant(c, { to: analyst, on: database('shop', C), permissions: ['DROP'] });
  expect((await asked()).allowed).toBe(false);
  const asAnalyst = await lakeAs(sandbox, analyst);
  await asAnalyst.glue.send(new DeleteDatabaseCommand({ Name: 'shop' }));
});

test('tag grants to an account travel in one RAM share of the catalog and are nothing before it is accepted (optimize-ram)', async () => {
  const { g, c, sandbox, reads } = await taggedMesh({ ramSharing: false });
  const wish = { to: C, on: tagged({ lob: ['sales'] }), permissions: READ, grantable: READ };
  await grant(g, wish);
  await grant(g, { to: C, on: tag('lob', 'sales'), permissions: ['DESCRIBE'], grantable: ['DESCRIBE'] });
  await grant(g, { ...wish, on: tagged({ confidentiality: ['open'] }) });
  const { resourceShares = [] } = await g.ram.send(new GetResourceSharesCommand({ resourceOwner: 'SELF' }));
  expect(resourceShares).toMatchObject([{ status: 'ACTIVE' }]);
  const local = () => outcome(grant(c, { to: analyst, on: wish.on, permissions: READ }));
  expect(await local()).toBe('AccessDeniedException');
  expect(await acceptAll(c)).toBe(1);
  expect(await local()).toBe('none');
  expect(await reads()).toBe(true);
  // Listed with the share that carries it.
  const [row] = await permissionsOf(lakeOf(sandbox, G), { ResourceType: 'LF_TAG_POLICY_TABLE' });
  expect(row?.AdditionalDetails?.ResourceShare).toEqual([resourceShares[0]?.resourceShareArn]);
});

/**
 * The page names a second way: DESCRIBE on all of the tag's values lets the account grant another expression. The sandbox is
 * stricter: what it allows, AWS allows.
 */
test('the receiving account passes a tag grant on with the identical expression alone (cross-account-cascading-permissions)', async () => {
  const { g, c } = await taggedMesh();
  const given = { lob: ['sales', 'hr'], confidentiality: ['open'] };
  await grant(g, { to: C, on: tagged(given), permissions: READ, grantable: SELECT });
  const pass = (tags: Record<string, string[]>, permissions: ('SELECT' | 'DESCRIBE')[] = SELECT) =>
    outcome(grant(c, { to: analyst, on: tagged(tags), permissions }));
  for (const other of [
    { lob: ['sales'], confidentiality: ['open'] },
    { lob: ['sales', 'hr'] },
    { lob: ['sales', 'hr'], confidentiality: ['open', 'secret'] },
  ]) {
    expect(await pass(other), JSON.stringify(other)).toBe('AccessDeniedException');
  }
  expect(await pass({ confidentiality: ['open'], lob: ['hr', 'sales'] })).toBe('none');
  // Only what was given with the grant option is passed on.
  expect(await pass(given, ['DESCRIBE'])).toBe('AccessDeniedException');
});

test('what was shared is not shared on to a third account, by tag either (cross-account-cascading-permissions)', async () => {
  const { g, c } = await taggedMesh();
  await grant(g, { to: C, on: tagged({ lob: ['sales'] }), permissions: READ, grantable: READ });
  await grant(g, { to: C, on: tag('lob', 'sales'), permissions: ['DESCRIBE'], grantable: ['DESCRIBE'] });
  for (const to of [P, `arn:aws:iam::${P}:role/x`, G]) {
    expect(await outcome(grant(c, { to, on: tagged({ lob: ['sales'] }), permissions: SELECT }))).toBe(
      'InvalidInputException',
    );
    expect(await outcome(grant(c, { to, on: tag('lob', 'sales'), permissions: ['DESCRIBE'] }))).toBe(
      'InvalidInputException',
    );
  }
});

test("revoking the account's tag grant cuts what the account passed on by it (data sharing best practices, upgrading versions)", async () => {
  const { g, c, reads } = await taggedMesh();
  await passOn({ g, c }, { lob: ['sales'] });
  expect(await reads()).toBe(true);
  await revoke(g, { to: C, on: tagged({ lob: ['sales'] }), permissions: READ, grantable: READ });
  expect(await reads()).toBe(false);
  const Principal = { DataLakePrincipalIdentifier: analyst };
  expect(await permissionsOf(c, { Principal, ResourceType: 'LF_TAG_POLICY' })).toEqual([]);
});

test('who holds a tag grant with the grant option grants the matching tables by name, too (lf-tag-considerations)', async () => {
  const { sandbox, g, c } = await taggedMesh();
  await grant(c, { to: intern, on: link, permissions: ['DESCRIBE'] });
  const byName = () => outcome(grant(c, { to: intern, on: table(), permissions: SELECT }));
  expect(await byName()).toBe('AccessDeniedException');
  await grant(g, { to: C, on: tagged({ lob: ['sales'] }), permissions: READ, grantable: READ });
  expect(await byName()).toBe('none');
  expect((await mayRead(sandbox, intern)).allowed).toBe(true);
  await attach(g, table(), ['lob', 'hr']);
  expect((await mayRead(sandbox, intern)).allowed).toBe(false);
});

test('only DESCRIBE and ASSOCIATE on a tag leave the account, with the grant option (TBAC-adding-tag-creator, TBAC-granting-tags)', async () => {
  const { g } = await taggedMesh();
  const share = (
    permission: 'DESCRIBE' | 'ASSOCIATE' | 'ALTER' | 'DROP' | 'GRANT_WITH_LF_TAG_EXPRESSION',
    grantable = true,
  ) =>
    outcome(
      grant(g, {
        to: C,
        on: tag('lob', 'sales'),
        permissions: [permission],
        ...(grantable ? { grantable: [permission] } : {}),
      }),
    );
  expect(await Promise.all([share('DESCRIBE'), share('ASSOCIATE')])).toEqual(['none', 'none']);
  expect(await share('DESCRIBE', false)).toBe('InvalidInputException');
  for (const permission of ['ALTER', 'DROP', 'GRANT_WITH_LF_TAG_EXPRESSION'] as const) {
    expect(await share(permission), permission).toBe('InvalidInputException');
  }
});

test('tags are listed with the values that one may see, those of other accounts on request and on pages of their own (TBAC-listing-tags)', async () => {
  const { sandbox, g, c } = await taggedMesh();
  await makeTag(c, 'team', 'a', 'b');
  await grant(g, { to: C, on: tag('lob', 'sales'), permissions: ['DESCRIBE'], grantable: ['DESCRIBE'] });
  const list = async (lake: Lake, ResourceShareType?: 'ALL' | 'FOREIGN', NextToken?: string) => {
    const { LFTags = [], NextToken: next } = await lake.lf.send(
      new ListLFTagsCommand({ ...(ResourceShareType && { ResourceShareType }), ...(NextToken && { NextToken }) }),
    );
    return { tags: LFTags.map(({ CatalogId, TagKey, TagValues }) => `${CatalogId} ${TagKey}=${TagValues}`), next };
  };
  const first = await list(c, 'ALL');
  expect((await list(c)).tags).toEqual([`${C} team=a,b`]);
  expect(first.tags).toEqual([`${C} team=a,b`]);
  expect(await list(c, 'ALL', first.next)).toEqual({ tags: [`${G} lob=sales`], next: undefined });
  expect((await list(c, 'FOREIGN')).tags).toEqual([`${G} lob=sales`]);
  // So are the permissions on them (TBAC-granting-revoking-tags-cli).
  await grant(c, { to: analyst, on: { LFTag: { TagKey: 'team', TagValues: ['a'] } }, permissions: ['DESCRIBE'] });
  const owners = async (NextToken?: string) => {
    const input = { ResourceType: 'LF_TAG' as const, ...(NextToken && { NextToken }) };
    const { PrincipalResourcePermissions: rows = [], NextToken: next } = await c.lf.send(
      new ListPermissionsCommand(input),
    );
    return { owners: rows.map(({ Resource }) => Resource?.LFTag?.CatalogId), next };
  };
  const page = await owners();
  expect([page.owners, await owners(page.next)]).toEqual([[C], { owners: [G], next: undefined }]);
  await revoke(c, { to: analyst, on: { LFTag: { TagKey: 'team', TagValues: ['a'] } }, permissions: ['DESCRIBE'] });
  const asAnalyst = await lakeAs(sandbox, analyst);
  expect((await list(asAnalyst, 'ALL')).tags).toEqual([]);
  await grant(c, { to: analyst, on: tag('lob', 'sales'), permissions: ['DESCRIBE'] });
  await grant(c, { to: analyst, on: { LFTag: { TagKey: 'team', TagValues: ['b'] } }, permissions: ['DESCRIBE'] });
  expect((await list(asAnalyst)).tags).toEqual([`${C} team=b`]);
  expect((await list(asAnalyst, 'FOREIGN')).tags).toEqual([`${G} lob=sales`]);
  expect((await asAnalyst.lf.send(new GetLFTagCommand({ CatalogId: G, TagKey: 'lob' }))).TagValues).toEqual(['sales']);
  expect(await outcome(asAnalyst.lf.send(new GetLFTagCommand({ CatalogId: G, TagKey: 'confidentiality' })))).toBe(
    'AccessDeniedException',
  );
});

test('to tag a resource one needs ASSOCIATE on the value and everything on the resource with the grant option (TBAC-assigning-tags)', async () => {
  const { sandbox, g } = await taggedMesh();
  const role = `arn:aws:iam::${G}:role/steward`;
  const steward = await lakeAs(sandbox, role);
  const assign = (value: string) => attach(steward, table(), ['lob', value]).catch((error: Error) => error.name);
  expect(await assign('hr')).toBe('AccessDeniedException');
  await grant(g, { to: role, on: tag('lob', 'hr'), permissions: ['ASSOCIATE'] });
  await grant(g, { to: role, on: table(), permissions: ['SELECT', 'ALTER'], grantable: ['SELECT', 'ALTER'] });
  expect(await assign('hr')).toBe('AccessDeniedException');
  await grant(g, { to: role, on: table(), permissions: ['ALL'], grantable: ['ALL'] });
  expect(await assign('hr')).toBeUndefined();
  expect(await assign('sales')).toBe('AccessDeniedException');
});

test('who receives ASSOCIATE tags what was shared with him, with the tag of its owner (TBAC-granting-tags, TBAC-assigning-tags)', async () => {
  const { g, c } = await taggedMesh();
  await makeTag(c, 'lob', 'sales');
  const assign = () => attach(c, table(), ['lob', 'hr']).catch((error: Error) => error.name);
  expect(await assign()).toBe('AccessDeniedException');
  await grant(g, { to: C, on: tag('lob', 'hr'), permissions: ['ASSOCIATE'], grantable: ['ASSOCIATE'] });
  await grant(g, { to: C, on: table(), permissions: ['ALL'], grantable: ['ALL'] });
  expect(await assign()).toBeUndefined();
  expect(await attach(c, table(), ['lob', 'sales'])).toBe('AccessDeniedException');
});

test('grants by tag are made by administrators, by who may grant with the tag, and by its creator (lf-tag-considerations)', async () => {
  const { sandbox, g } = await taggedMesh();
  const role = `arn:aws:iam::${G}:role/steward`;
  const steward = await lakeAs(sandbox, role);
  const reader = `arn:aws:iam::${G}:role/reader`;
  const pass = () => outcome(grant(steward, { to: reader, on: tagged({ lob: ['sales'] }), permissions: SELECT }));
  await grant(g, { to: role, on: tagged({ lob: ['sales'] }), permissions: SELECT, grantable: SELECT });
  expect(await pass()).toBe('AccessDeniedException');
  await grant(g, { to: role, on: tag('lob', 'sales'), permissions: ['GRANT_WITH_LF_TAG_EXPRESSION'] });
  expect(await pass()).toBe('none');
  // A creator of tags needs CREATE_LF_TAG and holds everything on what he made.
  expect(await outcome(makeTag(steward, 'team', 'a'))).toBe('AccessDeniedException');
  await grant(g, { to: role, on: { Catalog: {} }, permissions: ['CREATE_LF_TAG'] });
  await makeTag(steward, 'team', 'a');
  await steward.lf.send(new UpdateLFTagCommand({ TagKey: 'team', TagValuesToAdd: ['b'] }));
  expect(await outcome(steward.lf.send(new UpdateLFTagCommand({ TagKey: 'lob', TagValuesToAdd: ['b'] })))).toBe(
    'AccessDeniedException',
  );
  await steward.lf.send(new DeleteLFTagCommand({ TagKey: 'team' }));
});

test('a value that is attached to a resource is not deleted, and a deleted tag takes its grants away (API reference: UpdateLFTag, DeleteLFTag)', async () => {
  const { g, reads, ...mesh } = await taggedMesh();
  await passOn({ g, ...mesh }, { lob: ['sales'] });
  const drop = (value: string) =>
    outcome(g.lf.send(new UpdateLFTagCommand({ TagKey: 'lob', TagValuesToDelete: [value] })));
  expect([await drop('sales'), await drop('hr')]).toEqual(['InvalidInputException', 'none']);
  expect(await reads()).toBe(true);
  await g.lf.send(new DeleteLFTagCommand({ TagKey: 'lob' }));
  expect(await reads()).toBe(false);
});

test('permissions on tags and by tags are listed as such, by principal and by resource (API reference: ListPermissions)', async () => {
  const { g } = await taggedMesh();
  const role = `arn:aws:iam::${G}:role/steward`;
  await grant(g, {
    to: role,
    on: tag('lob', 'sales'),
    permissions: ['DESCRIBE', 'ASSOCIATE'],
    grantable: ['DESCRIBE'],
  });
  await grant(g, { to: role, on: tagged({ lob: ['sales'] }), permissions: SELECT });
  await grant(g, { to: role, on: tagged({ lob: ['sales'] }, 'DATABASE'), permissions: ['DESCRIBE'] });
  const Principal = { DataLakePrincipalIdentifier: role };
  const kinds = async (input: Parameters<typeof permissionsOf>[1]) =>
    (await permissionsOf(g, input)).map(({ Resource, Permissions }) => `${Object.keys(Resource ?? {})} ${Permissions}`);
  expect(await kinds({ Principal, ResourceType: 'LF_TAG' })).toEqual(['LFTag ASSOCIATE,DESCRIBE']);
  expect(await kinds({ Principal, ResourceType: 'LF_TAG_POLICY' })).toEqual([
    'LFTagPolicy DESCRIBE',
    'LFTagPolicy SELECT',
  ]);
  expect(await kinds({ Principal, ResourceType: 'LF_TAG_POLICY_TABLE' })).toEqual(['LFTagPolicy SELECT']);
  expect(await kinds({ Resource: tagged({ lob: ['sales'] }) })).toEqual(['LFTagPolicy SELECT']);
  expect(await kinds({ Resource: tagged({ lob: ['hr'] }) })).toEqual([]);
  expect(await kinds({ Resource: tag('lob', 'sales') })).toEqual(['LFTag ASSOCIATE,DESCRIBE']);
  const [row] = await permissionsOf(g, { Principal, ResourceType: 'LF_TAG' });
  expect(row?.Resource?.LFTag).toEqual({ CatalogId: G, TagKey: 'lob', TagValues: ['sales'] });
});
