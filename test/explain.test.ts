import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { Explain, type ExplainedMesh, openExplainedMesh, readerRole, WhoCan } from './explain/mesh.js';
import { eventually } from './provisioning/world.js';
import { productOfTest } from './testkit/product.js';
import { sandboxControl } from './testkit/sandbox-control.js';

const product = await productOfTest();
let mesh: ExplainedMesh;
beforeAll(async () => {
  mesh = await openExplainedMesh(product);
});
afterAll(() => mesh.close());

const column = (name: string) => ({ name, pii: false });
const TABLES = [
  { name: 'heads', columns: [column('id'), column('total')] },
  { name: 'lines', columns: [column('id'), column('sku')] },
];
const PRODUCT = { accessMode: 'NRAC', classification: 'INTERNAL', tables: TABLES } as const;

describe('an explanation of access by name', () => {
  test('says through which grant, request and decision each column can be read, and which cannot', async () => {
    const reader = readerRole('analyst');
    const published = await mesh.publish({ ...PRODUCT, tables: TABLES });
    const request = await mesh.request(published, {
      principals: [reader],
      columns: ['heads.total'],
      tables: ['heads'],
    });
    const grant = await mesh.approve(request);
    await mesh.quiet();
    const owner = await mesh.as('lena.fischer');
    const { explainAccess } = await owner(Explain, { principal: reader, dataProduct: published.id });
    expect(explainAccess).toMatchObject({ allowed: true, reason: 'Reads 1 of 2 tables through 1 grant.', pending: [] });
    const [heads, lines] = explainAccess.tables;
    expect(heads?.columns).toEqual([
      { name: 'id', allowed: false, through: [] },
      { name: 'total', allowed: true, through: [{ kind: 'NAMED' }] },
    ]);
    expect(heads?.through).toEqual([
      {
        kind: 'NAMED',
        columns: ['total'],
        tagExpression: null,
        filter: null,
        status: 'ACTIVE',
        decidedBy: 'lena.fischer',
        decidedAt: expect.any(String),
        purpose: 'To see what is explained',
        policy: 'internal-data/1',
        accessGrant: { id: grant, status: 'ACTIVE' },
        accessRequest: { id: request },
      },
    ]);
    expect(lines).toMatchObject({ allowed: false, through: [] });
  });

  test('names each of several grants that open one column, and stays open while one is left', async () => {
    const reader = readerRole('twice');
    const published = await mesh.publish({ ...PRODUCT, tables: TABLES });
    const grants = await Promise.all(
      [['heads.id'], ['heads.id', 'heads.total']].map(async (columns) =>
        mesh.approve(await mesh.request(published, { principals: [reader], columns })),
      ),
    );
    await mesh.quiet();
    const owner = await mesh.as('lena.fischer');
    const heads = async () =>
      (await owner(Explain, { principal: reader, dataProduct: published.id })).explainAccess.tables[0];
    expect((await heads())?.through.map(({ accessGrant }) => accessGrant?.id).sort()).toEqual([...grants].sort());
    await mesh.revoke(grants[1] as string);
    await mesh.quiet();
    expect((await heads())?.columns.map(({ allowed }) => allowed)).toEqual([true, false]);
    expect(await mesh.readable(published, TABLES, [reader])).toEqual(['twice heads.id']);
  });

  test('says why somebody cannot read: never asked, not decided, taken back, ended', async () => {
    const published = await mesh.publish({ ...PRODUCT, tables: TABLES });
    const owner = await mesh.as('lena.fischer');
    const explained = async (name: string) =>
      (await owner(Explain, { principal: readerRole(name), dataProduct: published.id })).explainAccess;
    expect(await explained('stranger')).toMatchObject({
      allowed: false,
      reason: `No grant on logistics/${published.name} names the principal.`,
      pending: [],
    });
    const request = await mesh.request(published, { principals: [readerRole('waiting')] });
    expect(await explained('waiting')).toMatchObject({
      allowed: false,
      reason: 'oskar.lind has asked for access; nobody has decided yet.',
      pending: [{ status: 'PENDING', accessGrant: null, accessRequest: { id: request } }],
    });
    const grant = await mesh.approve(await mesh.request(published, { principals: [readerRole('former')] }));
    await mesh.quiet();
    await mesh.revoke(grant);
    await mesh.quiet();
    expect(await explained('former')).toMatchObject({
      allowed: false,
      reason: expect.stringMatching(/^A grant was revoked by lena.fischer at .*: No longer needed\.$/),
      pending: [{ status: 'REVOKED', accessGrant: { id: grant } }],
    });
    const ended = await mesh.approve(await mesh.request(published, { principals: [readerRole('late')] }));
    await mesh.quiet();
    await mesh.expire(ended);
    expect(await explained('late')).toMatchObject({ allowed: false, pending: [{ status: 'EXPIRED' }] });
  });

  test('is given to both domains for what concerns them, and denied to others as if there were nothing', async () => {
    const published = await mesh.publish({ ...PRODUCT, tables: TABLES });
    const about = { principal: readerRole('analyst'), dataProduct: published.id };
    const other = { ...about, principal: 'arn:aws:iam::555566667777:role/else' };
    for (const person of ['tomasz.nowak', 'oskar.lind', 'ada.admin']) {
      expect((await (await mesh.as(person))(Explain, about)).explainAccess.allowed).toBe(false);
    }
    await expect((await mesh.as('oskar.lind'))(Explain, other)).rejects.toThrow(/not found/);
    // Of the product's domain, and of its account: those of others are for who decides.
    await expect((await mesh.as('elif.kaya'))(Explain, about)).rejects.toThrow(/not found/);
    const own = { ...about, principal: 'arn:aws:iam::333344445555:role/own' };
    expect((await (await mesh.as('elif.kaya'))(Explain, own)).explainAccess.allowed).toBe(false);
    await expect((await mesh.as('yuki.tanaka'))(Explain, about)).rejects.toThrow(/not found/);
    await expect((await mesh.as('otto.outsider'))(Explain, about)).rejects.toThrow(/not found/);
    await expect(
      (await mesh.as('otto.outsider'))(WhoCan, { dataProduct: published.id, first: 1, after: null }),
    ).rejects.toThrow(/not found/);
  });

  test('lists who can read page by page', async () => {
    const published = await mesh.publish({ ...PRODUCT, tables: TABLES });
    const names = ['c', 'a', 'b'].map(readerRole);
    await mesh.approve(await mesh.request(published, { principals: names, tables: ['lines'] }));
    await mesh.quiet();
    const owner = await mesh.as('lena.fischer');
    const pageAfter = async (after: string | null) =>
      (await owner(WhoCan, { dataProduct: published.id, first: 2, after })).whoCanAccess;
    const first = await pageAfter(null);
    const second = await pageAfter(first.pageInfo.endCursor ?? null);
    expect([first.pageInfo.hasNextPage, second.pageInfo.hasNextPage]).toEqual([true, false]);
    const [workflow, ...readers] = [...first.nodes, ...second.nodes];
    expect(workflow).toMatchObject({
      principal: expect.stringMatching(/^arn:aws:iam::333344445555:role/),
      allowed: true,
      reason: "Reads 2 of 2 tables through the product's own permissions.",
    });
    expect(readers.map(({ principal }) => principal)).toEqual([...names].sort());
    for (const node of readers) expect(node).toMatchObject({ allowed: true, tables: [`${published.name}_lines`] });
    const consumer = await mesh.as('oskar.lind');
    const theirs = (await consumer(WhoCan, { dataProduct: published.id, first: 10, after: null })).whoCanAccess;
    expect(theirs.nodes.map(({ principal }) => principal)).toEqual([...names].sort());
  });
});

describe('an explanation of the other ways', () => {
  test('names the tag expression, and keeps personal data closed to what was approved without it', async () => {
    const reader = readerRole('tagged');
    const tables = [{ name: 'people', columns: [column('id'), { name: 'email', pii: true }] }];
    const published = await mesh.publish({ accessMode: 'LF_TBAC', classification: 'INTERNAL', tables });
    await mesh.approve(await mesh.request(published, { principals: [reader] }));
    await mesh.quiet();
    const owner = await mesh.as('lena.fischer');
    const { explainAccess } = await owner(Explain, { principal: reader, dataProduct: published.id });
    expect(explainAccess.tables[0]).toMatchObject({
      columns: [{ allowed: true }, { name: 'email', allowed: false }],
      through: [
        {
          kind: 'TAG',
          columns: ['id'],
          tagExpression: `confidentiality=(non-sensitive) and product-logistics=(${published.name})`,
        },
      ],
    });
    expect(await mesh.readable(published, tables, [reader])).toEqual(['tagged people.id']);
  });

  test('shows the rows that filters let through, and all of them once a grant has none', async () => {
    const reader = readerRole('filtered');
    const published = await mesh.publish({ ...PRODUCT, tables: TABLES });
    const owner = await mesh.as('lena.fischer');
    const heads = async () =>
      (await owner(Explain, { principal: reader, dataProduct: published.id })).explainAccess.tables[0];
    for (const id of ['a', 'b']) {
      const asked = { principals: [reader], tables: ['heads'], rowFilter: `id = '${id}'` };
      await mesh.approve(await mesh.request(published, asked));
    }
    await mesh.quiet();
    expect((await heads())?.rowFilter).toBe(`("id" = 'a') OR ("id" = 'b')`);
    expect((await heads())?.through.map(({ kind }) => kind)).toEqual(['FILTER', 'FILTER']);
    await mesh.approve(await mesh.request(published, { principals: [reader], tables: ['heads'] }));
    await mesh.quiet();
    expect(await heads()).toMatchObject({ allowed: true, rowFilter: null });
  });

  test('says where the account passed a grant on', async () => {
    const reader = readerRole('through-account');
    const published = await mesh.publish({ ...PRODUCT, tables: TABLES });
    await mesh.approve(await mesh.request(published, { principals: [reader], grantTo: 'ACCOUNT' }));
    await mesh.quiet();
    const owner = await mesh.as('lena.fischer');
    const { explainAccess } = await owner(Explain, { principal: reader, dataProduct: published.id });
    expect(explainAccess.tables.map(({ through }) => through.map(({ kind }) => kind))).toEqual([
      ['ACCOUNT'],
      ['ACCOUNT'],
    ]);
  });
});

describe('an explanation of access that nothing in Meshgate asked for', () => {
  afterAll(() => sandbox.shareInOrganization(false));
  const OTHERS = 'arn:aws:iam::555566667777:role';
  const sandbox = sandboxControl(product.sandbox);
  /** Somebody grants by hand in the governance account. */
  const grant = (who: string, Resource: object, Permissions = ['SELECT']) =>
    sandbox.asAdministrator(GOVERNANCE_ACCOUNT, 'lakeformation:BatchGrantPermissions', {
      Entries: [{ Id: '1', Principal: { DataLakePrincipalIdentifier: who }, Resource, Permissions }],
    });
  const found = async (who: string[]) => {
    await mesh.query(`UPDATE "Resource" SET "nextAttemptAt" = now() WHERE "status" = 'READY'`);
    await eventually(
      async () =>
        (await mesh.query(`SELECT FROM "ForeignGrant" WHERE "principal" = ANY ($1) AND "status" = 'OPEN'`, [who]))
          .length === who.length,
      'they were found',
      30_000,
    );
  };
  const readsInCatalogue = async (name: string, mode: 'nrac' | 'tbac', who: string) => {
    const cells = TABLES.flatMap((table) => table.columns.map((each) => ({ table: table.name, column: each.name })));
    const open = await Promise.all(
      cells.map(({ table, column }) =>
        sandbox.canRead({
          principal: who,
          account: GOVERNANCE_ACCOUNT,
          database: `logistics_${mode}`,
          table: `${name}_${table}`,
          column,
        }),
      ),
    );
    return cells.flatMap(({ table, column }, index) =>
      open[index] ? [`${who.split('/').at(-1)} ${table}.${column}`] : [],
    );
  };

  test('is what AWS says of strangers with grants by name, by wildcard, on a filter and by tag, and lists them', async () => {
    const owner = await mesh.as('lena.fischer');
    const [named, wild, excepted, filtered, tagged, elsewhere] = [
      'named',
      'wild',
      'excepted',
      'filtered',
      'tagged',
      'elsewhere',
    ].map((who) => `${OTHERS}/${who}`) as [string, string, string, string, string, string];
    const [byName, byTag] = [
      await mesh.publish({ ...PRODUCT, tables: TABLES }),
      await mesh.publish({ ...PRODUCT, accessMode: 'LF_TBAC', tables: TABLES }),
    ];
    const asked = {
      principals: [readerRole('filter-reader')],
      tables: ['heads'],
      columns: ['heads.id'],
      rowFilter: "id = 'x'",
    };
    await mesh.approve(await mesh.request(byName, asked));
    await mesh.quiet();
    const [filter] = await mesh.query<{ name: string }>(
      `SELECT "spec" ->> 'name' AS "name" FROM "Resource" WHERE "kind" = 'DataFilter' AND "spec" ->> 'table' = $1`,
      [`${byName.name}_heads`],
    );
    // Nobody accepts what comes of it: within an organization nobody has to.
    await sandbox.shareInOrganization(true);
    const heads = { CatalogId: GOVERNANCE_ACCOUNT, DatabaseName: 'logistics_nrac', Name: `${byName.name}_heads` };
    await grant(named, { TableWithColumns: { ...heads, ColumnNames: ['total'] } });
    await grant(excepted, { TableWithColumns: { ...heads, ColumnWildcard: { ExcludedColumnNames: ['total'] } } });
    await grant(wild, { Table: { CatalogId: GOVERNANCE_ACCOUNT, DatabaseName: 'logistics_nrac', TableWildcard: {} } });
    await grant(filtered, {
      DataCellsFilter: {
        TableCatalogId: GOVERNANCE_ACCOUNT,
        DatabaseName: 'logistics_nrac',
        TableName: heads.Name,
        Name: filter?.name,
      },
    });
    const tags = (key: string, value: string) => ({
      LFTagPolicy: {
        CatalogId: GOVERNANCE_ACCOUNT,
        ResourceType: 'TABLE',
        Expression: [{ TagKey: key, TagValues: [value] }],
      },
    });
    await grant(tagged, tags('product-logistics', byTag.name));
    await grant(elsewhere, tags('lob', 'commerce'));
    const strangers = [named, wild, excepted, filtered, tagged, elsewhere];
    await found(strangers);
    for (const [registered, mode] of [
      [byName, 'nrac'],
      [byTag, 'tbac'],
    ] as const) {
      const truth = (await Promise.all(strangers.map((who) => readsInCatalogue(registered.name, mode, who)))).flat();
      expect(truth.length).toBeGreaterThan(3);
      expect(await mesh.explained(registered, strangers)).toEqual(truth.sort());
      const { whoCanAccess } = await owner(WhoCan, { dataProduct: registered.id, first: 50, after: null });
      const reading = new Set(truth.map((cell) => `${OTHERS}/${cell.split(' ')[0]}`));
      expect(
        new Set(whoCanAccess.nodes.map(({ principal }) => principal).filter((who) => who.startsWith(OTHERS))),
      ).toEqual(reading);
    }
    const { explainAccess } = await owner(Explain, { principal: filtered, dataProduct: byName.id });
    expect(explainAccess).toMatchObject({
      reason: 'Reads 1 of 2 tables through a grant that nothing in Meshgate asked for.',
      tables: [
        { rowFilter: `"id" = 'x'`, through: [{ kind: 'FOREIGN', columns: ['id'], accessGrant: null }] },
        { allowed: false },
      ],
    });
  }, 60_000);
});
