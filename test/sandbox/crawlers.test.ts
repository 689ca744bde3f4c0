import { gzipSync } from 'node:zlib';
import {
  CreateCrawlerCommand,
  type CreateCrawlerCommandInput,
  CreateDatabaseCommand,
  CreateTableCommand,
  DeleteCrawlerCommand,
  GetCrawlerCommand,
  GetCrawlerMetricsCommand,
  GetCrawlersCommand,
  GetTableCommand,
  GetTableVersionsCommand,
  StartCrawlerCommand,
  StopCrawlerCommand,
  type TableInput,
  UpdateCrawlerCommand,
} from '@aws-sdk/client-glue';
import { RegisterResourceCommand } from '@aws-sdk/client-lakeformation';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { inferFile } from '../../src/sandbox/crawlers-infer.js';
import { commonType } from '../../src/sandbox/crawlers-types.js';
import { C, G, governed, grant, type Lake, lakeOf, P, table } from './lake-testkit.js';
import { control, errorOf, sandboxOfTest } from './testkit.js';

const sandbox = await sandboxOfTest({ ramSharing: true });
await control(sandbox, '/settings', { crawlMs: 30 });
const lake = lakeOf(sandbox, G);
const { glue } = lake;
const role = (account = G): string => `arn:aws:iam::${account}:role/glue/crawler`;
await governed(lake, G);
await glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'sales' } }));

async function put(key: string, body: string | Uint8Array, bucket = 'lake'): Promise<void> {
  const response = await fetch(`${sandbox.url}/_sandbox/s3/${bucket}/${key}`, {
    method: 'PUT',
    body: Buffer.from(body),
  });
  expect(response.status).toBe(200);
}

interface Heard {
  kind: string;
  event: { source: string; 'detail-type': string; account: string; detail: { crawlerName?: string; state?: string } };
}

let unique = 0;

/** A table of its own in `sales`, with what a crawler's role needs on it. */
async function tableOf(columns: TableInput['StorageDescriptor'] = {}, more: Partial<TableInput> = {}): Promise<string> {
  unique += 1;
  const Name = `t${unique}`;
  const StorageDescriptor = { Location: `s3://lake/${Name}/`, ...columns };
  await glue.send(new CreateTableCommand({ DatabaseName: 'sales', TableInput: { Name, StorageDescriptor, ...more } }));
  await grant(lake, { to: role(), on: table(Name), permissions: ['SELECT', 'INSERT', 'ALTER', 'DESCRIBE'] });
  return Name;
}

async function create(name: string, tables: string[], more: Partial<CreateCrawlerCommandInput> = {}, on = lake) {
  const Targets = { CatalogTargets: [{ DatabaseName: 'sales', Tables: tables }] };
  const SchemaChangePolicy = { UpdateBehavior: 'UPDATE_IN_DATABASE', DeleteBehavior: 'LOG' } as const;
  await on.glue.send(new CreateCrawlerCommand({ Name: name, Role: role(), Targets, SchemaChangePolicy, ...more }));
}

/** Looks again until it holds; a busy machine takes its time. */
const until = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: 15_000 });

/** Runs it to its end. */
async function run(name: string, on: Lake = lake) {
  await on.glue.send(new StartCrawlerCommand({ Name: name }));
  return expect
    .poll(async () => (await crawlerOf(name, on))?.State)
    .toBe('READY')
    .then(() => crawlerOf(name, on));
}

async function crawlerOf(Name: string, on: Lake = lake) {
  return (await on.glue.send(new GetCrawlerCommand({ Name }))).Crawler;
}

async function schemaOf(Name: string): Promise<{ columns: string[]; keys: string[]; version: string | undefined }> {
  const { Table } = await glue.send(new GetTableCommand({ DatabaseName: 'sales', Name }));
  const text = (columns: { Name?: string | undefined; Type?: string | undefined }[] = []) =>
    columns.map((column) => `${column.Name} ${column.Type}`);
  return {
    columns: text(Table?.StorageDescriptor?.Columns),
    keys: text(Table?.PartitionKeys),
    version: Table?.VersionId,
  };
}

describe('a run', () => {
  test('is told of on the default bus of its account, as it begins and as it ends', async () => {
    const name = await tableOf();
    await create(`told-${name}`, [name]);
    await run(`told-${name}`);
    const heard = async () =>
      ((await control(sandbox, `/deliveries?account=${G}&bus=default`)) as Heard[])
        .filter(({ kind, event }) => kind === 'arrival' && event.detail.crawlerName === `told-${name}`)
        .map(({ event }) => [event.source, event['detail-type'], event.account, event.detail.state]);
    const of = (state: string) => ['aws.glue', 'Glue Crawler State Change', G, state];
    await until(heard).toEqual([of('Started'), of('Succeeded')]);
  });

  test('fills the table from CSV with header and types, as a new version, and tells of itself', async () => {
    const name = await tableOf();
    await put(`${name}/part-0.csv`, 'id,amount,paid,bought at\n1,2.50,true,2026-01-01\n2,3,false,2026-01-02\n');
    await create('csv', [name]);
    expect(await crawlerOf('csv')).toMatchObject({ State: 'READY', Role: 'glue/crawler', Version: 1 });
    await run('csv');
    expect((await crawlerOf('csv'))?.LastCrawl).toMatchObject({ Status: 'SUCCEEDED', LogGroup: '/aws-glue/crawlers' });
    expect(await schemaOf(name)).toEqual({
      columns: ['id bigint', 'amount double', 'paid boolean', 'bought at string'],
      keys: [],
      version: '1',
    });
    const { Table } = await glue.send(new GetTableCommand({ DatabaseName: 'sales', Name: name }));
    expect(Table?.Parameters).toMatchObject({
      classification: 'csv',
      delimiter: ',',
      'skip.header.line.count': '1',
      recordCount: '2',
      UPDATED_BY_CRAWLER: 'csv',
    });
    const { TableVersions = [] } = await glue.send(
      new GetTableVersionsCommand({ DatabaseName: 'sales', TableName: name }),
    );
    expect(TableVersions.map(({ VersionId }) => VersionId)).toEqual(['1', '0']);
  });

  test('takes effect without anybody looking at the crawler', async () => {
    const name = await tableOf();
    await put(`${name}/a.json`, '{"a":1}\n');
    await create('unwatched', [name]);
    await glue.send(new StartCrawlerCommand({ Name: 'unwatched' }));
    await until(async () => (await schemaOf(name)).columns).toEqual(['a int']);
  });

  test('reads JSON lines, nested and gzipped, over all files', async () => {
    const name = await tableOf();
    await put(`${name}/a.json`, '{"id":1,"who":{"name":"x","age":3},"tags":["a"],"score":null}\n{"id":5000000000}\n');
    await put(`${name}/b.json.gz`, gzipSync('{"id":2,"who":{"name":"y","vip":true},"score":1.5}\n'));
    await create('json', [name]);
    await run('json');
    expect((await schemaOf(name)).columns).toEqual([
      'id bigint',
      'who struct<name:string,age:int,vip:boolean>',
      'tags array<string>',
      'score double',
    ]);
  });

  test('reads the footer of Parquet', async () => {
    const name = await tableOf();
    const body = parquetWriteBuffer({
      columnData: [
        { name: 'id', data: [1n, 2n], type: 'INT64' },
        { name: 'Name', data: ['a', 'b'], type: 'STRING' },
        { name: 'ok', data: [true, false], type: 'BOOLEAN' },
        { name: 'at', data: [new Date(0), new Date(1)], type: 'TIMESTAMP' },
        { name: 'n', data: [1, 2], type: 'INT32' },
        { name: 'f', data: [1.5, 2.5], type: 'DOUBLE' },
      ],
    });
    await put(`${name}/part.parquet`, new Uint8Array(body));
    await create('parquet', [name]);
    await run('parquet');
    expect((await schemaOf(name)).columns).toEqual([
      'id bigint',
      'name string',
      'ok boolean',
      'at timestamp',
      'n int',
      'f double',
    ]);
    const { Table } = await glue.send(new GetTableCommand({ DatabaseName: 'sales', Name: name }));
    expect(Table?.StorageDescriptor?.SerdeInfo?.SerializationLibrary).toContain('ParquetHiveSerDe');
  });

  test('finds Hive partitions, and leaves hidden files and the keys that a table has', async () => {
    const name = await tableOf();
    await put(`${name}/dt=2026-01-01/region=eu/a.csv`, 'id,v\n1,2\n');
    await put(`${name}/dt=2026-01-02/region=us/a.csv`, 'id,v\n3,4\n');
    await put(`${name}/_SUCCESS`, 'done');
    await create('hive', [name]);
    await run('hive');
    expect(await schemaOf(name)).toMatchObject({
      columns: ['id bigint', 'v bigint'],
      keys: ['dt string', 'region string'],
    });
    const keyed = await tableOf({}, { PartitionKeys: [{ Name: 'day', Type: 'date' }] });
    await put(`${keyed}/day=2026-01-01/a.json`, '{"a":1}');
    await create('keyed', [keyed]);
    await run('keyed');
    expect(await schemaOf(keyed)).toMatchObject({ columns: ['a int'], keys: ['day date'] });
  });

  test('makes a version where the schema changed, and none where only rows came', async () => {
    const name = await tableOf();
    await put(`${name}/a.csv`, 'id,v\n1,2\n');
    await create('versions', [name]);
    await run('versions');
    await put(`${name}/b.csv`, 'id,v\n3,4\n');
    await run('versions');
    expect((await schemaOf(name)).version).toBe('1');
    await put(`${name}/a.csv`, 'id,v,w\n1,x,2\n');
    await put(`${name}/b.csv`, 'id,v,w\n1,y,2\n');
    await run('versions');
    expect(await schemaOf(name)).toMatchObject({ columns: ['id bigint', 'v string', 'w bigint'], version: '2' });
    const { CrawlerMetricsList } = await glue.send(new GetCrawlerMetricsCommand({ CrawlerNameList: ['versions'] }));
    expect(CrawlerMetricsList).toMatchObject([{ CrawlerName: 'versions', TablesUpdated: 1, LastRuntimeSeconds: 0.03 }]);
  });

  test('deletes nothing where all files are gone', async () => {
    const name = await tableOf({ Columns: [{ Name: 'kept', Type: 'string' }] });
    await create('gone', [name]);
    expect((await run('gone'))?.LastCrawl?.Status).toBe('SUCCEEDED');
    expect(await schemaOf(name)).toMatchObject({ columns: ['kept string'], version: '0' });
  });

  test('leaves a changed schema with UpdateBehavior LOG, and adds to it alone with MergeNewColumns', async () => {
    const name = await tableOf({
      Columns: [
        { Name: 'id', Type: 'string' },
        { Name: 'old', Type: 'date' },
      ],
    });
    await put(`${name}/a.csv`, 'id,fresh\n1,2\n');
    await create('log', [name], { SchemaChangePolicy: { UpdateBehavior: 'LOG', DeleteBehavior: 'LOG' } });
    await run('log');
    expect((await schemaOf(name)).version).toBe('0');
    const Configuration = '{"Version":1.0,"CrawlerOutput":{"Tables":{"AddOrUpdateBehavior":"MergeNewColumns"}}}';
    await create('merge', [name], { Configuration });
    await run('merge');
    expect((await schemaOf(name)).columns).toEqual(['id string', 'old date', 'fresh bigint']);
  });
});

describe('the role', () => {
  test.each(['SELECT', 'INSERT', 'ALTER'] as const)('fails the run without %s on the table', async (missing) => {
    unique += 1;
    const Name = `t${unique}`;
    const StorageDescriptor = { Location: `s3://lake/${Name}/` };
    await glue.send(new CreateTableCommand({ DatabaseName: 'sales', TableInput: { Name, StorageDescriptor } }));
    const permissions = (['SELECT', 'INSERT', 'ALTER', 'DESCRIBE'] as const).filter((each) => each !== missing);
    await grant(lake, { to: role(), on: table(Name), permissions: [...permissions] });
    await put(`${Name}/a.csv`, 'id,v\n1,2\n');
    await create(`without-${missing}`, [Name]);
    expect((await run(`without-${missing}`))?.LastCrawl).toMatchObject({
      Status: 'FAILED',
      ErrorMessage: expect.stringMatching(new RegExp(`Required ${missing}`, 'i')),
    });
    expect((await schemaOf(Name)).version).toBe('0');
  });

  test('needs access to the data location where that is registered', async () => {
    const name = await tableOf();
    await put(`${name}/a.csv`, 'id,v\n1,2\n');
    const ResourceArn = `arn:aws:s3:::lake/${name}`;
    await lake.lf.send(new RegisterResourceCommand({ ResourceArn, RoleArn: `arn:aws:iam::${G}:role/lake-reader` }));
    await create('located', [name]);
    expect((await run('located'))?.LastCrawl).toMatchObject({
      Status: 'FAILED',
      ErrorMessage: expect.stringContaining('Data Location Access'),
    });
    const on = { DataLocation: { CatalogId: G, ResourceArn } };
    await grant(lake, { to: role(), on, permissions: ['DATA_LOCATION_ACCESS'] });
    expect((await run('located'))?.LastCrawl?.Status).toBe('SUCCEEDED');
  });

  test('must be one of the account', async () => {
    const foreign = create('foreign', ['t1'], { Role: role(P) });
    expect((await errorOf(foreign)).message).toContain('unable to assume');
  });

  test('crawls through a link into the table behind it', async () => {
    const name = await tableOf();
    const inP = lakeOf(sandbox, P);
    await governed(inP, P);
    await inP.glue.send(new CreateDatabaseCommand({ DatabaseInput: { Name: 'data_products' } }));
    const TargetTable = { CatalogId: G, DatabaseName: 'sales', Name: name };
    await inP.glue.send(
      new CreateTableCommand({ DatabaseName: 'data_products', TableInput: { Name: 'link', TargetTable } }),
    );
    const link = table('link', P, 'data_products');
    await put(`${name}/a.csv`, 'id,v\n1,2\n');
    const Targets = { CatalogTargets: [{ DatabaseName: 'data_products', Tables: ['link'] }] };
    await create('linked', [], { Targets, Role: role(P) }, inP);
    expect((await run('linked', inP))?.LastCrawl?.Status).toBe('FAILED');
    await grant(lake, { to: role(P), on: table(name), permissions: ['SELECT', 'INSERT', 'ALTER', 'DESCRIBE'] });
    await grant(inP, { to: role(P), on: link, permissions: ['DESCRIBE'] });
    expect((await run('linked', inP))?.LastCrawl).toMatchObject({ Status: 'SUCCEEDED' });
    expect((await schemaOf(name)).columns).toEqual(['id bigint', 'v bigint']);
  });
});

describe('the life of a crawler', () => {
  test('what runs is not started, changed or deleted again', async () => {
    await create('busy', ['t1']);
    await control(sandbox, '/settings', { crawlMs: 60_000 });
    await glue.send(new StartCrawlerCommand({ Name: 'busy' }));
    expect(await crawlerOf('busy')).toMatchObject({ State: 'RUNNING' });
    await control(sandbox, '/settings', { crawlMs: 30 });
    for (const again of [StartCrawlerCommand, UpdateCrawlerCommand, DeleteCrawlerCommand]) {
      expect(await errorOf(glue.send(new again({ Name: 'busy' }) as StartCrawlerCommand))).toMatchObject({
        name: 'CrawlerRunningException',
        status: 400,
      });
    }
    await glue.send(new StopCrawlerCommand({ Name: 'busy' }));
    expect(await crawlerOf('busy')).toMatchObject({ State: 'STOPPING' });
    expect((await errorOf(glue.send(new StopCrawlerCommand({ Name: 'busy' })))).name).toBe('CrawlerStoppingException');
  });

  test('a run that is stopped ends as CANCELLED and changes nothing', async () => {
    const name = await tableOf();
    await put(`${name}/a.csv`, 'id,v\n1,2\n');
    await create('stopped', [name]);
    expect((await errorOf(glue.send(new StopCrawlerCommand({ Name: 'stopped' })))).name).toBe(
      'CrawlerNotRunningException',
    );
    await control(sandbox, '/settings', { crawlMs: 1_500 });
    await glue.send(new StartCrawlerCommand({ Name: 'stopped' }));
    await control(sandbox, '/settings', { crawlMs: 30 });
    await glue.send(new StopCrawlerCommand({ Name: 'stopped' }));
    await until(async () => (await crawlerOf('stopped'))?.LastCrawl?.Status).toBe('CANCELLED');
    expect((await schemaOf(name)).version).toBe('0');
  });

  test('a run goes on over a restart of the sandbox', async () => {
    const name = await tableOf();
    await put(`${name}/a.csv`, 'id,v\n1,2\n');
    await create('restarted', [name]);
    await glue.send(new StartCrawlerCommand({ Name: 'restarted' }));
    await sandbox.restart();
    await until(async () => (await crawlerOf('restarted'))?.LastCrawl?.Status).toBe('SUCCEEDED');
    expect((await schemaOf(name)).version).toBe('1');
  });

  test('names are taken once, changed with a new version, listed by account, and gone once deleted', async () => {
    await create('life', ['t1']);
    expect((await errorOf(create('life', ['t1']))).name).toBe('AlreadyExistsException');
    await glue.send(new UpdateCrawlerCommand({ Name: 'life', Description: 'changed' }));
    expect(await crawlerOf('life')).toMatchObject({ Description: 'changed', Version: 2 });
    const names = (await glue.send(new GetCrawlersCommand({}))).Crawlers?.map(({ Name }) => Name);
    expect(names).toContain('life');
    const inC = await lakeOf(sandbox, C).glue.send(new GetCrawlersCommand({}));
    expect(inC.Crawlers).toEqual([]);
    await glue.send(new DeleteCrawlerCommand({ Name: 'life' }));
    expect((await errorOf(glue.send(new GetCrawlerCommand({ Name: 'life' })))).name).toBe('EntityNotFoundException');
  });

  test('a crawler of catalog targets must not delete what it does not find', async () => {
    for (const SchemaChangePolicy of [undefined, { DeleteBehavior: 'DELETE_FROM_DATABASE' as const }]) {
      const wrong = { SchemaChangePolicy } as Partial<CreateCrawlerCommandInput>;
      expect(await errorOf(create('deleting', ['t1'], wrong))).toMatchObject({ name: 'InvalidInputException' });
    }
  });
});

describe('what stands for S3', () => {
  test('takes, lists and gives away objects, and none leads out of its bucket', async () => {
    await put('a/b%20c.txt', 'x', 'some-bucket');
    expect(await control(sandbox, '/s3/some-bucket/a')).toEqual([{ key: 'a/b c.txt', size: 1 }]);
    await control(sandbox, '/s3/some-bucket/a/b%20c.txt', undefined, 'DELETE');
    expect(await control(sandbox, '/s3/some-bucket/')).toEqual([]);
    for (const path of ['some-bucket/..%2F..%2Fx', '..%2F/x', 'some-bucket/a//b', 'Some_Bucket/a']) {
      const response = await fetch(`${sandbox.url}/_sandbox/s3/${path}`, { method: 'PUT', body: 'x' });
      expect(response.status).toBe(400);
    }
  });
});

describe('classifiers', () => {
  const csv = (text: string) => inferFile('a.csv', Buffer.from(text));
  const columns = (text: string) => csv(text)?.columns.map(({ Name, Type }) => `${Name} ${Type}`);

  test('CSV without a header, of text alone, quoted, and of other delimiters', () => {
    expect(columns('1,a\n2,b\n')).toEqual(['col0 bigint', 'col1 string']);
    expect(columns('a,b\nc,d\n')).toEqual(['col0 string', 'col1 string']);
    expect(columns('id;name\n1;"x;y"\n2;"say ""hi""\nthere"\n')).toEqual(['id bigint', 'name string']);
    expect(columns('id|v\n1|\n|2.5\n')).toEqual(['id bigint', 'v double']);
    expect(columns('id\tok\r\n1\tTRUE\r\n')).toEqual(['id bigint', 'ok boolean']);
  });

  test('what is neither CSV nor JSON lines is left alone', () => {
    for (const text of ['', 'one column\nof text\n', 'a,b\n', 'a,b\nc\n']) expect(csv(text)).toBeUndefined();
    expect(inferFile('x.bin', Buffer.from([1, 0, 2]))).toBeUndefined();
  });

  test('the type of two values does not depend on their order, and holds for itself', () => {
    const simple = fc.constantFrom('int', 'bigint', 'double', 'boolean', 'string', 'smallint', 'timestamp');
    const nested = fc.oneof(
      simple,
      simple.map((type) => `array<${type}>`),
      fc.tuple(simple, simple).map(([a, b]) => `struct<a:${a},b:array<struct<c:${b}>>>`),
    );
    fc.assert(
      fc.property(nested, nested, nested, (a, b, c) => {
        expect(commonType(a, b)).toBe(commonType(b, a));
        expect(commonType(a, a)).toBe(a);
        expect(commonType(commonType(a, b), c)).toBe(commonType(a, commonType(b, c)));
      }),
    );
  });
});
