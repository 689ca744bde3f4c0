import {
  type Column,
  CreateTableCommand,
  type CreateTableCommandInput,
  DeleteTableCommand,
  GetTableCommand,
  type StorageDescriptor,
  type Table,
  type TableInput,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import type { Resource } from '@aws-sdk/client-lakeformation';
import type { SpecOf } from '../provisioning/kinds.js';
import type { Item, Observation } from '../provisioning/provider.js';
import { attempt, compared, createOrCompare, differs, gone, inParallel, look } from './attempt.js';
import { PermanentFailure } from './errors.js';
import { bypassDifferences, closeToIam, openToIam } from './iam-bypass.js';
import { ALL_TABLES, lfResource } from './lf-resource.js';
import type { AwsProvider, AwsSession } from './session.js';
import { LAYOUTS } from './table-format.js';

type Spec = SpecOf<'GlueTable'>;
type TableItem = Item<'GlueTable'>;

const WIDTH = 4;

/** What IAM_ALLOWED_PRINCIPALS holds on the table by name, and on every table of its database. */
interface Openness {
  openToIam: string[];
  everyTableOpenToIam: string[];
}
const CLOSED: Openness = { openToIam: [], everyTableOpenToIam: [] };

/**
 * A table of the central catalogue over files in S3, which Lake Formation alone governs. The columns of an Iceberg table, and
 * of one that a crawler fills, are not ours to compare.
 */
export const glueTable: AwsProvider<'GlueTable'> = {
  kind: 'GlueTable',
  batchSize: 20,
  observe,
  apply: (session, changes) =>
    inParallel(changes, WIDTH, ({ item, observation }) =>
      attempt(() =>
        observation.state === 'MISSING' ? create(session, item) : update(session, item, observation.observed),
      ),
    ),
  remove: (session, items) =>
    inParallel(items, WIDTH, ({ spec }) =>
      attempt(() =>
        gone(async () => {
          refuseLink(await read(session, spec), spec);
          await session.glue.send(new DeleteTableCommand(named(session.account, spec)));
        }),
      ),
    ),
  calls: (account, { spec, before }, action) => {
    if (action === 'DELETE') return [{ service: 'glue', operation: 'DeleteTable', parameters: named(account, spec) }];
    if (action === 'UPDATE') {
      return [
        {
          service: 'glue',
          operation: 'UpdateTable',
          parameters: updateInput(account, spec, before && tableInput(before, undefined)),
        },
      ];
    }
    return [{ service: 'glue', operation: 'CreateTable', parameters: { ...createInput(account, spec) } }];
  },
};

async function observe(session: AwsSession, items: TableItem[]): Promise<Observation[]> {
  let open: Promise<Map<string, string[]>> | undefined;
  return inParallel(items, WIDTH, ({ spec }) =>
    look(async () => {
      const table = await read(session, spec);
      open ??= openToIam(session, 'TABLE');
      const held = (await open).get(`${spec.database}/${spec.name}`) ?? [];
      const onEvery = (await open).get(`${spec.database}/${ALL_TABLES}`) ?? [];
      return observation(table, spec, { openToIam: held, everyTableOpenToIam: onEvery });
    }),
  );
}

/** Its database gives no default permissions, so a new table is not open to IAM. */
async function create(session: AwsSession, { spec }: TableItem): Promise<void> {
  await createOrCompare(
    () => session.glue.send(new CreateTableCommand(createInput(session.account, spec))),
    async () => observation(await read(session, spec), spec, CLOSED),
  );
}

async function update(session: AwsSession, { id, spec }: TableItem, observed: Partial<Openness>): Promise<void> {
  const table = await read(session, spec);
  refuseLink(table, spec);
  const { openToIam: held = [], everyTableOpenToIam: onEvery = [] } = observed;
  if (held.length > 0)
    await closeToIam(session, { id, resource: tableResource(session.account, spec), permissions: held });
  if (onEvery.length > 0) {
    const Table = { CatalogId: session.account, DatabaseName: spec.database, TableWildcard: {} };
    await closeToIam(session, { id, resource: { Table }, permissions: onEvery });
  }
  if (observation(table, spec, CLOSED).state === 'AGREES') return;
  const version = table?.VersionId ? { VersionId: table.VersionId } : {};
  await session.glue.send(new UpdateTableCommand({ ...updateInput(session.account, spec, table), ...version }));
}

function tableResource(account: string, spec: Spec): Resource {
  return lfResource({ type: 'TABLE', catalogId: account, database: spec.database, table: spec.name });
}

async function read(session: AwsSession, spec: Spec): Promise<Table | undefined> {
  return (await session.glue.send(new GetTableCommand(named(session.account, spec)))).Table;
}

function named(account: string, spec: Spec): { CatalogId: string; DatabaseName: string; Name: string } {
  return { CatalogId: account, DatabaseName: spec.database, Name: spec.name };
}

function refuseLink(table: Table | undefined, spec: Spec): void {
  if (!table?.TargetTable) return;
  throw new PermanentFailure(
    'Conflict',
    `${spec.database}.${spec.name} is a resource link: a change would reach its target. It is left alone.`,
  );
}

function observation(table: Table | undefined, spec: Spec, open: Openness): Observation {
  if (!table) return { state: 'MISSING' };
  const storage = table.StorageDescriptor ?? {};
  const observed = {
    versionId: table.VersionId ?? null,
    description: table.Description ?? null,
    tableType: table.TableType ?? null,
    location: storage.Location ?? null,
    columns: columnsOf(storage.Columns),
    partitionKeys: columnsOf(table.PartitionKeys),
    inputFormat: storage.InputFormat ?? null,
    outputFormat: storage.OutputFormat ?? null,
    serde: storage.SerdeInfo?.SerializationLibrary ?? null,
    parameters: table.Parameters ?? {},
    ...open,
  };
  if (table.TargetTable) return compared(observed, [`${spec.database}.${spec.name} is a resource link, not a table`]);
  return compared(observed, [
    ...differs('description', observed.description, spec.description ?? observed.description),
    ...differs('location', trimmed(observed.location), trimmed(spec.location)),
    ...Object.entries(spec.parameters).flatMap(([name, value]) =>
      differs(`parameter ${name}`, observed.parameters[name], value),
    ),
    ...(spec.format === 'ICEBERG' ? icebergDifferences(observed) : layoutDifferences(observed, spec)),
    ...bypassDifferences([...new Set([...open.openToIam, ...open.everyTableOpenToIam])]),
  ]);
}

function icebergDifferences({ parameters }: { parameters: Record<string, string> }): string[] {
  return differs('parameter table_type', parameters.table_type?.toUpperCase(), 'ICEBERG');
}

interface Layout {
  tableType: string | null;
  columns: Column[];
  partitionKeys: Column[];
  inputFormat: string | null;
  outputFormat: string | null;
  serde: string | null;
}

function layoutDifferences(observed: Layout, spec: Spec): string[] {
  const wanted = storageOf(spec, undefined);
  const columns = columnsOf(wanted.Columns);
  return [
    ...differs('tableType', observed.tableType, 'EXTERNAL_TABLE'),
    ...differs('inputFormat', observed.inputFormat, wanted.InputFormat),
    ...differs('outputFormat', observed.outputFormat, wanted.OutputFormat),
    ...differs('serde', observed.serde, wanted.SerdeInfo?.SerializationLibrary),
    ...(columns.length > 0 ? columnDifferences('column', observed.columns, columns) : []),
    ...columnDifferences('partition key', observed.partitionKeys, columnsOf(spec.partitionKeys.map(toColumn))),
  ];
}

function columnDifferences(noun: string, is: Column[], wanted: Column[]): string[] {
  const lines = wanted.flatMap((column) => {
    const found = is.find(({ Name }) => Name === column.Name);
    return found ? differs(`${noun} ${column.Name}`, found, column) : [`${noun} ${column.Name} is missing`];
  });
  const extra = is.filter(({ Name }) => !wanted.some((column) => column.Name === Name));
  lines.push(...extra.map(({ Name }) => `${noun} ${Name} is not wanted`));
  const names = (columns: Column[]) => columns.map(({ Name }) => Name);
  return lines.length > 0 ? lines : differs(`order of ${noun}s`, names(is), names(wanted));
}

/** Glue folds names to lower case, and answers an absent comment as none or as empty. */
function columnsOf(columns: Column[] | undefined): Column[] {
  return (columns ?? []).map(({ Name, Type, Comment }) => ({
    Name: Name?.toLowerCase(),
    Type: Type?.replace(/\s+/g, '').toLowerCase(),
    ...(Comment ? { Comment } : {}),
  }));
}

function toColumn({ name, type, comment }: Spec['columns'][number]): Column {
  return { Name: name, Type: type, ...(comment ? { Comment: comment } : {}) };
}

function trimmed(location: string | null): string | null {
  return location?.replace(/\/+$/, '') ?? null;
}

function createInput(account: string, spec: Spec): CreateTableCommandInput {
  const iceberg = { OpenTableFormatInput: { IcebergInput: { MetadataOperation: 'CREATE' as const, Version: '2' } } };
  return {
    CatalogId: account,
    DatabaseName: spec.database,
    TableInput: tableInput(spec, undefined),
    ...(spec.format === 'ICEBERG' ? iceberg : {}),
  };
}

function updateInput(account: string, spec: Spec, table: TableInput | undefined) {
  return { CatalogId: account, DatabaseName: spec.database, TableInput: tableInput(spec, table) };
}

/** UpdateTable replaces all of it, so what others added (a crawler's statistics, Iceberg's metadata pointer) is carried over. */
function tableInput(spec: Spec, table: TableInput | undefined): TableInput {
  const description = spec.description ?? table?.Description;
  const iceberg = spec.format === 'ICEBERG';
  const classification = spec.format === 'ICEBERG' ? undefined : LAYOUTS[spec.format].classification;
  return {
    Name: spec.name,
    ...(description ? { Description: description } : {}),
    ...(table?.Owner ? { Owner: table.Owner } : {}),
    TableType: 'EXTERNAL_TABLE',
    StorageDescriptor: storageOf(spec, table),
    // Athena wants an empty list rather than none. Iceberg partitions by its metadata.
    ...(iceberg ? {} : { PartitionKeys: spec.partitionKeys.map(toColumn) }),
    Parameters: {
      ...table?.Parameters,
      ...(classification ? { classification, EXTERNAL: 'TRUE' } : {}),
      ...spec.parameters,
    },
  };
}

function storageOf(spec: Spec, table: TableInput | undefined): StorageDescriptor {
  const columns = spec.columns.map(toColumn);
  const found = table?.StorageDescriptor;
  if (spec.format === 'ICEBERG') {
    if (found) return { ...found, Location: spec.location };
    return { Location: spec.location, Columns: [...columns, ...spec.partitionKeys.map(toColumn)] };
  }
  const layout = LAYOUTS[spec.format];
  return {
    ...found,
    Columns: columns.length > 0 ? columns : (found?.Columns ?? []),
    Location: spec.location,
    InputFormat: layout.inputFormat,
    OutputFormat: layout.outputFormat,
    SerdeInfo: { SerializationLibrary: layout.serde, Parameters: layout.serdeParameters },
  };
}
