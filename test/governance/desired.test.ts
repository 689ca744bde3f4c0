import { describe, expect, test } from 'vitest';
import type { Domain } from '../../src/generated/prisma/client.js';
import { type AskedAccess, desiredAccess } from '../../src/governance/desired-access.js';
import { desiredContract } from '../../src/governance/desired-contract.js';
import { desiredDataProduct, desiredInForce } from '../../src/governance/desired-data-product.js';
import { desiredDomain } from '../../src/governance/desired-domain.js';
import type { ProductInForce, ProductWithTables } from '../../src/governance/rows.js';
import { dependenciesOf } from '../../src/provisioning/depends-on.js';
import { specSchema } from '../../src/provisioning/kinds.js';
import type { DesiredResource } from '../../src/provisioning/resource.js';
import { MESH } from './mesh.js';

const G = '999999999999';
const P = '111111111111';
const C = '222222222222';

const at = new Date('2026-01-01T00:00:00Z');
const domain: Domain = {
  id: '00000000-0000-7000-8000-000000000001',
  name: 'customer-care',
  displayName: 'Customer care',
  description: null,
  awsAccountId: P,
  awsRegion: 'eu-central-1',
  roleArn: `arn:aws:iam::${P}:role/meshgate`,
  externalId: 'secret',
  dataLocation: 's3://care-lake/data',
  dataAccessRoleArn: null,
  workflowRoleArn: null,
  crawlerRoleArn: null,
  eventTargetRoleArn: null,
  kmsKeyArn: null,
  eventBusName: 'meshgate',
  manageSettings: false,
  provisioning: 'DIRECT',
  driftPolicy: 'REPAIR',
  foreignGrantPolicy: 'REPORT',
  accountRevocation: 'ALARM',
  remindAfter: null,
  escalateAfter: null,
  status: 'READY',
  readyAt: at,
  createdAt: at,
  updatedAt: at,
};

const column = (name: string, type: string, more: object = {}) => ({
  id: name,
  tableId: 't',
  position: 0,
  name,
  type,
  description: null,
  required: false,
  primaryKey: false,
  partition: false,
  pii: false,
  classification: null,
  ...more,
});

const product = {
  name: 'open-tickets',
  domain,
  domainId: domain.id,
  classification: 'INTERNAL',
  accessMode: 'NRAC',
  previousAccessMode: null,
  tables: [
    {
      name: 'tickets',
      description: 'Tickets',
      location: 's3://care-lake/data/tickets',
      format: 'PARQUET',
      crawlRun: null,
      columns: [
        column('id', 'string', { description: 'The\nid' }),
        column('mail', 'string', { pii: true }),
        column('day', 'date', { partition: true }),
      ],
    },
  ],
} as unknown as ProductWithTables;

/** `kind account key: spec`, the part of the identity and spec that a reader checks against AWS. */
function lines(resources: DesiredResource[]): string[] {
  for (const { kind, spec } of resources) specSchema(kind).parse(spec);
  return resources.map(({ kind, account, key, spec }) => `${account} ${kind} ${key} ${JSON.stringify(spec)}`);
}

const kinds = (resources: DesiredResource[]) =>
  resources.map(({ account, kind, key }) => `${account === G ? 'G' : account === P ? 'P' : 'C'} ${kind} ${key}`);

test('the rules of the inbox let in what other accounts tell, and of the own account what Glue says of data quality', () => {
  const rules = desiredDomain(MESH, domain).filter(({ key }) => /inbox|quality|crawls/.test(key));
  const target = `arn:aws:sqs:eu-central-1:${G}:meshgate-inbox`;
  expect(rules.map(({ key, spec }) => [key, 'pattern' in spec ? spec.pattern : spec])).toEqual([
    ['meshgate-inbox-undelivered', expect.objectContaining({ senders: expect.any(Array) })],
    [
      'meshgate-inbox',
      expect.objectContaining({ redrive: { deadLetterArn: `${target}-undelivered`, maxReceives: 20 } }),
    ],
    ['meshgate-inbox-overflow', expect.objectContaining({ senders: [] })],
    ['central-mesh-bus/inbox', { account: [{ 'anything-but': [G] }] }],
    ['default/meshgate-quality', expect.objectContaining({ account: [G], source: ['aws.glue-dataquality'] })],
    ['default/meshgate-crawls', expect.objectContaining({ account: [P], source: ['aws.glue'] })],
    ['default/meshgate-quality', expect.objectContaining({ account: [P], source: ['aws.glue-dataquality'] })],
  ]);
  const inbox = rules.find(({ key }) => key === 'central-mesh-bus/inbox');
  expect(dependenciesOf(inbox as DesiredResource).map(({ kind, key }) => `${kind} ${key}`)).toEqual([
    'EventBus central-mesh-bus',
    'Queue meshgate-inbox',
    'Queue meshgate-inbox-undelivered',
  ]);
});

test('a domain needs settings, location, databases, tags and events in G, and settings, bus and local database in its own account', () => {
  const desired = desiredDomain(MESH, domain);
  expect(kinds(desired)).toEqual([
    'G DataLakeSettings settings',
    'G CatalogPolicy policy',
    'G DataLocation arn:aws:s3:::care-lake/data',
    'G GlueDatabase customer_care_nrac',
    'G GlueDatabase customer_care_tbac',
    'G LfTag confidentiality',
    `G LfTagAttachment database ${G}/customer_care_tbac#confidentiality`,
    'G SchemaRegistry meshgate',
    'G EventBus central-mesh-bus',
    'G BusPermission central-mesh-bus/domains',
    'G Queue meshgate-undelivered-customer-care',
    'G EventRule central-mesh-bus/domain-customer-care',
    'G Queue meshgate-inbox-undelivered',
    'G Queue meshgate-inbox',
    'G Queue meshgate-inbox-overflow',
    'G EventRule central-mesh-bus/inbox',
    'G EventRule default/meshgate-quality',
    'G LfTag lob',
    `G LfTagAttachment database ${G}/customer_care_tbac#lob`,
    `G LfGrant ${P} on tag ${G}/lob=customer-care`,
    `G LfGrant ${P} on databases of ${G} with lob=(customer-care)`,
    `P ShareAcceptance ${P} from databases of ${G} with lob=(customer-care)`,
    `G LfGrant ${P} on tables of ${G} with lob=(customer-care)`,
    `P ShareAcceptance ${P} from tables of ${G} with lob=(customer-care)`,
    `G LfGrant arn:aws:iam::${G}:role/meshgate on tables of ${G} with lob=(customer-care)`,
    'P DatabaseLink customer_care__tbac',
    `G LfGrant ${P} on location ${G}/arn:aws:s3:::care-lake/data`,
    'P DataLakeSettings settings',
    'P GlueDatabase data_products',
    'P EventBus meshgate',
    'P BusPermission meshgate/meshgate',
    'P EventRule meshgate/meshgate-to-central',
    'P EventRule default/meshgate-crawls',
    'P EventRule default/meshgate-quality',
  ]);
  const text = lines(desired);
  expect(text).toContain(
    `${G} GlueDatabase customer_care_nrac {"name":"customer_care_nrac","description":"Data products of the domain customer-care","locationUri":"s3://care-lake/data","dataLocation":"arn:aws:s3:::care-lake/data","parameters":{"data_owner":"${P}","data_owner_name":"customer-care","access_mode":"nrac"}}`,
  );
  expect(desired.find(({ kind, account }) => kind === 'EventRule' && account === G)?.spec).toEqual({
    bus: 'central-mesh-bus',
    name: 'domain-customer-care',
    description: 'Events of the mesh that the domain customer-care may see',
    pattern: { source: ['meshgate'], account: [G], detail: { audience: ['customer-care', '*'] } },
    targets: [
      {
        id: 'domain-bus',
        arn: `arn:aws:events:eu-central-1:${P}:event-bus/meshgate`,
        roleArn: `arn:aws:iam::${G}:role/meshgate-events`,
        deadLetterArn: `arn:aws:sqs:eu-central-1:${G}:meshgate-undelivered-customer-care`,
      },
    ],
  });
  expect(desired.find(({ kind }) => kind === 'Queue')?.spec).toEqual({
    name: 'meshgate-undelivered-customer-care',
    retentionSeconds: 1_209_600,
    senders: [`arn:aws:events:eu-central-1:${G}:rule/central-mesh-bus/domain-customer-care`],
  });
  expect(desired.find(({ kind, account }) => kind === 'EventRule' && account === P)?.spec).toMatchObject({
    pattern: { account: [P], source: [{ 'anything-but': { prefix: 'aws.' } }] },
    targets: [
      {
        arn: `arn:aws:events:eu-central-1:${G}:event-bus/central-mesh-bus`,
        roleArn: `arn:aws:iam::${P}:role/meshgate-events`,
      },
    ],
  });
  expect(desired.find(({ kind, account }) => kind === 'BusPermission' && account === G)?.spec).toEqual({
    bus: 'central-mesh-bus',
    statementId: 'domains',
    principalAccounts: [P],
    deniedSources: ['com.central.stepfunction', 'meshgate'],
  });
  expect(text.join('\n')).not.toContain('secret');
});

test('what two domains share of G is the same for both, so that their claims agree', () => {
  const other = { ...domain, name: 'finance', awsAccountId: C, dataLocation: 's3://finance-lake' };
  const shared = (of: Domain) =>
    lines(desiredDomain(MESH, of)).filter(
      (line) => / (DataLakeSettings|CatalogPolicy|LfTag confidentiality|EventBus) /.test(line) && line.startsWith(G),
    );
  expect(shared(other)).toEqual(shared(domain));
  expect(shared(domain)).toHaveLength(4);
});

test('the names of databases follow the configured template', () => {
  const mesh = { ...MESH, databaseNames: { nrac: 'nrac-data-domain-{account}', tbac: 'tbac-data-domain-{account}' } };
  const names = desiredDomain(mesh, domain)
    .filter(({ kind }) => kind === 'GlueDatabase')
    .map(({ key }) => key);
  expect(names).toEqual([`nrac-data-domain-${P}`, `tbac-data-domain-${P}`, 'data_products']);
});

test('a published product needs its tables with tags and the grant to its domain in G, share and link in the domain', () => {
  expect(lines(desiredDataProduct(MESH, product))).toEqual([
    `${G} GlueTable customer_care_nrac/tickets {"database":"customer_care_nrac","name":"tickets","description":"Tickets","location":"s3://care-lake/data/tickets","dataLocation":"arn:aws:s3:::care-lake/data","format":"PARQUET","columns":[{"name":"id","type":"string","comment":"The id"},{"name":"mail","type":"string"}],"partitionKeys":[{"name":"day","type":"date"}],"parameters":{"data_product":"customer-care/open-tickets","classification_level":"INTERNAL"}}`,
    `${G} LfTagAttachment table ${G}/customer_care_nrac/tickets#confidentiality {"resource":{"type":"TABLE","catalogId":"${G}","database":"customer_care_nrac","table":"tickets"},"key":"confidentiality","value":"non-sensitive"}`,
    `${G} LfTagAttachment table ${G}/customer_care_nrac/tickets#confidentiality#columns {"resource":{"type":"TABLE","catalogId":"${G}","database":"customer_care_nrac","table":"tickets"},"key":"confidentiality","value":"sensitive","columns":["mail"]}`,
    `${G} LfGrant ${P} on table ${G}/customer_care_nrac/tickets {"principal":"${P}","resource":{"type":"TABLE","catalogId":"${G}","database":"customer_care_nrac","table":"tickets"},"permissions":{"ALL":"ALL_COLUMNS"},"grantable":{"ALL":"ALL_COLUMNS"}}`,
    `${P} ShareAcceptance ${P} from table ${G}/customer_care_nrac/tickets {"resource":{"type":"TABLE","catalogId":"${G}","database":"customer_care_nrac","table":"tickets"},"principal":"${P}"}`,
    `${P} TableLink data_products/customer_care__open_tickets__tickets {"database":"data_products","name":"customer_care__open_tickets__tickets","target":{"catalogId":"${G}","database":"customer_care_nrac","table":"tickets"}}`,
  ]);
});

test("the domain's workflow role may write its tables, through links that it may see", () => {
  const workflowRoleArn = `arn:aws:iam::${P}:role/workflow`;
  const desired = desiredDataProduct(MESH, { ...product, domain: { ...domain, workflowRoleArn } });
  expect(kinds(desired).slice(-4)).toEqual([
    `P LfGrant ${workflowRoleArn} on table ${G}/customer_care_nrac/tickets`,
    `P LfGrant ${workflowRoleArn} on table ${P}/data_products/customer_care__open_tickets__tickets`,
    `P LfGrant ${workflowRoleArn} on location ${G}/arn:aws:s3:::care-lake/data`,
    `P LfGrant ${workflowRoleArn} on database ${P}/data_products`,
  ]);
});

const ann = `arn:aws:iam::${C}:role/ann`;
const bob = `arn:aws:iam::${C}:user/teams/bob`;
const consumer = { awsAccountId: C, awsRegion: 'eu-central-1', provisioning: 'DIRECT' as const };

/** A request for all of the product, by name, to each principal. */
const whole: AskedAccess = {
  principals: [ann],
  permissions: ['SELECT', 'DESCRIBE'],
  tables: [],
  columns: [],
  rowFilter: null,
  accessMode: 'NRAC',
  grantTo: 'PRINCIPALS',
  approvedAs: 'INTERNAL',
};

test('access to columns is SELECT on them in G; share, link and DESCRIBE on link and database in C', () => {
  const request = { ...whole, tables: ['tickets'], columns: ['tickets.id', 'tickets.day', 'tickets.gone'] };
  expect(lines(desiredAccess(MESH, { request, product, consumer }))).toEqual([
    `${C} TableLink data_products/customer_care__open_tickets__tickets {"database":"data_products","name":"customer_care__open_tickets__tickets","target":{"catalogId":"${G}","database":"customer_care_nrac","table":"tickets"}}`,
    `${G} LfGrant ${ann} on table ${G}/customer_care_nrac/tickets {"principal":"${ann}","resource":{"type":"TABLE","catalogId":"${G}","database":"customer_care_nrac","table":"tickets"},"permissions":{"SELECT":["day","id"]},"grantable":{}}`,
    `${C} ShareAcceptance ${ann} from table ${G}/customer_care_nrac/tickets {"resource":{"type":"TABLE","catalogId":"${G}","database":"customer_care_nrac","table":"tickets"},"principal":"${ann}"}`,
    `${C} LfGrant ${ann} on table ${C}/data_products/customer_care__open_tickets__tickets {"principal":"${ann}","resource":{"type":"TABLE","catalogId":"${C}","database":"data_products","table":"customer_care__open_tickets__tickets"},"permissions":{"DESCRIBE":"ALL_COLUMNS"},"grantable":{}}`,
    `${C} LfGrant ${ann} on database ${C}/data_products {"principal":"${ann}","resource":{"type":"DATABASE","catalogId":"${C}","database":"data_products"},"permissions":{"DESCRIBE":"ALL_COLUMNS"},"grantable":{}}`,
  ]);
});

test('access to whole tables carries what was asked, for each principal', () => {
  const request = { ...whole, principals: [ann, bob], tables: ['tickets'] };
  const desired = desiredAccess(MESH, { request, product, consumer });
  const inG = desired.filter(({ account }) => account === G);
  expect(inG.map(({ spec }) => spec)).toMatchObject([
    { principal: ann, permissions: { DESCRIBE: 'ALL_COLUMNS', SELECT: 'ALL_COLUMNS' } },
    { principal: bob, permissions: { DESCRIBE: 'ALL_COLUMNS', SELECT: 'ALL_COLUMNS' } },
  ]);
  expect(desired).toHaveLength(1 + 2 * 3 + 2);
});

test('what the product no longer has is not granted', () => {
  const request = { ...whole, tables: ['gone'] };
  expect(desiredAccess(MESH, { request, product, consumer })).toEqual([]);
  const columns = { ...request, tables: ['tickets'], columns: ['tickets.gone'] };
  expect(desiredAccess(MESH, { request: columns, product, consumer })).toEqual([]);
});

const byTag = { ...product, accessMode: 'LF_TBAC' as const };
const askedByTag: AskedAccess = { ...whole, accessMode: 'LF_TBAC', grantTo: 'ACCOUNT' };
const TICKETS = `tables of ${G} with confidentiality=(non-sensitive) and product-customer-care=(open-tickets)`;

test('a product by tag needs its tables in the other database, with a tag value of its own, and no grant by name', () => {
  const own = kinds(desiredDataProduct(MESH, byTag)).filter((line) => /tickets|product-/.test(line));
  expect(own).toEqual([
    'G LfTag product-customer-care',
    'G GlueTable customer_care_tbac/tickets',
    `G LfTagAttachment table ${G}/customer_care_tbac/tickets#confidentiality`,
    `G LfTagAttachment table ${G}/customer_care_tbac/tickets#confidentiality#columns`,
    `G LfTagAttachment table ${G}/customer_care_tbac/tickets#product-customer-care`,
  ]);
});

test('access by tag is to the account with grant option, and to the letter the same to each principal', () => {
  const desired = desiredAccess(MESH, { request: { ...askedByTag, principals: [ann, bob] }, product: byTag, consumer });
  const shared = [`databases of ${G} with lob=(customer-care)`, TICKETS];
  const inC = (principal: string) => [
    `C LfGrant ${principal} on database ${C}/customer_care__tbac`,
    ...shared.map((resource) => `C LfGrant ${principal} on ${resource}`),
  ];
  expect(kinds(desired)).toEqual([
    `G LfGrant ${C} on tag ${G}/lob=customer-care`,
    `G LfGrant ${C} on tag ${G}/confidentiality=non-sensitive`,
    `G LfGrant ${C} on tag ${G}/product-customer-care=open-tickets`,
    ...shared.flatMap((resource) => [`G LfGrant ${C} on ${resource}`, `C ShareAcceptance ${C} from ${resource}`]),
    'C DatabaseLink customer_care__tbac',
    ...inC(ann),
    ...inC(bob),
  ]);
  const toAccount = desired.find(({ key }) => key === `${C} on ${TICKETS}`)?.spec;
  const given = { DESCRIBE: 'ALL_COLUMNS', SELECT: 'ALL_COLUMNS' };
  expect(toAccount).toMatchObject({ permissions: given, grantable: given });
});

test('sensitive columns open by tag to those alone who were approved while the product was sensitive', () => {
  const both = `tables of ${G} with confidentiality=(non-sensitive|sensitive) and product-customer-care=(open-tickets)`;
  const tables = (approvedAs: AskedAccess['approvedAs'], classification: 'INTERNAL' | 'CONFIDENTIAL') =>
    desiredAccess(MESH, { request: { ...askedByTag, approvedAs }, product: { ...byTag, classification }, consumer })
      .filter(({ kind, account, key }) => kind === 'LfGrant' && account === C && key.includes(' on tables '))
      .map(({ key }) => key.slice(key.indexOf(' on ') + 4));
  expect(tables('INTERNAL', 'INTERNAL')).toEqual([TICKETS]);
  expect(tables('CONFIDENTIAL', 'CONFIDENTIAL')).toEqual([both]);
  expect(tables('CONFIDENTIAL', 'INTERNAL')).toEqual([both]);
  expect(tables('INTERNAL', 'CONFIDENTIAL')).toEqual([]);
});

test('a row filter is an object of its own in G, on which there is SELECT, with the columns in it', () => {
  const request = { ...whole, columns: ['tickets.id'], rowFilter: '"id" = \'x\'' };
  const desired = desiredAccess(MESH, { request, product, consumer });
  const filter = desired.find(({ kind }) => kind === 'DataFilter')?.spec as { name: string };
  expect(filter).toMatchObject({ table: 'tickets', columns: ['id'], rowFilter: '"id" = \'x\'' });
  const resource = `filter ${G}/customer_care_nrac/tickets/${filter.name}`;
  expect(kinds(desired).filter((line) => line.includes('filter '))).toEqual([
    `G LfGrant ${ann} on ${resource}`,
    `C ShareAcceptance ${ann} from ${resource}`,
  ]);
  const again = desiredAccess(MESH, { request: { ...request, rowFilter: '"id" = \'y\'' }, product, consumer });
  expect(again.find(({ kind }) => kind === 'DataFilter')?.key).not.toContain(filter.name);
});

test('a grant to the account has grant option in G, and the principals get theirs in C', () => {
  const desired = desiredAccess(MESH, { request: { ...whole, grantTo: 'ACCOUNT' }, product, consumer });
  const table = `table ${G}/customer_care_nrac/tickets`;
  expect(kinds(desired).filter((line) => line.includes(table))).toEqual([
    `G LfGrant ${C} on ${table}`,
    `C ShareAcceptance ${C} from ${table}`,
    `C LfGrant ${ann} on ${table}`,
  ]);
});

test('while the mode of a product changes, product and grants have the objects of both', () => {
  const changing = { ...byTag, previousAccessMode: 'NRAC' as const };
  const set = (resources: DesiredResource[]) => new Set(kinds(resources));
  const request = whole;
  for (const [now, before, after] of [
    [desiredDataProduct(MESH, changing), desiredDataProduct(MESH, product), desiredDataProduct(MESH, byTag)],
    [
      desiredAccess(MESH, { request, product: changing, consumer }),
      desiredAccess(MESH, { request, product, consumer }),
      desiredAccess(MESH, { request, product: byTag, consumer }),
    ],
  ] as const) {
    expect(set(now)).toEqual(new Set([...set(before), ...set(after)]));
  }
});

test('access that was given by name keeps its sensitive columns by tag, and what was given by tag gets none by name', () => {
  const keys = (request: AskedAccess, of: ProductWithTables) =>
    desiredAccess(MESH, { request, product: of, consumer }).map(({ key }) => key);
  expect(keys(whole, byTag).join()).toContain('confidentiality=(non-sensitive|sensitive)');
  const byName = desiredAccess(MESH, { request: { ...askedByTag, grantTo: 'PRINCIPALS' }, product, consumer });
  expect(byName.find(({ kind, account }) => kind === 'LfGrant' && account === G)?.spec).toMatchObject({
    permissions: { SELECT: ['day', 'id'] },
  });
});

test('a crawl needs its role on link, table and location, and goes when it is done', () => {
  const crawlerRoleArn = `arn:aws:iam::${P}:role/crawler`;
  const [table] = product.tables;
  const crawling = {
    ...product,
    domain: { ...domain, crawlerRoleArn },
    tables: [{ ...table, crawlRun: 'r1' }],
  } as ProductWithTables;
  const crawl = kinds(desiredDataProduct(MESH, crawling)).filter((line) => /crawler|CrawlerRun/.test(line));
  expect(crawl).toEqual([
    `P LfGrant ${crawlerRoleArn} on database ${P}/data_products`,
    `P LfGrant ${crawlerRoleArn} on table ${P}/data_products/customer_care__open_tickets__tickets`,
    `P LfGrant ${crawlerRoleArn} on table ${G}/customer_care_nrac/tickets`,
    `P LfGrant ${crawlerRoleArn} on location ${G}/arn:aws:s3:::care-lake/data`,
    'P CrawlerRun meshgate-customer-care-open-tickets-tickets',
  ]);
});

describe('a product with a contract in force', () => {
  const [table] = product.tables;
  const nulls = { table: 'tickets', column: 'id', type: 'library', rule: 'nullValues', thresholds: { mustBe: 0 } };
  const sql = { table: 'tickets', type: 'sql', description: 'Paid', thresholds: { mustBe: 0 } };
  const promised = { ...product, contract: { version: '1.0.0', quality: [nulls, sql] } } as ProductInForce;
  const promises = ({ kind }: DesiredResource) => kind === 'SchemaRegistration' || kind === 'QualityRuleset';

  test('needs the schema of each table in the registry and the rules that Glue can evaluate; the others are named', () => {
    expect(lines(desiredInForce(MESH, promised).filter(promises))).toEqual([
      `${G} SchemaRegistration meshgate/customer_care__open_tickets__tickets ${JSON.stringify({
        registry: 'meshgate',
        name: 'customer_care__open_tickets__tickets',
        definition: {
          $schema: 'http://json-schema.org/draft-07/schema#',
          type: 'object',
          properties: {
            id: { type: ['string', 'null'] },
            mail: { type: ['string', 'null'] },
            day: { type: ['string', 'null'], format: 'date' },
          },
        },
      })}`,
      `${G} QualityRuleset customer_care__open_tickets__tickets__nrac ${JSON.stringify({
        name: 'customer_care__open_tickets__tickets__nrac',
        database: 'customer_care_nrac',
        table: 'tickets',
        rules: ['IsComplete "id"'],
      })}`,
    ]);
    expect(desiredContract(MESH, promised).leftOut).toEqual([expect.stringMatching(/"Paid" of tickets .* SQL/)]);
  });

  test('has one ruleset while its mode changes, on the table of the new mode, and one schema', () => {
    const changing = { ...promised, accessMode: 'LF_TBAC', previousAccessMode: 'NRAC' } as ProductInForce;
    expect(kinds(desiredInForce(MESH, changing).filter(promises))).toEqual([
      'G SchemaRegistration meshgate/customer_care__open_tickets__tickets',
      'G QualityRuleset customer_care__open_tickets__tickets__tbac',
    ]);
  });

  test('has neither for a table whose columns nobody knows yet', () => {
    const unknown = { ...promised, tables: [{ ...table, columns: [] }] } as unknown as ProductInForce;
    expect(desiredInForce(MESH, unknown).filter(promises)).toEqual([]);
  });

  test('has no schema that the registry is too small for, and says so', () => {
    const columns = Array.from({ length: 2_000 }, (_, n) => column(`${'c'.repeat(100)}_${n}`, 'string'));
    const wide = { ...promised, tables: [{ ...table, columns }] } as unknown as ProductInForce;
    expect(desiredInForce(MESH, wide).some(({ kind }) => kind === 'SchemaRegistration')).toBe(false);
    expect(desiredContract(MESH, wide).leftOut[0]).toMatch(/schema of tickets is not registered: .* takes 170000/);
  });
});

test('nothing is called in the account of a domain that provisions for itself', () => {
  const delegated = { ...domain, provisioning: 'DELEGATED' as const, workflowRoleArn: `arn:aws:iam::${P}:role/w` };
  const resources = [
    ...desiredDomain(MESH, delegated),
    ...desiredDataProduct(MESH, { ...product, domain: delegated }),
    ...desiredDataProduct(MESH, { ...byTag, domain: delegated }),
    ...desiredAccess(MESH, { request: whole, product, consumer: { ...consumer, provisioning: 'DELEGATED' } }),
  ];
  expect(new Set(resources.map(({ account }) => account))).toEqual(new Set([G]));
  expect(kinds(resources)).toContain('G EventRule central-mesh-bus/workflow-customer-care');
  const rule = `arn:aws:events:eu-central-1:${G}:rule/central-mesh-bus/`;
  expect(resources.find(({ kind }) => kind === 'Queue')?.spec).toMatchObject({
    senders: [`${rule}domain-customer-care`, `${rule}workflow-customer-care`],
  });
});

test('a rule waits for the queue that it sends to, and that of what its target does not take', () => {
  const rules = desiredDomain(MESH, domain).filter(({ kind }) => kind === 'EventRule');
  const queues = rules.map((rule) => dependenciesOf(rule).filter(({ kind }) => kind === 'Queue'));
  const queue = (key: string) => ({ kind: 'Queue', account: G, region: 'eu-central-1', key });
  const inbox = [queue('meshgate-inbox'), queue('meshgate-inbox-undelivered')];
  expect(queues).toEqual([[queue('meshgate-undelivered-customer-care')], inbox, inbox, [], [], []]);
});
