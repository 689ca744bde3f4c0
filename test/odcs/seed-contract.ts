// Contracts written by hand so that, between them, every section and every variant of the standard stands in one.

type Json = Record<string, unknown>;

/** One example of every part of a contract, by section. */
export interface SeedParts {
  fundamentals: Json;
  lists: { [section: string]: Json[] };
  objects: Json;
}

const server = (type: string, more: Json): Json => ({ server: `my-${type}`, type, ...more });
const hostPortDatabase = { host: 'db.example.com', port: 5432, database: 'sales' };
const withSchema = { ...hostPortDatabase, schema: 'public' };

function servers(version: string): Json[] {
  const newest = version === 'v3.1.0';
  const athena =
    version === 'v3.0.0' || version === 'v3.0.1'
      ? { staging_dir: 's3://bucket/staging/', schema: 'sales' }
      : { stagingDir: 's3://bucket/staging/', schema: 'sales' };
  const list = [
    server('api', { location: 'https://api.example.com/v1?x=1#top', description: 'REST', environment: 'prod' }),
    server('athena', { ...athena, catalog: 'awsdatacatalog', regionName: 'eu-west-1' }),
    server('azure', {
      location: 'abfss://container@account.dfs.core.windows.net/path',
      format: 'parquet',
      delimiter: 'array',
    }),
    server('bigquery', { project: 'p', dataset: 'd' }),
    server('clickhouse', hostPortDatabase),
    server('databricks', { host: 'dbc.example.com', catalog: 'c', schema: 's' }),
    server('denodo', { host: 'h', port: 9999, database: 'd' }),
    server('dremio', { host: 'h', port: 9047, schema: 's' }),
    server('duckdb', { database: 'file.db', schema: newest ? 'main' : 1 }),
    server('glue', { account: '123456789012', database: 'sales', location: 's3://bucket/x', format: 'parquet' }),
    server('cloudsql', withSchema),
    server('db2', withSchema),
    server('informix', hostPortDatabase),
    server('kafka', { host: 'broker:9092', format: 'avro' }),
    server('kinesis', { region: 'eu-west-1', format: 'json' }),
    server('local', { path: './data/*.csv', format: 'csv' }),
    server('mysql', hostPortDatabase),
    server('oracle', { host: 'h', port: 1521, serviceName: 'orcl' }),
    server('postgresql', withSchema),
    server('postgres', withSchema),
    server('presto', { host: 'h', catalog: 'c', schema: 's' }),
    server('pubsub', { project: 'p' }),
    server('redshift', { host: 'h', database: 'd', schema: 's', region: 'r', account: 'a' }),
    server('s3', {
      location: 's3://bucket/orders/',
      endpointUrl: 'https://[::1]:9000',
      format: 'json',
      delimiter: 'new_line',
      roles: [{ role: 'reader', access: 'read' }],
      customProperties: [{ property: 'tier', value: ['hot', 1, null] }],
    }),
    server('sftp', { location: 'sftp://user@host:22/path', format: 'csv', delimiter: 'array' }),
    server('snowflake', { host: 'h', port: 443, account: 'a', database: 'd', schema: 's', warehouse: 'w' }),
    server('sqlserver', withSchema),
    server('synapse', hostPortDatabase),
    server('trino', { host: 'h', port: 8080, catalog: 'c', schema: 's' }),
    server('vertica', withSchema),
    server('custom', {
      ...withSchema,
      account: 'a',
      catalog: 'c',
      dataset: 'd',
      delimiter: ';',
      endpointUrl: 'http://x.example.com',
      format: 'csv',
      location: 'urn:a:b',
      path: '/p',
      project: 'p',
      region: 'r',
      regionName: 'r',
      serviceName: 's',
      stagingDir: 'not a uri',
      warehouse: 'w',
    }),
  ];
  const added = [
    server('hive', hostPortDatabase),
    server('impala', { host: 'h', database: 'd', id: 'impala_1' }),
    server('zen', hostPortDatabase),
    server('custom', { stream: 's' }),
  ];
  return newest ? [...list, ...added] : list;
}

function quality(version: string): Json[] {
  const named = {
    name: 'q',
    dimension: 'accuracy',
    severity: 'error',
    businessImpact: 'high',
    tags: ['a'],
    unit: 'rows',
  };
  const scheduled = { method: 'reconciliation', schedule: '0 20 * * *', scheduler: 'cron', description: 'd' };
  const custom = { type: 'custom', engine: 'soda', implementation: 'type: x' };
  const links = {
    authoritativeDefinitions: [{ url: 'https://x', type: 'rule' }],
    customProperties: [{ property: 'p', value: 1 }],
  };
  if (version !== 'v3.1.0') {
    return [
      { type: 'library', rule: 'rowCount', mustBeGreaterThan: 5, ...named },
      { rule: 'nullCheck', mustBe: 0, mustBeBetween: [1, 2], mustNotBeBetween: [1.5, 2], ...scheduled },
      { type: 'text', description: 'must look right', mustBe: 'x' },
      { type: 'sql', query: 'select 1', mustBeLessOrEqualTo: 'about ten', ...links },
      custom,
      { ...custom, implementation: { a: { b: [1] } } },
    ];
  }
  return [
    {
      id: 'q-1',
      type: 'library',
      metric: 'rowCount',
      rule: 'old',
      arguments: { a: 1 },
      mustBeGreaterThan: 5,
      ...named,
    },
    { metric: 'nullValues', mustBe: 0, ...scheduled },
    { metric: 'invalidValues', mustNotBe: 'x' },
    { metric: 'duplicateValues', mustBeBetween: [1, 2] },
    { metric: 'missingValues', mustNotBeBetween: [1.5, 2] },
    { type: 'text', description: 'must look right' },
    { type: 'text', metric: 'rowCount', mustBeGreaterOrEqualTo: 1 },
    { type: 'sql', query: 'select 1', mustBeLessOrEqualTo: 10, ...links },
    { type: 'sql', query: 'select 1', metric: 'rowCount', mustBeLessThan: 10 },
    custom,
    { ...custom, implementation: { a: { b: [1] } }, metric: 'rowCount', mustBe: 3 },
    { description: 'neither type nor metric' },
  ];
}

function columns(version: string): Json[] {
  const newest = version === 'v3.1.0';
  const bounds = newest
    ? { exclusiveMinimum: 0, exclusiveMaximum: 9.5 }
    : { exclusiveMinimum: true, exclusiveMaximum: false };
  const dates = newest ? { exclusiveMinimum: '2020-01-01', exclusiveMaximum: 'x' } : { exclusiveMinimum: true };
  const zoned = { minimum: 'a', maximum: 'b', format: 'HH', timezone: true, defaultTimezone: 'Etc/UTC', ...dates };
  const everything = {
    name: 'everything',
    physicalType: 'varchar(18)',
    businessName: 'Everything',
    description: 'd',
    primaryKey: true,
    primaryKeyPosition: 1,
    required: true,
    unique: true,
    partitioned: true,
    partitionKeyPosition: -1,
    classification: 'restricted',
    encryptedName: 'e',
    transformSourceObjects: ['a', 'b'],
    transformLogic: 'l',
    transformDescription: 't',
    examples: [1, 'x', null, [1], { a: 1 }],
    criticalDataElement: true,
    tags: ['pii'],
    customProperties: [{ property: 'p', value: null }],
    authoritativeDefinitions: [{ url: 'https://x', type: 'y' }],
  };
  const address = [
    { name: 'city', logicalType: 'string' },
    { name: 'geo', logicalType: 'object', properties: [{ name: 'lat' }] },
  ];
  const list: Json[] = [
    {
      ...everything,
      quality: quality(version).slice(0, 2),
      ...(version < 'v3.0.2' ? {} : { physicalName: 'every_thing' }),
    },
    {
      name: 's',
      logicalType: 'string',
      logicalTypeOptions: { minLength: 0, maxLength: 5, pattern: '^a', format: 'email' },
    },
    { name: 'd', logicalType: 'date', logicalTypeOptions: { format: 'yyyy', minimum: 'a', maximum: 'b', ...dates } },
    {
      name: 'i',
      logicalType: 'integer',
      logicalTypeOptions: { multipleOf: 2, minimum: 1, maximum: 9, format: 'u128', ...bounds },
    },
    {
      name: 'n',
      logicalType: 'number',
      logicalTypeOptions: { multipleOf: 0.5, minimum: 1.5, format: 'f64', ...bounds },
    },
    { name: 'b', logicalType: 'boolean', logicalTypeOptions: { anything: 1 } },
    {
      name: 'o',
      logicalType: 'object',
      logicalTypeOptions: { minProperties: 0, maxProperties: 9, required: ['city'] },
      properties: address,
    },
    {
      name: 'a',
      logicalType: 'array',
      logicalTypeOptions: { minItems: 0, maxItems: 3, uniqueItems: true },
      items: { logicalType: 'object', properties: address },
    },
    { name: 'aa', logicalType: 'array', items: { logicalType: 'array', items: { logicalType: 'string', name: 'x' } } },
    { name: 'untyped', logicalTypeOptions: {}, properties: address, items: { name: 'x' } },
  ];
  if (!newest) {
    return [...list, { name: 'loose', logicalType: 'array', items: { logicalType: 'string', properties: address } }];
  }
  const relationships = [
    {
      to: 'customers.id',
      type: 'foreignKey',
      customProperties: [{ property: 'p', value: 1, description: 'd', id: 'x' }],
    },
    { to: ['schema/customers/properties/id', 'https://x.example.com/c.yaml#/schema/a-b/properties/c'] },
  ];
  return [
    ...list,
    { name: 'ts', logicalType: 'timestamp', logicalTypeOptions: zoned },
    { name: 'tm', logicalType: 'time', logicalTypeOptions: zoned },
    { name: 'linked', id: 'linked_prop', relationships },
  ];
}

function tables(version: string): Json[] {
  const relationships = [
    { from: 'orders.customer_id', to: 'customers.id' },
    { type: 'foreignKey', from: ['orders.a', 'orders.b'], to: ['x.a', 'x.b'] },
  ];
  return [
    {
      name: 'orders',
      physicalName: 'orders_v1',
      physicalType: 'table',
      logicalType: 'object',
      businessName: 'Orders',
      description: 'd',
      dataGranularityDescription: 'one row an order',
      tags: ['t'],
      customProperties: [],
      authoritativeDefinitions: [],
      properties: columns(version),
      quality: quality(version),
      ...(version === 'v3.1.0' ? { relationships, id: 'orders_obj' } : {}),
    },
    { name: 'bare' },
  ];
}

const timesOf = (value: unknown): Json => ({
  property: 'latency',
  value,
  unit: 'd',
  element: 'a.b',
  driver: 'regulatory',
  valueExt: null,
});

/** The parts of contracts of a version; each is valid where it stands. */
export function seedParts(version: string): SeedParts {
  const newest = version === 'v3.1.0';
  const isFirst = version === 'v3.0.0';
  const customProperties = [{ property: 'p', value: { a: 1 } }];
  const member = {
    username: 'mhopper',
    role: 'Owner',
    dateIn: '2024-02-29',
    dateOut: '2030-12-31',
    replacedByUsername: 'x',
  };
  const named = isFirst || version === 'v3.0.1' ? {} : { name: 'M', description: 'd' };
  const about = newest
    ? { id: 'm_1', tags: ['t'], customProperties, authoritativeDefinitions: [{ url: 'u', type: 't' }] }
    : {};
  const role = {
    role: 'reader',
    description: 'd',
    access: 'read',
    firstLevelApprovers: 'a',
    secondLevelApprovers: 'b',
  };
  const links = isFirst ? {} : { authoritativeDefinitions: [{ url: 'u', type: 't' }], customProperties };
  const sla = [timesOf(4), timesOf('4'), timesOf(true), timesOf(null), { property: 'retention', value: 3.5 }];
  const slaAdded = {
    id: 's',
    property: 'frequency',
    value: 1,
    description: 'd',
    scheduler: 'cron',
    schedule: '0 0 * * *',
  };
  return {
    fundamentals: { version: '1.0.0', apiVersion: version, kind: 'DataContract', id: 'urn:x', status: 'active' },
    lists: {
      servers: servers(version),
      schema: tables(version),
      support: [
        { channel: '#c', url: 'https://x', description: 'd', tool: 'slack', scope: 'issues', invitationUrl: 'i' },
        { channel: '#d', ...(newest ? { id: 'd', customProperties } : { url: 'x' }) },
      ],
      roles: [{ ...role, ...(isFirst ? {} : { customProperties }), ...(newest ? { id: 'r' } : {}) }],
      slaProperties: newest ? [...sla, slaAdded] : sla,
      customProperties: [{ property: 'p', value: [1] }, newest ? { property: 'q', value: null, description: 'd' } : {}],
      ...(isFirst ? {} : { authoritativeDefinitions: [{ url: 'https://x', type: 'canonical' }] }),
      team: [{ ...member, ...named, ...about }, { username: 'a' }],
    },
    objects: {
      name: 'Orders',
      tenant: 't',
      tags: ['a', 'b'],
      dataProduct: 'p',
      domain: 'd',
      description: { usage: 'u', purpose: 'p', limitations: 'l', more: 1, ...links },
      price: { priceAmount: 9.95, priceCurrency: 'EUR', priceUnit: 'MB', ...(newest ? { id: 'p' } : {}) },
      slaDefaultElement: 'a.b',
      contractCreatedTs: '2022-11-15T02:59:43+00:00',
      ...(newest
        ? { team: { id: 't', name: 'n', description: 'd', members: [{ username: 'x', ...about }], ...about } }
        : {}),
    },
  };
}

/** A valid contract that holds every part at once. */
export function fullSeed(version: string): Json {
  const { fundamentals, lists, objects } = seedParts(version);
  return { ...fundamentals, ...lists, ...objects };
}
