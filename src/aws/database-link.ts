import {
  CreateDatabaseCommand,
  type CreateDatabaseCommandInput,
  type Database,
  DeleteDatabaseCommand,
  GetDatabaseCommand,
} from '@aws-sdk/client-glue';
import type { SpecOf } from '../provisioning/kinds.js';
import type { Observation } from '../provisioning/provider.js';
import { compared, createOrCompare, differs, gone, oneByOne, sameJson } from './attempt.js';
import { PermanentFailure } from './errors.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'DatabaseLink'>;

/**
 * A resource link to a database of another account. As with a table's link it is never updated, as an update would change the target, but
 * deleted and made anew; and deleted only once its target was compared (Lake Formation developer guide, resource-links-glue-apis).
 */
export const databaseLink: AwsProvider<'DatabaseLink'> = oneByOne<'DatabaseLink'>({
  kind: 'DatabaseLink',
  width: 4,
  observe: async (session, { spec }) => observation(await readTarget(session, spec), spec),
  async apply(session, { item, observation: seen }) {
    const { spec } = item;
    if (seen.state === 'DIFFERS') {
      refuseDatabase(await readTarget(session, spec), spec);
      await session.glue.send(new DeleteDatabaseCommand(named(session.account, spec)));
    }
    await createOrCompare(
      () => session.glue.send(new CreateDatabaseCommand(createInput(session.account, spec))),
      async () => observation(await readTarget(session, spec), spec),
    );
  },
  remove: (session, { spec }) =>
    gone(async () => {
      const target = await readTarget(session, spec);
      refuseDatabase(target, spec);
      if (!sameJson(target, spec.target)) {
        throw new PermanentFailure(
          'Conflict',
          `${spec.name} links to ${text(target)}, not to ${text(spec.target)}: it is left alone.`,
        );
      }
      await session.glue.send(new DeleteDatabaseCommand(named(session.account, spec)));
    }),
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

function observation(target: Spec['target'] | null, spec: Spec): Observation {
  if (target === null) return compared({ target }, [`${spec.name} is a database, not a link to ${text(spec.target)}`]);
  return compared({ target }, differs('target', text(target), text(spec.target)));
}

function refuseDatabase(target: Spec['target'] | null, spec: Spec): void {
  if (target !== null) return;
  throw new PermanentFailure(
    'Conflict',
    `${spec.name} is a database of its own, not a resource link: it is left alone.`,
  );
}

function text(target: Spec['target'] | null): string {
  return target ? `${target.catalogId}/${target.database}` : 'nothing';
}

function named(account: string, spec: Spec): { CatalogId: string; Name: string } {
  return { CatalogId: account, Name: spec.name };
}

function createInput(account: string, { name, target }: Spec): CreateDatabaseCommandInput {
  const TargetDatabase = { CatalogId: target.catalogId, DatabaseName: target.database };
  return { CatalogId: account, DatabaseInput: { Name: name, TargetDatabase } };
}
