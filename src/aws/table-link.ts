import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DeleteTableCommand,
  GetTableCommand,
  type Table,
} from '@aws-sdk/client-glue';
import type { SpecOf } from '../provisioning/kinds.js';
import type { Observation } from '../provisioning/provider.js';
import { compared, createOrCompare, differs, gone, oneByOne, sameJson } from './attempt.js';
import { PermanentFailure } from './errors.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'TableLink'>;

/**
 * A resource link to a table of another account. It is never updated, as an update would change the target, but deleted and
 * made anew; and deleted only once its target was compared (Lake Formation developer guide, resource-links-glue-apis).
 */
export const tableLink: AwsProvider<'TableLink'> = oneByOne<'TableLink'>({
  kind: 'TableLink',
  width: 4,
  observe: async (session, { spec }) => observation(await readTarget(session, spec), spec),
  async apply(session, { item, observation: seen }) {
    const { spec } = item;
    if (seen.state === 'DIFFERS') {
      refuseTable(await readTarget(session, spec), spec);
      await session.glue.send(new DeleteTableCommand(named(session.account, spec)));
    }
    await createOrCompare(
      () => session.glue.send(new CreateTableCommand(createInput(session.account, spec))),
      async () => observation(await readTarget(session, spec), spec),
    );
  },
  remove: (session, { spec }) =>
    gone(async () => {
      const target = await readTarget(session, spec);
      refuseTable(target, spec);
      if (!sameJson(target, spec.target)) {
        throw new PermanentFailure(
          'Conflict',
          `${spec.database}.${spec.name} links to ${text(target)}, not to ${text(spec.target)}: it is left alone.`,
        );
      }
      await session.glue.send(new DeleteTableCommand(named(session.account, spec)));
    }),
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

function observation(target: Spec['target'] | null, spec: Spec): Observation {
  if (target === null) {
    return compared({ target }, [`${spec.database}.${spec.name} is a table, not a link to ${text(spec.target)}`]);
  }
  return compared({ target }, differs('target', text(target), text(spec.target)));
}

function refuseTable(target: Spec['target'] | null, spec: Spec): void {
  if (target !== null) return;
  throw new PermanentFailure(
    'Conflict',
    `${spec.database}.${spec.name} is a table of its own, not a resource link: it is left alone.`,
  );
}

function text(target: Spec['target'] | null): string {
  return target ? `${target.catalogId}/${target.database}/${target.table}` : 'nothing';
}

function named(account: string, spec: Spec): { CatalogId: string; DatabaseName: string; Name: string } {
  return { CatalogId: account, DatabaseName: spec.database, Name: spec.name };
}

function createInput(account: string, { database, name, target }: Spec): CreateTableCommandInput {
  const TargetTable = { CatalogId: target.catalogId, DatabaseName: target.database, Name: target.table };
  return { CatalogId: account, DatabaseName: database, TableInput: { Name: name, TargetTable } };
}
