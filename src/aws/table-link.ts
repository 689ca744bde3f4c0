import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DeleteTableCommand,
  GetTableCommand,
  type Table,
} from '@aws-sdk/client-glue';
import type { SpecOf } from '../provisioning/kinds.js';
import { resourceLink } from './resource-link.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'TableLink'>;

/** A resource link to a table of another account. */
export const tableLink: AwsProvider<'TableLink'> = resourceLink<'TableLink'>({
  kind: 'TableLink',
  noun: 'table',
  nameOf: (spec) => `${spec.database}.${spec.name}`,
  readTarget,
  create: (session, spec) => session.glue.send(new CreateTableCommand(createInput(session.account, spec))),
  delete: (session, spec) => session.glue.send(new DeleteTableCommand(named(session.account, spec))),
  calls: (account, { spec }, action) => [
    ...(action === 'CREATE' ? [] : [{ service: 'glue', operation: 'DeleteTable', parameters: named(account, spec) }]),
    ...(action === 'DELETE'
      ? []
      : [{ service: 'glue', operation: 'CreateTable', parameters: { ...createInput(account, spec) } }]),
  ],
});

/** The link's target; null where the name belongs to an ordinary table. */
async function readTarget(session: AwsSession, spec: Spec): Promise<Spec['target'] | null> {
  const { Table: table } = await session.glue.send(new GetTableCommand(named(session.account, spec)));
  return table ? targetOf(table, session.account) : null;
}

/** GetTable follows the link where the caller may see the target, and may then answer with the target's own names. */
function targetOf(table: Table, account: string): Spec['target'] | null {
  const { CatalogId: catalogId, DatabaseName: database, Name: name } = table.TargetTable ?? table;
  if (!table.TargetTable && (catalogId === undefined || catalogId === account)) return null;
  return { catalogId: catalogId ?? '', database: database ?? '', table: name ?? '' };
}

function named(account: string, spec: Spec): { CatalogId: string; DatabaseName: string; Name: string } {
  return { CatalogId: account, DatabaseName: spec.database, Name: spec.name };
}

function createInput(account: string, { database, name, target }: Spec): CreateTableCommandInput {
  const TargetTable = { CatalogId: target.catalogId, DatabaseName: target.database, Name: target.table };
  return { CatalogId: account, DatabaseName: database, TableInput: { Name: name, TargetTable } };
}
