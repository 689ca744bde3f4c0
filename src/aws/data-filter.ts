import {
  CreateDataCellsFilterCommand,
  type DataCellsFilter,
  DeleteDataCellsFilterCommand,
  GetDataCellsFilterCommand,
  UpdateDataCellsFilterCommand,
} from '@aws-sdk/client-lakeformation';
import type { SpecOf } from '../provisioning/kinds.js';
import type { AwsCall, Observation } from '../provisioning/provider.js';
import { compared, createOrCompare, differs, gone, oneByOne } from './attempt.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'DataFilter'>;

/** Rows and columns of a table under a name that can be granted (Lake Formation API reference, DataCellsFilter). */
export const dataFilter: AwsProvider<'DataFilter'> = oneByOne<'DataFilter'>({
  kind: 'DataFilter',
  // Filters of one table change one after another: AWS refuses concurrent writers.
  width: 1,
  observe: async (session, { spec }) => observation(await read(session, spec), spec),
  async apply(session, { item, observation: seen }) {
    const { spec } = item;
    if (seen.state === 'MISSING') {
      await createOrCompare(
        () => session.lakeFormation.send(new CreateDataCellsFilterCommand(input(session.account, spec))),
        async () => observation(await read(session, spec), spec),
      );
      return;
    }
    const { VersionId } = (await read(session, spec)) ?? {};
    const { TableData } = input(session.account, spec);
    const version = VersionId === undefined ? {} : { VersionId };
    await session.lakeFormation.send(new UpdateDataCellsFilterCommand({ TableData: { ...TableData, ...version } }));
  },
  remove: (session, { spec }) =>
    gone(() => session.lakeFormation.send(new DeleteDataCellsFilterCommand(named(session.account, spec)))),
  calls: (account, { spec }, action) => {
    if (action === 'DELETE') return [call('DeleteDataCellsFilter', named(account, spec))];
    return [call(action === 'UPDATE' ? 'UpdateDataCellsFilter' : 'CreateDataCellsFilter', input(account, spec))];
  },
});

function call(operation: string, parameters: object): AwsCall {
  return { service: 'lakeformation', operation, parameters: { ...parameters } };
}

async function read(session: AwsSession, spec: Spec): Promise<DataCellsFilter | undefined> {
  const answer = await session.lakeFormation.send(new GetDataCellsFilterCommand(named(session.account, spec)));
  return answer.DataCellsFilter;
}

function observation(filter: DataCellsFilter | undefined, spec: Spec): Observation {
  if (!filter) return { state: 'MISSING' };
  const observed = {
    columns: columnsOf(filter),
    rowFilter: filter.RowFilter?.AllRowsWildcard ? null : (filter.RowFilter?.FilterExpression ?? null),
    versionId: filter.VersionId ?? null,
  };
  const wanted = spec.columns === 'ALL_COLUMNS' ? spec.columns : folded(spec.columns);
  return compared(observed, [
    ...differs('columns', observed.columns, wanted),
    ...differs('rowFilter', observed.rowFilter?.trim() ?? null, spec.rowFilter?.trim() ?? null),
  ]);
}

/** Columns that are left out come as `{ allExcept }`, which is never what is wanted. */
function columnsOf({ ColumnNames: names, ColumnWildcard: wildcard }: DataCellsFilter) {
  if (names && names.length > 0) return folded(names);
  const allExcept = folded(wildcard?.ExcludedColumnNames ?? []);
  return allExcept.length > 0 ? { allExcept } : 'ALL_COLUMNS';
}

/** Glue keeps names of columns in lower case; their order does not count. */
function folded(names: string[]): string[] {
  return names.map((name) => name.toLowerCase()).sort();
}

function named(account: string, { database, table, name }: Spec) {
  return { TableCatalogId: account, DatabaseName: database, TableName: table, Name: name };
}

function input(account: string, spec: Spec): { TableData: DataCellsFilter } {
  return {
    TableData: {
      ...named(account, spec),
      RowFilter: spec.rowFilter === null ? { AllRowsWildcard: {} } : { FilterExpression: spec.rowFilter },
      ...(spec.columns === 'ALL_COLUMNS' ? { ColumnWildcard: {} } : { ColumnNames: folded(spec.columns) }),
    },
  };
}
