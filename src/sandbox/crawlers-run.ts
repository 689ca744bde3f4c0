/** One run of a crawler over its catalog targets: reads the files behind each table and brings its schema up to date. */
import { inferFile } from './crawlers-infer.js';
import { commonColumns, type FoundColumn } from './crawlers-types.js';
import { findTable, followTable, type TableRecord } from './glue-store.js';
import { updateTable } from './glue-table-changes.js';
import { getTable } from './glue-tables.js';
import { requirePermission } from './lf-authority.js';
import { defined, entityNotFound, invalidInput } from './lf-input.js';
import { tableTarget } from './lf-target.js';
import type { Call, World } from './service.js';
import { parseLocation, type Storage } from './storage.js';

/** What a run needs to know of its crawler. */
export interface CrawlOrder {
  crawler: string;
  account: string;
  region: string;
  /** The crawler's role, whose Lake Formation permissions count. */
  role: string;
  tables: { database: string; table: string }[];
  /** LOG: a changed schema is left as it is. */
  updateBehavior: 'LOG' | 'UPDATE_IN_DATABASE';
  /** The console's "Add new columns only" (MergeNewColumns): what is there keeps its definition. */
  mergeNewColumns: boolean;
}

/** What lies at a table's location. */
interface Found {
  classification: string;
  columns: FoundColumn[];
  partitionKeys: string[];
  parameters: Record<string, string>;
  delimiter: string | undefined;
}

const MAX_FILES = 1_000;

/** Crawls every target and answers how many tables it changed; throws AwsError where the role may not, or a target is not there. */
export function crawl(world: World, storage: Storage, order: CrawlOrder): number {
  return order.tables.filter((target) => crawlTable(world, storage, { order, ...target })).length;
}

function crawlTable(
  world: World,
  storage: Storage,
  { order, database, table }: { order: CrawlOrder; database: string; table: string },
): boolean {
  const call = asRole(order);
  getTable({ ...call, operation: 'GetTable', parameters: { DatabaseName: database, Name: table } }, world);
  const place = followTable(world, { catalog: order.account, database, table });
  const record = findTable(world, place);
  if (!record) throw entityNotFound(`Table ${place.table} not found in database ${place.database}.`);
  const target = tableTarget(place.catalog, place.database, place.table);
  for (const permission of ['SELECT', 'INSERT', 'ALTER']) requirePermission(world, call, permission, target);
  const found = filesOf(storage, record);
  // Where nothing is left, DeleteBehavior LOG, the only one for catalog targets, keeps the table as it is.
  if (!found || order.updateBehavior === 'LOG') return false;
  const next = nextTable(record, found, order);
  if (!isChanged(record, next)) return false;
  const parameters = { DatabaseName: database, TableInput: { ...next, Name: table } };
  updateTable({ ...call, operation: 'UpdateTable', parameters }, world);
  return true;
}

function asRole({ account, region, role, crawler }: CrawlOrder): Omit<Call, 'operation' | 'parameters'> {
  return { account, region, principal: role, session: crawler, service: 'glue' };
}

/** Reads the files of a table; those of another format than the first, and hidden ones, do not belong to it. */
function filesOf(storage: Storage, record: TableRecord): Found | undefined {
  const location = parseLocation(record.StorageDescriptor?.Location ?? '');
  if (!location) throw invalidInput(`The table ${record.Name} has no location in Amazon S3.`);
  const prefix = location.key === '' || location.key.endsWith('/') ? location.key : `${location.key}/`;
  const objects = storage.list(location.bucket, prefix).filter(({ key, size }) => size > 0 && !isHidden(key, prefix));
  const files = objects.slice(0, MAX_FILES).flatMap(({ key, size }) => {
    const file = inferFile(key, storage.read(location.bucket, key));
    return file ? [{ ...file, key, size }] : [];
  });
  const [first] = files;
  if (!first) return undefined;
  const alike = files.filter(({ classification }) => classification === first.classification);
  const bytes = alike.reduce((sum, { size }) => sum + size, 0);
  const records = alike.reduce((sum, file) => sum + file.records, 0);
  return {
    classification: first.classification,
    columns: commonColumns(alike.map(({ columns }) => columns)),
    partitionKeys: partitionKeysOf(alike.map(({ key }) => key.slice(prefix.length))),
    delimiter: first.delimiter,
    parameters: {
      classification: first.classification,
      compressionType: first.key.endsWith('.gz') ? 'gzip' : 'none',
      typeOfData: 'file',
      objectCount: String(alike.length),
      recordCount: String(records),
      sizeKey: String(bytes),
      averageRecordSize: String(Math.round(bytes / Math.max(1, records))),
      ...(first.delimiter !== undefined && { delimiter: first.delimiter, columnsOrdered: 'true' }),
      ...(first.hasHeader && { 'skip.header.line.count': '1' }),
    },
  };
}

function isHidden(key: string, prefix: string): boolean {
  return key
    .slice(prefix.length)
    .split('/')
    .some((part) => part.startsWith('_') || part.startsWith('.'));
}

/** `dt=2026-01-01/` is a partition key of that name; folders without names become partition_0 and so on. */
function partitionKeysOf(paths: string[]): string[] {
  const folders = paths.map((path) => path.split('/').slice(0, -1));
  const [first = []] = folders;
  if (folders.some(({ length }) => length !== first.length)) return [];
  const names = folders.map((parts) => parts.map((part) => /^([^=]+)=/.exec(part)?.[1]?.toLowerCase()));
  const isNamed = names.every((parts) =>
    parts.every((name, index) => name !== undefined && name === names[0]?.[index]),
  );
  return first.map((_, index) => (isNamed ? names[0]?.[index] : undefined) ?? `partition_${index}`);
}

/** The table input after the run. Partition keys that the table has stay: a crawler cannot change them. */
function nextTable(record: TableRecord, found: Found, order: CrawlOrder): Partial<TableRecord> {
  const kept = Object.fromEntries(Object.entries(record).filter(([member]) => !READ_ONLY.has(member)));
  const present = record.PartitionKeys ?? [];
  const keys = present.length > 0 ? present : found.partitionKeys.map((Name) => ({ Name, Type: 'string' }));
  const keyNames = new Set(keys.map(({ Name }) => Name.toLowerCase()));
  const columns = found.columns.filter(({ Name }) => !keyNames.has(Name));
  const before = record.StorageDescriptor?.Columns ?? [];
  const known = new Set(before.map(({ Name }) => Name.toLowerCase()));
  const merged = [...before, ...columns.filter(({ Name }) => !known.has(Name))];
  return defined({
    ...kept,
    StorageDescriptor: {
      ...FORMATS[found.classification],
      ...(found.delimiter !== undefined && { SerdeInfo: csvSerde(found.delimiter) }),
      ...record.StorageDescriptor,
      Columns: order.mergeNewColumns ? merged : columns,
    },
    PartitionKeys: keys,
    Parameters: {
      ...(record.Parameters as Record<string, string> | undefined),
      ...found.parameters,
      UPDATED_BY_CRAWLER: order.crawler,
      CrawlerSchemaSerializerVersion: '1.0',
      CrawlerSchemaDeserializerVersion: '1.0',
    },
  });
}

const READ_ONLY = new Set(['CatalogId', 'DatabaseName', 'VersionId', 'CreateTime', 'UpdateTime', 'CreatedBy']);

/** A run that finds the schema as it is makes no version, however many rows have come. */
function isChanged(record: TableRecord, next: Partial<TableRecord>): boolean {
  const schemaOf = ({ StorageDescriptor, PartitionKeys = [], Parameters }: Partial<TableRecord>): string =>
    JSON.stringify([
      [StorageDescriptor?.Columns ?? [], PartitionKeys].map((columns) => columns.map(({ Name, Type }) => [Name, Type])),
      (Parameters as Record<string, string> | undefined)?.classification,
    ]);
  return schemaOf(record) !== schemaOf(next);
}

function csvSerde(delimiter: string): object {
  return {
    SerializationLibrary: 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe',
    Parameters: { 'field.delim': delimiter },
  };
}

const TEXT = {
  InputFormat: 'org.apache.hadoop.mapred.TextInputFormat',
  OutputFormat: 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat',
};

/** Formats of a table that names none. */
const FORMATS: Record<string, object> = {
  csv: TEXT,
  json: { ...TEXT, SerdeInfo: { SerializationLibrary: 'org.openx.data.jsonserde.JsonSerDe' } },
  parquet: {
    InputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
    OutputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
    SerdeInfo: { SerializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' },
  },
};
