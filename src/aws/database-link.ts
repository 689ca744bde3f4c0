import {
  CreateDatabaseCommand,
  type CreateDatabaseCommandInput,
  type Database,
  DeleteDatabaseCommand,
  GetDatabaseCommand,
} from '@aws-sdk/client-glue';
import type { SpecOf } from '../provisioning/kinds.js';
import { resourceLink } from './resource-link.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'DatabaseLink'>;

/** A resource link to a database of another account. */
export const databaseLink: AwsProvider<'DatabaseLink'> = resourceLink<'DatabaseLink'>({
  kind: 'DatabaseLink',
  noun: 'database',
  nameOf: (spec) => spec.name,
  readTarget,
  create: (session, spec) => session.glue.send(new CreateDatabaseCommand(createInput(session.account, spec))),
  delete: (session, spec) => session.glue.send(new DeleteDatabaseCommand(named(session.account, spec))),
  calls: (account, { spec }, action) => [
    ...(action === 'CREATE'
      ? []
      : [{ service: 'glue', operation: 'DeleteDatabase', parameters: named(account, spec) }]),
    ...(action === 'DELETE'
      ? []
      : [{ service: 'glue', operation: 'CreateDatabase', parameters: { ...createInput(account, spec) } }]),
  ],
});

/** The link's target; null where the name belongs to a database of its own. */
async function readTarget(session: AwsSession, spec: Spec): Promise<Spec['target'] | null> {
  const { Database: database } = await session.glue.send(new GetDatabaseCommand(named(session.account, spec)));
  return database ? targetOf(database, session.account) : null;
}

/** GetDatabase follows the link where the caller may see the target, and may then answer with the target's own names. */
function targetOf({ TargetDatabase: target, CatalogId, Name }: Database, account: string): Spec['target'] | null {
  if (target) return { catalogId: target.CatalogId ?? '', database: target.DatabaseName ?? '' };
  return CatalogId === undefined || CatalogId === account ? null : { catalogId: CatalogId, database: Name ?? '' };
}

function named(account: string, spec: Spec): { CatalogId: string; Name: string } {
  return { CatalogId: account, Name: spec.name };
}

function createInput(account: string, { name, target }: Spec): CreateDatabaseCommandInput {
  const TargetDatabase = { CatalogId: target.catalogId, DatabaseName: target.database };
  return { CatalogId: account, DatabaseInput: { Name: name, TargetDatabase } };
}
