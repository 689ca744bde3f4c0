import { describe, expect, test } from 'vitest';
import { activateDataContract, importDataContract } from '../../src/governance/data-contract.js';
import { updateDataProduct } from '../../src/governance/data-product.js';
import { planActivation } from '../../src/governance/plan-contract.js';
import { planPublish } from '../../src/governance/plan-product.js';
import { mutate } from '../../src/governance/transaction.js';
import { refusal } from '../governance/mesh.js';
import { forFile } from '../testkit/for-file.js';
import { contractOf, EMAIL, ID, type Marked, openSales, SALARY, table, tableOf } from './sales.js';

const mesh = await forFile(openSales());

/** What a steward is told who makes sensitive data less, by name. */
const FOR_OWNERS = (what: string) => ({
  code: 'FORBIDDEN',
  message: expect.stringMatching(new RegExp(`only owners.*It is about .*${what}`)),
});

describe('what is sensitive becomes less by an owner alone', () => {
  test.each<[string, Marked[]]>([
    ['a mark of personal data', [ID, { name: 'email' }, SALARY]],
    ['a classification of its own', [ID, EMAIL, { name: 'salary', classification: 'INTERNAL' }]],
    ["a classification above the product's", [ID, EMAIL, { name: 'salary' }]],
  ])('%s is not taken from a column by a steward', async (what, columns) => {
    const name = `less${what.length}`;
    const dataProduct = await mesh.published(name, [ID, EMAIL, SALARY]);
    const tables = tableOf(name, columns);
    expect(await refusal(mesh.update('sales-steward', { dataProduct, tables }))).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('only owners'),
    });
    expect(await mesh.update('sales-owner', { dataProduct, tables })).toEqual({ dataProductId: dataProduct });
  });

  test('a steward may add, drop and mark columns, and change a draft as he likes', async () => {
    const dataProduct = await mesh.published('free', [ID, EMAIL]);
    const marked = [{ ...ID, classification: 'CONFIDENTIAL' as const }, EMAIL, { name: 'more' }];
    expect(await mesh.update('sales-steward', { dataProduct, tables: tableOf('free', marked) })).toBeDefined();
    expect(
      await mesh.update('sales-steward', { dataProduct, tables: tableOf('free', [ID, EMAIL].slice(1)) }),
    ).toBeDefined();
    const draft = await mesh.draft('draft', [ID, EMAIL]);
    const tables = tableOf('draft', [ID, { name: 'email' }]);
    expect(await mesh.update('sales-steward', { dataProduct: draft, tables })).toBeDefined();
  });

  test('a contract that leaves the mark out is not put in force by a steward, and publish is asked about what was', async () => {
    const dataProduct = await mesh.published('contracted', [ID, EMAIL]);
    const document = contractOf('contracted', '1.0.0', [ID, { name: 'email' }]);
    const owner = await mesh.as('sales-owner');
    const { dataContractId: dataContract } = await importDataContract(owner, { dataProduct, document });
    const plan = async (person: string) =>
      (await planActivation(await mesh.as(person), [dataContract])).get(dataContract)?.refusals;
    expect(await plan('sales-steward')).toEqual([expect.stringContaining('only owners')]);
    expect(await plan('sales-owner')).toEqual([]);
    expect(await refusal(activateDataContract(await mesh.as('sales-steward'), { dataContract }))).toMatchObject({
      code: 'FORBIDDEN',
    });
    const source = `forbid (principal, action == Action::"publish", resource) when { context.personalData };`;
    await mesh.during(source, async () => {
      expect(await refusal(activateDataContract(owner, { dataContract }))).toMatchObject({ code: 'POLICY_DENIED' });
    });
    expect(await activateDataContract(owner, { dataContract })).toBeDefined();
  });
});

describe('what was dropped and comes back is what it was', () => {
  const UNMARKED = { name: 'email' };
  /** What a steward takes out of a product, or moves away, and how it comes back without its marks. */
  const ways: [string, (name: string) => ReturnType<typeof table>[][]][] = [
    ['a column', (name) => [tableOf(name, [ID]), tableOf(name, [ID, UNMARKED])]],
    [
      'a table',
      (name) => [[table(`${name}_other`, [ID])], [table(`${name}_other`, [ID]), ...tableOf(name, [ID, UNMARKED])]],
    ],
    [
      'a table at another place',
      (name) => [
        [table(`${name}_other`, [ID])],
        [table(`${name}_other`, [ID]), table(`${name}_rows`, [ID, UNMARKED], `${name}-moved`)],
      ],
    ],
    ['a table under another name, at once', (name) => [[table(`${name}_new`, [ID, UNMARKED], name)]]],
    [
      'a table under another name, later',
      (name) => [[table(`${name}_other`, [ID])], [table(`${name}_new`, [UNMARKED], name)]],
    ],
    [
      'a second table of the same files',
      (name) => [[...tableOf(name, [ID, EMAIL]), table(`${name}_new`, [UNMARKED], name)]],
    ],
    ['a table of the folder above', (name) => [[table(`${name}_new`, [UNMARKED], `${name}-all`)]]],
    ['a table of a folder within', (name) => [[table(`${name}_new`, [UNMARKED], `${name}/2026`)]]],
    [
      'a table that was elsewhere',
      (name) => [
        [...tableOf(name, [ID, EMAIL]), table(`${name}_other`, [UNMARKED], `${name}-other`)],
        [table(`${name}_other`, [UNMARKED], name)],
      ],
    ],
  ];
  test.each(ways)('%s', async (what, steps) => {
    const name = `back${ways.findIndex(([way]) => way === what)}`;
    const place = what.includes('above') ? `${name}-all/${name}` : name;
    const dataProduct = await mesh.published(name, [], { tables: [table(`${name}_rows`, [ID, EMAIL], place)] });
    const all = steps(name);
    const [last] = all.slice(-1) as [ReturnType<typeof table>[]];
    for (const tables of all.slice(0, -1)) await mesh.update('sales-steward', { dataProduct, tables });
    expect(await refusal(mesh.update('sales-steward', { dataProduct, tables: last }))).toMatchObject(
      FOR_OWNERS('email'),
    );
    const policy = `@reason("Personal data is not for the catalogue.")
      forbid (principal, action == Action::"publish", resource) when { context.personalData };`;
    await mesh.during(policy, async () => {
      expect(await refusal(mesh.update('sales-owner', { dataProduct, tables: last }))).toMatchObject({
        code: 'POLICY_DENIED',
      });
    });
    const marked = last.map((one) => ({
      ...one,
      columns: one.columns.map((column) => (column.name === 'email' ? { ...column, pii: true } : column)),
    }));
    expect(await mesh.update('sales-steward', { dataProduct, tables: marked })).toBeDefined();
    expect(await mesh.update('sales-owner', { dataProduct, tables: last })).toBeDefined();
  });

  test("a classification too, and what it never was is anybody's to add", async () => {
    const dataProduct = await mesh.published('levels', [ID, SALARY]);
    const steward = (columns: Marked[]) =>
      mesh.update('sales-steward', { dataProduct, tables: tableOf('levels', columns) });
    await steward([ID, { name: 'day' }]);
    expect(await refusal(steward([ID, { name: 'salary', classification: 'CONFIDENTIAL' }]))).toMatchObject(
      FOR_OWNERS('levels_rows.salary'),
    );
    await steward([ID, SALARY, { name: 'month' }]);
  });

  test('by a contract too, and the plan says so', async () => {
    const dataProduct = await mesh.published('stated', [ID, EMAIL]);
    await mesh.update('sales-steward', { dataProduct, tables: tableOf('stated', [ID]) });
    const steward = await mesh.as('sales-steward');
    const document = contractOf('stated', '1.0.0', [ID, { name: 'email' }]);
    const { dataContractId: dataContract } = await importDataContract(steward, { dataProduct, document });
    const plan = (await planActivation(steward, [dataContract])).get(dataContract);
    expect(plan?.refusals).toEqual([expect.stringContaining('stated_rows.email')]);
    expect(await refusal(activateDataContract(steward, { dataContract }))).toMatchObject(FOR_OWNERS('email'));
    expect(await activateDataContract(await mesh.as('sales-owner'), { dataContract })).toBeDefined();
  });
});

describe('one place belongs to one product', () => {
  const places = [
    ['the same place', 'stores', 'stores'],
    ['a folder within', 'shops', 'shops/2026'],
    ['the folder above', 'malls/rows', 'malls'],
  ] as const;
  test.each(places)('%s is not published twice, by nobody, and the plan says so', async (_what, mine, theirs) => {
    const name = mine.replace('/', '-');
    const kept = await mesh.published(name, [], {
      tables: [table(`${name.replace('-', '_')}_kept`, [ID, EMAIL], mine)],
      classification: 'RESTRICTED',
    });
    const tables = [table(`${name.replace('-', '_')}_open`, [ID, { name: 'email' }], theirs)];
    const other = await mesh.draft(`${name}-open`, [], { tables, classification: 'PUBLIC' });
    const refused = { code: 'CONFLICT', message: expect.stringMatching(`are those of the product ${name} already`) };
    for (const person of ['sales-owner', 'sales-steward']) {
      const plan = (await planPublish(await mesh.as(person), [other])).get(other);
      expect(plan?.refusals).toContainEqual(refused.message);
    }
    expect(await refusal(mesh.publish('sales-owner', other))).toMatchObject(refused);
    expect(kept).not.toBe(other);
  });

  test('nor taken by what is published elsewhere, by fields or by a contract', async () => {
    await mesh.published('housed', [ID]);
    const dataProduct = await mesh.published('moving', [ID]);
    const tables = [table('moving_rows', [ID], 'housed/2026')];
    const refused = { code: 'CONFLICT', message: expect.stringContaining('of the product housed already') };
    expect(await refusal(mesh.update('sales-owner', { dataProduct, tables }))).toMatchObject(refused);
    const owner = await mesh.as('sales-owner');
    const document = contractOf('moving', '1.0.0', [ID]).replace('data/moving/', 'data/housed/');
    const { dataContractId: dataContract } = await importDataContract(owner, { dataProduct, document });
    expect((await planActivation(owner, [dataContract])).get(dataContract)?.refusals).toEqual([refused.message]);
    expect(await refusal(activateDataContract(owner, { dataContract }))).toMatchObject(refused);
  });

  test('Postgres takes no second product of a place either, nor a table that comes to one', async () => {
    await mesh.published('guarded', [ID]);
    const other = await mesh.draft('guarded-too', [], { tables: [table('guarded_too', [ID], 'guarded/rows')] });
    const publish = (id: string) =>
      mesh.change(`UPDATE "DataProduct" SET "status" = 'PUBLISHED', "publishedAt" = now() WHERE "id" = $1`, [id]);
    await expect(publish(other)).rejects.toThrow(/another product of the domain has this table, or its files/);
    const free = await mesh.draft('unguarded', [ID]);
    await publish(free);
    const move = (to: string) =>
      mesh.change(`UPDATE "ProductTable" SET "location" = $2 WHERE "productId" = $1`, [
        free,
        `s3://sales-lake/data/${to}`,
      ]);
    await expect(move('guarded')).rejects.toThrow(/another product of the domain/);
    await move('unguarded/rows');
  });

  test('what Postgres alone notices, as the transaction commits, is told as a conflict', async () => {
    await mesh.published('watched', [ID]);
    const other = await mesh.draft('watched-too', [], { tables: [table('watched_too', [ID], 'watched/rows')] });
    const publishing = mutate(
      await mesh.as('sales-owner'),
      { mutation: 'publishDataProduct', input: {} },
      async (tx) => {
        await tx.dataProduct.update({ where: { id: other }, data: { status: 'PUBLISHED', publishedAt: new Date() } });
        return { ids: {} };
      },
    );
    const refused = { code: 'CONFLICT', message: expect.stringContaining('took that place, at the same moment') };
    expect(await refusal(publishing)).toMatchObject(refused);
  });

  test('a place that only begins alike is another, and so are two tables of one product', async () => {
    await mesh.published('alike', [ID]);
    await mesh.published('alike-too', [ID]);
    const tables = [table('twice_one', [ID], 'twice'), table('twice_two', [ID], 'twice')];
    expect(await mesh.published('twice', [], { tables })).toBeDefined();
  });

  test('of two that publish it at once, one does', async () => {
    for (let round = 0; round < 5; round += 1) {
      const place = `raced${round}`;
      const draft = (name: string) =>
        mesh.draft(`${place}-${name}`, [], { tables: [table(`${place}_${name}`, [ID], place)] });
      const [one, other] = [await draft('one'), await draft('other')];
      const published = await Promise.allSettled([
        mesh.publish('sales-owner', one),
        mesh.publish('sales-steward', other),
      ]);
      expect(published.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(published.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'CONFLICT', message: expect.stringContaining('are those of the product') },
      });
    }
  });
});

describe('what another product was, its files stay', () => {
  /** A product of the place; PUBLIC, by a steward, unless said otherwise. */
  const successor = (name: string, place: string, more: object = {}) =>
    mesh.draft(name, [], {
      tables: [table(`${name}_rows`, [ID, { name: 'email' }], place)],
      classification: 'PUBLIC',
      ...more,
    });

  test('a retired product is followed by a laxer one through an owner alone', async () => {
    await mesh.retire(await mesh.published('former', [ID, EMAIL], { classification: 'RESTRICTED' }));
    const next = await successor('latter', 'former/2026');
    const steward = await mesh.as('sales-steward');
    const plan = (await planPublish(steward, [next])).get(next);
    expect(plan?.refusals).toEqual([expect.stringMatching(/the product, known as RESTRICTED.*latter_rows.email/)]);
    expect(await refusal(mesh.publish('sales-steward', next))).toMatchObject(FOR_OWNERS('known as RESTRICTED'));
    const policy = 'forbid (principal, action == Action::"publish", resource) when { context.personalData };';
    await mesh.during(policy, async () => {
      expect(await refusal(mesh.publish('sales-owner', next))).toMatchObject({ code: 'POLICY_DENIED' });
    });
    expect(await mesh.publish('sales-owner', next)).toEqual({ dataProductId: next });
  });

  test('and by one that is as strict through anybody who publishes', async () => {
    await mesh.retire(await mesh.published('strict', [ID, EMAIL], { classification: 'CONFIDENTIAL' }));
    const tables = [table('as_strict_rows', [ID, EMAIL], 'strict')];
    const next = await mesh.draft('as-strict', [], { tables, classification: 'CONFIDENTIAL' });
    expect(await mesh.publish('sales-steward', next)).toEqual({ dataProductId: next });
  });

  test("nor is the place that a product left anybody's, nor a product's that comes to it later", async () => {
    const dataProduct = await mesh.published('leaving', [ID, EMAIL], { classification: 'CONFIDENTIAL' });
    const tables = [table('leaving_rows', [ID, EMAIL], 'left')];
    await mesh.update('sales-steward', { dataProduct, tables });
    const follower = await successor('follower', 'leaving');
    expect(await refusal(mesh.publish('sales-steward', follower))).toMatchObject(FOR_OWNERS('email'));
    const resident = await mesh.published('resident', [ID]);
    const moved = { dataProduct: resident, tables: [table('resident_rows', [ID], 'leaving')] };
    expect(await refusal(mesh.update('sales-steward', moved))).toMatchObject(FOR_OWNERS('known as CONFIDENTIAL'));
    expect(await updateDataProduct(await mesh.as('sales-owner'), moved)).toBeDefined();
  });

  test('drafts that were never published bind nobody', async () => {
    const tables = [table('wish_rows', [ID, EMAIL], 'wished')];
    await mesh.draft('wish', [], { tables, classification: 'RESTRICTED' });
    const next = await successor('wished', 'wished');
    expect(await mesh.publish('sales-steward', next)).toEqual({ dataProductId: next });
  });
});
