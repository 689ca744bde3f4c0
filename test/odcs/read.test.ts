import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapColumnType } from '../../src/governance/odcs/column-type.js';
import { readType, spellType } from '../../src/governance/odcs/hive-type.js';
import { parseDataContract } from '../../src/governance/odcs/parse.js';
import { type DataContractReading, readDataContract } from '../../src/governance/odcs/read.js';
import { mutatedContract } from './mutate.js';
import { realContract, realContracts, standardIsHere, whySkipped } from './standard.js';

type Json = Record<string, unknown>;

function typeOf(property: Json): string {
  return spellType(mapColumnType(property).type);
}

function read(more: Json): DataContractReading {
  return readDataContract({ id: 'x', ...more });
}

function columnOf(property: Json): DataContractReading['tables'][number]['columns'][number] | undefined {
  return read({ schema: [{ name: 't', properties: [{ name: 'c', physicalType: 'string', ...property }] }] }).tables[0]
    ?.columns[0];
}

describe('the type of a column', () => {
  it.each([
    ['VARCHAR', 'string'],
    ['varchar(18)', 'varchar(18)'],
    ['VARCHAR2(20 CHAR)', 'varchar(20)'],
    ['nvarchar(max)', 'string'],
    ['character varying(9)', 'varchar(9)'],
    ['char(3)', 'char(3)'],
    ['INTEGER', 'int'],
    ['INT64', 'bigint'],
    ['double precision', 'double'],
    ['NUMERIC(10, 2)', 'decimal(10,2)'],
    ['decimal(5)', 'decimal(5,0)'],
    ['decimal(76,38)', 'decimal(38,38)'],
    ['timestamp(6) with time zone', 'timestamp'],
    ['TIMESTAMP WITHOUT TIME ZONE', 'timestamp'],
    ['timestamp_tz', 'timestamp'],
    ['time', 'string'],
    ['bool', 'boolean'],
    ['bytea', 'binary'],
    ['jsonb', 'string'],
    ['uuid', 'string'],
    ['array<int64>', 'array<bigint>'],
    ['STRUCT<a: INT64, b: ARRAY<STRING>>', 'struct<a:bigint,b:array<string>>'],
    ['map<string, decimal(5,1)>', 'map<string,decimal(5,1)>'],
  ])('that a database calls %s is %s', (physicalType, type) => {
    expect(mapColumnType({ physicalType })).toMatchObject({ problems: [] });
    expect(typeOf({ physicalType })).toBe(type);
  });

  it.each([
    [{ logicalType: 'string' }, 'string'],
    [{ logicalType: 'date' }, 'date'],
    [{ logicalType: 'timestamp' }, 'timestamp'],
    [{ logicalType: 'integer' }, 'int'],
    [{ logicalType: 'integer', logicalTypeOptions: { format: 'i64' } }, 'bigint'],
    [{ logicalType: 'integer', logicalTypeOptions: { format: 'u64' } }, 'decimal(20,0)'],
    [{ logicalType: 'number' }, 'double'],
    [{ logicalType: 'number', logicalTypeOptions: { format: 'f32' } }, 'float'],
    [{ logicalType: 'boolean' }, 'boolean'],
    [{ logicalType: 'integer', physicalType: 'NUMBER' }, 'decimal(38,0)'],
    [{ logicalType: 'date', physicalType: 'from another world' }, 'date'],
  ])('of %j is %s', (property, type) => {
    expect(mapColumnType(property)).toMatchObject({ problems: [] });
    expect(typeOf(property)).toBe(type);
  });

  it('of nested columns is a struct, of items an array', () => {
    const city = { name: 'City Name', logicalType: 'string' };
    const geo = { name: 'geo', logicalType: 'array', items: { logicalType: 'number' } };
    const place = { logicalType: 'object', physicalType: 'json', properties: [city, geo] };
    expect(typeOf(place)).toBe('struct<city_name:string,geo:array<double>>');
    expect(typeOf({ logicalType: 'array', items: place })).toBe('array<struct<city_name:string,geo:array<double>>>');
  });

  it.each([
    [{}, 'states no type'],
    [{ logicalType: 'constructor', physicalType: 'toString' }, 'is unknown'],
    [{ logicalType: 'object' }, 'does not say its fields'],
    [{ logicalType: 'array' }, 'does not say its items'],
    [{ physicalType: 'numeric' }, 'no precision'],
    [{ properties: [{ name: 'a' }, { name: 'A' }] }, 'twice'],
  ])('of %j comes with the problem that it %s', (property, problem) => {
    expect(mapColumnType(property).problems.join()).toContain(problem);
  });

  it('is spelled so that it reads back', () => {
    const primitives = fc.constantFrom('int', 'string', 'decimal(9,2)', 'varchar(3)', 'timestamp');
    const { type } = fc.letrec<{ type: string }>((tie) => ({
      type: fc.oneof(
        { maxDepth: 4 },
        primitives,
        tie('type').map((of) => `array<${of}>`),
        tie('type').map((of) => `map<string,${of}>`),
        fc
          .array(tie('type'), { minLength: 1, maxLength: 3 })
          .map((of) => `struct<${of.map((each, i) => `f${i}:${each}`).join(',')}>`),
      ),
    }));
    fc.assert(
      fc.property(type, (text) => {
        expect(spellType(readType(text) ?? { kind: 'struct', fields: [] })).toBe(text);
      }),
    );
  });
});

describe('the tables of a contract', () => {
  it('take names that Glue takes, of two alike the first', () => {
    const schema = ['Orders', 'orders', 'Größe & Maß', '注文', 7, { physicalName: 'Sales.Orders-2024' }].map((name) =>
      typeof name === 'object' ? { name: 'x', ...name } : { name },
    );
    const { tables, problems } = read({ schema });
    expect(tables.map(({ name }) => name)).toEqual(['orders', 'gro_e_ma_', 'table_4', '7', 'sales_orders_2024']);
    expect(problems).toEqual([
      'Two tables come to the name orders; the first counts',
      'Table 4 has no name that Glue takes and is called table_4',
    ]);
  });

  it('keep the first of two columns of one name', () => {
    const properties = [
      { name: 'ID', logicalType: 'string' },
      { name: 'id', logicalType: 'integer' },
    ];
    const { tables, problems } = read({ schema: [{ name: 't', properties }] });
    expect(tables[0]?.columns).toMatchObject([{ name: 'id', type: 'string' }]);
    expect(problems).toEqual(['Table t: two columns come to the name id; the first counts']);
  });

  it('order the keys by their positions, not by the columns', () => {
    const properties = [
      { name: 'a', primaryKey: true, primaryKeyPosition: 2, partitioned: true, partitionKeyPosition: -1 },
      { name: 'b', primaryKey: true, primaryKeyPosition: 1, partitioned: true, partitionKeyPosition: 1 },
      { name: 'c', partitionKeyPosition: 3 },
    ];
    expect(read({ schema: [{ name: 't', properties }] }).tables[0]).toMatchObject({
      primaryKey: ['b', 'a'],
      partitionKeys: ['b', 'a'],
    });
  });

  const s3 = (location: string, more: Json = {}): Json => ({ server: 's', type: 's3', location, ...more });
  const orders = { name: 'orders' };
  const lines = { name: 'lines' };

  it.each<[string, Json[], Json[], (string | undefined)[]]>([
    ['the server itself for a lone table', [s3('s3://b/sales')], [orders], ['s3://b/sales/']],
    [
      'below the server for several',
      [s3('s3://b/sales/')],
      [orders, lines],
      ['s3://b/sales/orders/', 's3://b/sales/lines/'],
    ],
    [
      'where a placeholder says',
      [s3('s3://b/{model}/v1/*.parquet')],
      [orders, lines],
      ['s3://b/orders/v1/', 's3://b/lines/v1/'],
    ],
    ['the folder of a file', [s3('s3://b/sales/orders.csv')], [orders], ['s3://b/sales/']],
    ['the bucket', [s3('s3a://b')], [orders], ['s3://b/']],
    [
      'of production first',
      [s3('s3://dev/x'), s3('s3://prod/x', { environment: 'production' })],
      [orders],
      ['s3://prod/x/'],
    ],
    [
      'their own',
      [s3('s3://b/x')],
      [{ name: 'o', physicalName: 's3://own/o' }, lines],
      ['s3://own/o/', 's3://b/x/lines/'],
    ],
    [
      'a custom property',
      [],
      [{ ...orders, customProperties: [{ property: 'location', value: 's3://own/o' }] }],
      ['s3://own/o/'],
    ],
    ['nowhere without S3', [{ server: 'k', type: 'kafka', host: 'h' }], [orders], [undefined]],
  ])('lie in: %s', (_, servers, schema, locations) => {
    expect(read({ servers, schema }).tables.map(({ location }) => location)).toEqual(locations);
  });

  it('have the format of the server, if Glue tables of ours can', () => {
    const format = (name: string): unknown =>
      read({ servers: [s3('s3://b/x', { format: name })], schema: [orders] }).tables[0]?.format;
    expect(['parquet', 'CSV', 'json', 'iceberg', 'delta', 'constructor'].map(format)).toEqual([
      'PARQUET',
      'CSV',
      'JSON',
      'ICEBERG',
      undefined,
      undefined,
    ]);
    expect(read({ servers: [s3('s3://b/x', { format: 'delta' })], schema: [orders] }).problems).toEqual([
      'Table orders: format delta is none that a Glue table of ours can have',
    ]);
  });
});

describe('a column', () => {
  it.each<[Json, boolean]>([
    [{ tags: ['PII'] }, true],
    [{ tags: ['sensitivity:pii'] }, true],
    [{ classification: 'pii' }, true],
    [{ customProperties: [{ property: 'isPII', value: true }] }, true],
    [{ customProperties: [{ property: 'tags', value: 'TABLE_PII' }] }, true],
    [{ customProperties: [{ property: 'tags', value: ['x', 'personal data'] }] }, true],
    [{ customProperties: [{ property: 'pii', value: 'false' }] }, false],
    [{ tags: ['non-pii'] }, false],
    [{ tags: ['happiiness'] }, false],
    [{}, false],
  ])('of %j is personal: %s', (property, pii) => {
    expect(columnOf(property)?.pii).toBe(pii);
  });

  it.each([
    ['public', 'PUBLIC'],
    ['Internal', 'INTERNAL'],
    ['confidential-2', 'CONFIDENTIAL'],
    ['restricted', 'RESTRICTED'],
    ['constructor', undefined],
  ])('called %s is %s', (classification, expected) => {
    expect(columnOf({ classification })?.classification).toBe(expected);
  });
});

describe('the owner of a contract', () => {
  const gone = { username: 'gone', role: 'Owner', dateOut: '2020-01-01' };
  const reader = { username: 'reader', role: 'reader' };
  const owner = { username: 'boss', role: 'Data Product Owner' };

  it.each([
    ['the member in that role', [gone, reader, owner], 'boss'],
    ['also in the shape of v3.1.0', { name: 'team', members: [reader, owner] }, 'boss'],
    ['else the team', { name: 'team', members: [reader] }, 'team'],
    ['else the first who is still there', [gone, reader], 'reader'],
    ['else nobody', [gone], undefined],
    ['nobody without a team', undefined, undefined],
  ])('is %s', (_, team, expected) => {
    expect(read({ team }).owner).toBe(expected);
  });
});

describe('the reading of a contract', () => {
  it('takes the owner from a custom property where no member has that role', () => {
    const customProperties = [{ property: 'owner', value: 'fulfillment' }];
    const team = [{ username: 'boss', role: 'Owner' }];
    expect(read({ customProperties, team: [{ username: 'admin' }] }).owner).toBe('fulfillment');
    expect(read({ customProperties, team }).owner).toBe('boss');
  });

  it('takes promises with their default element', () => {
    const { sla, problems } = read({
      slaDefaultElement: 'orders.at',
      slaProperties: [
        { property: 'latency', value: 4, unit: 'd' },
        { property: 'retention', value: null, element: 'x' },
        { value: 1 },
      ],
    });
    expect(sla).toEqual([
      { property: 'latency', value: 4, unit: 'd', element: 'orders.at' },
      { property: 'retention', value: null, element: 'x' },
    ]);
    expect(problems).toEqual(['SLA property 3 is passed over: it has no name']);
  });

  it('takes checks with their table and column', () => {
    const quality = [{ metric: 'nullValues', mustBe: 0, severity: 'error', dimension: 'completeness' }];
    const table = {
      name: 'T',
      quality: [{ type: 'sql', query: 'q', mustBeLessThan: 3 }],
      properties: [{ name: 'C', logicalType: 'date', quality }],
    };
    expect(read({ schema: [table] }).quality).toEqual([
      { table: 't', type: 'sql', query: 'q', thresholds: { mustBeLessThan: 3 } },
      {
        table: 't',
        column: 'c',
        type: 'library',
        rule: 'nullValues',
        severity: 'error',
        dimension: 'completeness',
        thresholds: { mustBe: 0 },
      },
    ]);
  });

  it('never throws, whatever the document', () => {
    fc.assert(
      fc.property(mutatedContract, (document) => void readDataContract(document)),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(fc.jsonValue(), (document) => void readDataContract(document)));
    fc.assert(
      fc.property(fc.jsonValue(), (schema) => void readDataContract({ schema: [schema, { properties: [schema] }] })),
    );
  });

  it('ends on columns that nest without end', () => {
    let property: Json = { name: 'x', logicalType: 'string' };
    for (let level = 0; level < 5000; level += 1)
      property = { name: 'x', logicalType: 'object', properties: [property] };
    expect(read({ schema: [{ name: 't', properties: [property] }] }).problems.join()).toContain('deeper than');
  });
});

describe.skipIf(!standardIsHere)(`the reading of real contracts${standardIsHere ? '' : ` (${whySkipped})`}`, () => {
  it.each(realContracts())('finds what $name says', ({ text }) => {
    const reading = readDataContract(parseDataContract(text).document);
    expect(reading.odcsId).toBeTruthy();
    expect(reading.version).toMatch(/^\d/);
    for (const { columns } of reading.tables)
      for (const { type } of columns) expect(readType(type), type).toBeDefined();
  });

  it('finds all of the full example', () => {
    const reading = readDataContract(parseDataContract(realContract('bitol-full-example')).document);
    expect(reading).toMatchObject({
      owner: 'daustin',
      dataProduct: 'my quantum',
      tags: ['transactions'],
      problems: [],
    });
    expect(reading.description).toMatch(/^Views built on top of the seller tables\.\n\nUsage: /);
    expect(reading.tables[0]).toMatchObject({
      name: 'tbl_1',
      logicalName: 'tbl',
      primaryKey: ['rcvr_id'],
      partitionKeys: ['txn_ref_dt'],
    });
    expect(reading.tables[0]?.columns.map(({ name, type, classification }) => [name, type, classification])).toEqual([
      ['txn_ref_dt', 'date', 'PUBLIC'],
      ['rcvr_id', 'varchar(18)', 'RESTRICTED'],
      ['rcvr_cntry_code', 'varchar(2)', 'PUBLIC'],
    ]);
    expect(reading.quality.map(({ table, column, rule }) => [table, column, rule])).toEqual([
      ['tbl_1', undefined, 'rowCount'],
      ['tbl_1', 'rcvr_cntry_code', 'nullValues'],
    ]);
    expect(reading.sla).toHaveLength(8);
  });

  it('finds the personal columns of the jaffle shop', () => {
    const { tables } = readDataContract(parseDataContract(realContract('jaffle-shop')).document);
    const customers = tables.find(({ name }) => name === 'customers');
    expect(customers?.pii).toBe(true);
    expect(customers?.columns.filter(({ pii }) => pii).map(({ name }) => name)).toEqual(['first_name', 'last_name']);
  });
});
