/** Databases of the Data Catalog and resource links to databases. */
import {
  type DatabaseRecord,
  databaseKey,
  databases,
  findDatabase,
  followDatabase,
  requireDatabase,
  tableKey,
  tables,
  tablesOf,
  tableVersions,
} from './glue-store.js';
import { forgetTargets } from './lakeformation-permissions.js';
import { forgetTags } from './lakeformation-tags.js';
import { mayDescribe, requireLocationAccess, requirePermission } from './lf-authority.js';
import { EVERY_COLUMN } from './lf-columns.js';
import { addGrant } from './lf-grants.js';
import { defined, foldName, insufficientPermission, invalidInput, pageOf, requireMembers } from './lf-input.js';
import { type DefaultPermissions, isAdministrator, settingsOf } from './lf-settings.js';
import { databaseTarget, type Target } from './lf-target.js';
import { AwsError, type Call, type World } from './service.js';

/** The catalog that a call names, the caller's own where it names none. */
export function catalogOf(call: Call): string {
  return call.parameters.CatalogId ?? call.account;
}

/**
 * What a new object starts with: the account's or database's default permissions, and everything, grantable, for its
 * creator. A link's creator holds DESCRIBE and DROP on it.
 * AWS pages: Lake Formation developer guide, implicit-permissions and cross-account-prereqs.
 */
export function grantInitialPermissions(
  world: World,
  call: Call,
  on: { target: Target; defaults: DefaultPermissions[]; link: boolean },
): void {
  const { target, defaults, link } = on;
  const shared = { grantor: target.catalog, target, scope: EVERY_COLUMN, by: call.principal };
  for (const entry of defaults) {
    addGrant(world, {
      ...shared,
      principal: entry.Principal.DataLakePrincipalIdentifier,
      permissions: entry.Permissions,
      grantable: [],
    });
  }
  const all = link ? ['DESCRIBE', 'DROP'] : ['ALL'];
  addGrant(world, { ...shared, principal: call.principal, permissions: all, grantable: all });
}

function toDatabase(record: DatabaseRecord) {
  return { ...record, CreateTime: new Date(record.CreateTime) };
}

/** A link shows its own name and the target's properties where the caller may see the target, else its own. */
function resolve(world: World, call: Call, record: DatabaseRecord) {
  if (!record.TargetDatabase) return toDatabase(record);
  const { catalog, database } = followDatabase(world, record.CatalogId, record.Name);
  const target = findDatabase(world, catalog, database);
  if (!target || !mayDescribe(world, call, databaseTarget(catalog, database))) return toDatabase(record);
  const { Name, CatalogId, TargetDatabase, CreateTime } = record;
  return toDatabase({ ...target, Name, CatalogId, CreateTime, TargetDatabase });
}

/** GetDatabase. AWS page: Lake Formation developer guide, resource-links-glue-apis. */
export function getDatabase(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['Name']);
  const record = visibleDatabase(call, world, call.parameters.Name);
  return { Database: resolve(world, call, record) };
}

function visibleDatabase(call: Call, world: World, name: string): DatabaseRecord {
  const catalog = catalogOf(call);
  const target = databaseTarget(catalog, foldName(name));
  if (catalog !== call.account && !mayDescribe(world, call, target)) throw insufficientPermission('Describe', name);
  const record = requireDatabase(world, catalog, name);
  if (!mayDescribe(world, call, target)) throw insufficientPermission('Describe', name);
  return record;
}

/** GetDatabases: what the caller may see; databases of other accounts only with ResourceShareType FOREIGN or ALL. */
export function getDatabases(call: Call, world: World): unknown {
  const catalog = catalogOf(call);
  const type: string | undefined = call.parameters.ResourceShareType;
  const foreign = type === 'FOREIGN' || type === 'ALL';
  const found = [...databases(world).shared()]
    .filter((record) => (record.CatalogId === catalog ? type !== 'FOREIGN' : foreign))
    .filter((record) => mayDescribe(world, call, databaseTarget(record.CatalogId, record.Name)))
    .sort((a, b) => (a.Name < b.Name ? -1 : 1));
  const { page, next } = pageOf(found, {
    max: call.parameters.MaxResults,
    token: call.parameters.NextToken,
    most: 100,
    refuse: invalidInput,
  });
  return defined({ DatabaseList: page.map((record) => resolve(world, call, record)), NextToken: next });
}

/** An administrator may create databases, others need CREATE_DATABASE. AWS page: implicit-permissions. */
function requireCreateDatabase(call: Call, world: World): void {
  if (isAdministrator(world, call.account, call.principal)) return;
  requirePermission(world, call, 'CREATE_DATABASE', { kind: 'CATALOG', catalog: call.account });
}

function requireOwnCatalog(call: Call): string {
  const catalog = catalogOf(call);
  if (catalog !== call.account)
    throw new AwsError('AccessDeniedException', `Cross account access to catalog ${catalog} is not allowed.`);
  return catalog;
}

/** CreateDatabase; with TargetDatabase it makes a resource link. */
export function createDatabase(call: Call, world: World): unknown {
  const catalog = requireOwnCatalog(call);
  requireMembers(call.parameters, ['DatabaseInput']);
  const input: Partial<DatabaseRecord> = call.parameters.DatabaseInput;
  requireMembers(input, ['Name'], 'databaseInput.');
  const Name = foldName(input.Name ?? '');
  requireCreateDatabase(call, world);
  if (findDatabase(world, catalog, Name)) throw new AwsError('AlreadyExistsException', 'Database already exists.');
  requireLocationAccess(world, call, { owner: catalog, location: input.LocationUri });
  const settings = settingsOf(world, catalog);
  const record = defined({
    ...input,
    CatalogId: catalog,
    Name,
    CreateTime: world.now().toISOString(),
    CreateTableDefaultPermissions: input.CreateTableDefaultPermissions ?? settings.CreateTableDefaultPermissions,
    ...(input.TargetDatabase ? { TargetDatabase: { CatalogId: catalog, ...input.TargetDatabase } } : {}),
  });
  databases(world).put(databaseKey(catalog, Name), record);
  grantInitialPermissions(world, call, {
    target: databaseTarget(catalog, Name),
    defaults: settings.CreateDatabaseDefaultPermissions,
    link: input.TargetDatabase !== undefined,
  });
  return {};
}

/** UpdateDatabase changes the target where the name is a link's. AWS page: resource-links-glue-apis. */
export function updateDatabase(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['Name', 'DatabaseInput']);
  const input: Partial<DatabaseRecord> = call.parameters.DatabaseInput;
  requireMembers(input, ['Name'], 'databaseInput.');
  const named: string = call.parameters.Name;
  requireDatabase(world, catalogOf(call), named);
  const { catalog, database } = followDatabase(world, catalogOf(call), named);
  const record = requireDatabase(world, catalog, database);
  requirePermission(world, call, 'ALTER', databaseTarget(catalog, database));
  requireLocationAccess(world, call, { owner: catalog, location: input.LocationUri });
  const name = foldName(input.Name ?? '');
  if (name !== foldName(named) && name !== database) throw invalidInput('A database cannot be renamed.');
  const { TargetDatabase: _target, ...changes } = input;
  databases(world).put(
    databaseKey(catalog, database),
    defined({
      ...changes,
      Name: database,
      CatalogId: catalog,
      CreateTime: record.CreateTime,
      CreateTableDefaultPermissions: input.CreateTableDefaultPermissions ?? record.CreateTableDefaultPermissions,
    }),
  );
  return {};
}

/** DeleteDatabase takes a link away alone, and a database with its tables. AWS page: resource-links-glue-apis. */
export function deleteDatabase(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['Name']);
  const catalog = requireOwnCatalog(call);
  const database = foldName(call.parameters.Name);
  requireDatabase(world, catalog, database);
  requirePermission(world, call, 'DROP', databaseTarget(catalog, database));
  for (const table of tablesOf(world, catalog, database)) {
    const key = tableKey({ catalog, database, table: table.Name });
    tables(world).delete(key);
    tableVersions(world).delete(key);
  }
  databases(world).delete(databaseKey(catalog, database));
  forgetTags(world, { catalog, database });
  forgetTargets(world, call, (target) => target.catalog === catalog && target.database === database);
  return {};
}
