/** Data lake settings of an account: its administrators, the defaults for new objects, the cross-account version. */

import { invalidInput, requireMembers, requireOwnCatalogId } from './lf-input.js';
import { IAM_ALLOWED_PRINCIPALS, principalOf } from './lf-principal.js';
import type { Call, World } from './service.js';

/** A default permission for new databases or tables. */
export interface DefaultPermissions {
  Principal: { DataLakePrincipalIdentifier: string };
  Permissions: string[];
}

/** The members of DataLakeSettings that carry a rule here; the others are kept as given. */
export interface DataLakeSettings {
  DataLakeAdmins: { DataLakePrincipalIdentifier: string }[];
  ReadOnlyAdmins: { DataLakePrincipalIdentifier: string }[];
  CreateDatabaseDefaultPermissions: DefaultPermissions[];
  CreateTableDefaultPermissions: DefaultPermissions[];
  Parameters: Record<string, string>;
  TrustedResourceOwners: string[];
  AllowExternalDataFiltering: boolean;
  AllowFullTableExternalDataAccess: boolean;
  ExternalDataFilteringAllowList: { DataLakePrincipalIdentifier: string }[];
  AuthorizedSessionTagValueList: string[];
}

const VERSION = 'CROSS_ACCOUNT_VERSION';

const EMPTY: DataLakeSettings = {
  DataLakeAdmins: [],
  ReadOnlyAdmins: [],
  CreateDatabaseDefaultPermissions: [],
  CreateTableDefaultPermissions: [],
  Parameters: { [VERSION]: '1' },
  TrustedResourceOwners: [],
  AllowExternalDataFiltering: false,
  AllowFullTableExternalDataAccess: false,
  ExternalDataFilteringAllowList: [],
  AuthorizedSessionTagValueList: [],
};

function everythingForIam(): DefaultPermissions[] {
  return [{ Principal: { DataLakePrincipalIdentifier: IAM_ALLOWED_PRINCIPALS }, Permissions: ['ALL'] }];
}

/**
 * The settings of an account. Untouched, they put ALL for IAM_ALLOWED_PRINCIPALS on new databases and tables.
 * AWS page: Lake Formation developer guide, change-settings and cross-account-prereqs.
 */
export function settingsOf(world: World, account: string): DataLakeSettings {
  const stored = world.table<DataLakeSettings>('lakeformation/settings').get(account);
  return (
    stored ?? {
      ...EMPTY,
      CreateDatabaseDefaultPermissions: everythingForIam(),
      CreateTableDefaultPermissions: everythingForIam(),
    }
  );
}

/** The cross-account version setting, 1 where nothing else was put. AWS page: optimize-ram. */
export function crossAccountVersion(world: World, account: string): number {
  return Number(settingsOf(world, account).Parameters[VERSION] ?? 1);
}

/**
 * Whether the principal is a data lake administrator of the account. The role `administrator` of each account always is:
 * it stands for the person who changes things behind a control plane's back.
 */
export function isAdministrator(world: World, account: string, principal: string): boolean {
  if (principal === `arn:aws:iam::${account}:role/administrator`) return true;
  return settingsOf(world, account).DataLakeAdmins.some((admin) => admin.DataLakePrincipalIdentifier === principal);
}

/** GetDataLakeSettings. */
export function getDataLakeSettings(call: Call, world: World): unknown {
  requireOwnCatalogId(call);
  return { DataLakeSettings: settingsOf(world, call.account) };
}

/** PutDataLakeSettings replaces the whole record; what is left out falls back to empty, the version to 1. */
export function putDataLakeSettings(call: Call, world: World): unknown {
  requireOwnCatalogId(call);
  requireMembers(call.parameters, ['DataLakeSettings']);
  const given: Partial<DataLakeSettings> = call.parameters.DataLakeSettings;
  const settings: DataLakeSettings = { ...EMPTY, ...given, Parameters: { ...EMPTY.Parameters, ...given.Parameters } };
  if (!['1', '2', '3', '4', '5'].includes(settings.Parameters[VERSION] ?? '')) {
    throw invalidInput(`Invalid value for ${VERSION}: ${settings.Parameters[VERSION]}`);
  }
  if (settings.DataLakeAdmins.length > 30) throw invalidInput('The number of data lake administrators exceeds 30.');
  for (const admin of [...settings.DataLakeAdmins, ...settings.ReadOnlyAdmins]) {
    principalOf(world, admin.DataLakePrincipalIdentifier);
  }
  for (const entry of [...settings.CreateDatabaseDefaultPermissions, ...settings.CreateTableDefaultPermissions]) {
    principalOf(world, entry.Principal?.DataLakePrincipalIdentifier);
  }
  world.table<DataLakeSettings>('lakeformation/settings').put(call.account, settings);
  return {};
}
