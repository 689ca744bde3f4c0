import {
  CreateDatabaseCommand,
  type Database,
  type DatabaseInput,
  DeleteDatabaseCommand,
  GetDatabaseCommand,
  GetTablesCommand,
  UpdateDatabaseCommand,
} from '@aws-sdk/client-glue';
import type { SpecOf } from '../provisioning/kinds.js';
import type { Item, Observation } from '../provisioning/provider.js';
import { attempt, compared, createOrCompare, differs, gone, inParallel, look } from './attempt.js';
import { PermanentFailure } from './errors.js';
import { type Bypass, bypassDifferences, closeToIam, openToIam } from './iam-bypass.js';
import type { AwsProvider, AwsSession } from './session.js';

type DatabaseItem = Item<'GlueDatabase'>;

const WIDTH = 4;

/**
 * A Glue database that Lake Formation alone governs: new tables get no default permissions, and IAM_ALLOWED_PRINCIPALS holds
 * nothing on it (Lake Formation developer guide, cross-account-prereqs). One that holds tables is never deleted.
 */
export const glueDatabase: AwsProvider<'GlueDatabase'> = {
  kind: 'GlueDatabase',
  batchSize: 20,
  observe,
  apply: (session, changes) =>
    inParallel(changes, WIDTH, ({ item, observation }) =>
      attempt(async () => {
        if (observation.state === 'MISSING') await create(session, item);
        else await update(session, item, observation.observed as unknown as Observed);
      }),
    ),
  remove: (session, items) => inParallel(items, WIDTH, (item) => attempt(() => remove(session, item))),
  calls: (account, { spec, before }, action) => {
    if (action === 'DELETE')
      return [{ service: 'glue', operation: 'DeleteDatabase', parameters: target(account, spec) }];
    const parameters = { CatalogId: account, DatabaseInput: databaseInput(spec, before ?? {}) };
    // Its settings leave a new database closed to IAM, so there is nothing to revoke.
    if (action === 'CREATE') return [{ service: 'glue', operation: 'CreateDatabase', parameters }];
    return [{ service: 'glue', operation: 'UpdateDatabase', parameters: { ...parameters, Name: spec.name } }];
  },
};

/** What is compared of a database; `link`: the name belongs to a resource link. */
interface Observed {
  description: string | null;
  locationUri: string | null;
  parameters: Record<string, string>;
  createTableDefaultPermissions: unknown[];
  /** What IAM_ALLOWED_PRINCIPALS holds. */
  openToIam: string[];
  link: boolean;
}

async function observe(session: AwsSession, items: DatabaseItem[]): Promise<Observation[]> {
  let open: Promise<Map<string, string[]>> | undefined;
  return inParallel(items, WIDTH, (item) =>
    look(async () => {
      const { Name: name, CatalogId: catalog } = target(session.account, item.spec);
      const { Database: database } = await session.glue.send(
        new GetDatabaseCommand({ Name: name, CatalogId: catalog }),
      );
      if (!database) return { state: 'MISSING' };
      // One listing of IAM_ALLOWED_PRINCIPALS serves all databases of the batch.
      open ??= openToIam(session, 'DATABASE');
      const observed = observedOf(database, (await open).get(name) ?? [], session.account);
      return compared({ ...observed }, differencesOf(observed, item.spec));
    }),
  );
}

function observedOf(database: Database, open: string[], account: string): Observed {
  return {
    description: database.Description ?? null,
    locationUri: database.LocationUri ?? null,
    parameters: database.Parameters ?? {},
    createTableDefaultPermissions: database.CreateTableDefaultPermissions ?? [],
    openToIam: open,
    link: database.TargetDatabase !== undefined || (database.CatalogId ?? account) !== account,
  };
}

function differencesOf(observed: Observed, spec: SpecOf<'GlueDatabase'>): string[] {
  if (observed.link) return [`${spec.name} is a resource link, not a database`];
  return [...metadataDifferences(observed, spec), ...bypassDifferences(observed.openToIam)];
}

function metadataDifferences(observed: Observed, spec: SpecOf<'GlueDatabase'>): string[] {
  return [
    ...differs('description', observed.description, spec.description ?? observed.description),
    ...differs('locationUri', observed.locationUri, spec.locationUri ?? observed.locationUri),
    ...Object.entries(spec.parameters).flatMap(([name, value]) =>
      differs(`parameter ${name}`, observed.parameters[name], value),
    ),
    ...differs('createTableDefaultPermissions', observed.createTableDefaultPermissions, []),
  ];
}

async function create(session: AwsSession, item: DatabaseItem): Promise<void> {
  const input = { CatalogId: session.account, DatabaseInput: databaseInput(item.spec, {}) };
  await createOrCompare(
    () => session.glue.send(new CreateDatabaseCommand(input)),
    async () => (await observe(session, [item]))[0] ?? { state: 'MISSING' },
  );
  const open = (await openToIam(session, 'DATABASE')).get(item.spec.name);
  if (open) await closeToIam(session, bypassOn(session.account, item, open));
}

async function update(session: AwsSession, item: DatabaseItem, observed: Observed): Promise<void> {
  const { spec } = item;
  if (observed.link) {
    throw new PermanentFailure(
      'Conflict',
      `${spec.name} is a resource link: an update would change its target. Delete the link or choose another name.`,
    );
  }
  if (metadataDifferences(observed, spec).length > 0) {
    const input = databaseInput(spec, observed);
    await session.glue.send(
      new UpdateDatabaseCommand({ CatalogId: session.account, Name: spec.name, DatabaseInput: input }),
    );
  }
  if (observed.openToIam.length > 0) {
    await closeToIam(session, bypassOn(session.account, item, observed.openToIam));
  }
}

async function remove(session: AwsSession, { spec }: DatabaseItem): Promise<void> {
  await gone(async () => {
    const { Database: database } = await session.glue.send(new GetDatabaseCommand(target(session.account, spec)));
    if (!database) return;
    if (observedOf(database, [], session.account).link) {
      throw new PermanentFailure(
        'Conflict',
        `${spec.name} is a resource link, not the database that was made; it is left alone.`,
      );
    }
    const tables = await session.glue.send(
      new GetTablesCommand({ CatalogId: session.account, DatabaseName: spec.name, MaxResults: 1 }),
    );
    const [table] = tables.TableList ?? [];
    if (table) {
      throw new PermanentFailure(
        'DatabaseNotEmpty',
        `Database ${spec.name} still holds tables (${table.Name} ...); deleting it would delete them.`,
      );
    }
    await session.glue.send(new DeleteDatabaseCommand(target(session.account, spec)));
  });
}

function target(account: string, spec: SpecOf<'GlueDatabase'>): { CatalogId: string; Name: string } {
  return { CatalogId: account, Name: spec.name };
}

/** UpdateDatabase replaces all of it, so what others added is carried over. */
function databaseInput(
  spec: SpecOf<'GlueDatabase'>,
  observed: Partial<Observed> | SpecOf<'GlueDatabase'>,
): DatabaseInput {
  const description = spec.description ?? observed.description;
  const locationUri = spec.locationUri ?? observed.locationUri;
  return {
    Name: spec.name,
    ...(description ? { Description: description } : {}),
    ...(locationUri ? { LocationUri: locationUri } : {}),
    Parameters: { ...observed.parameters, ...spec.parameters },
    CreateTableDefaultPermissions: [],
  };
}

function bypassOn(account: string, { id, spec }: DatabaseItem, permissions: string[]): Bypass {
  return { id, resource: { Database: target(account, spec) }, permissions };
}
