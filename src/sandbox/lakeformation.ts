/** AWS Lake Formation, the operations that a mesh needs. Operation names are the API's. */
import { getEffectivePermissionsForPath, listPermissions } from './lakeformation-listing.js';
import {
  batchGrantPermissions,
  batchRevokePermissions,
  forgetTargets,
  grantPermissions,
  revokePermissions,
} from './lakeformation-permissions.js';
import {
  addLfTagsToResource,
  createLfTag,
  deleteLfTag,
  getLfTag,
  getResourceLfTags,
  listLfTags,
  removeLfTagsFromResource,
  updateLfTag,
} from './lakeformation-tags.js';
import {
  createDataCellsFilter,
  getDataCellsFilter,
  listDataCellsFilter,
  removeFilter,
  updateDataCellsFilter,
} from './lf-filters.js';
import {
  deregisterResource,
  describeResource,
  listResources,
  registerResource,
  updateResource,
} from './lf-locations.js';
import { getDataLakeSettings, putDataLakeSettings } from './lf-settings.js';
import { regionalService } from './regional.js';
import type { Call, Service, World } from './service.js';

/** DeleteDataCellsFilter; the permissions on the filter go with it. */
function deleteDataCellsFilter(call: Call, world: World): unknown {
  const gone = removeFilter(call, world);
  forgetTargets(
    world,
    call,
    ({ catalog, database, table, filter }) =>
      filter === gone.Name &&
      catalog === gone.TableCatalogId &&
      database === gone.DatabaseName &&
      table === gone.TableName,
  );
  return {};
}

const OPERATIONS: Service = {
  GetDataLakeSettings: getDataLakeSettings,
  PutDataLakeSettings: putDataLakeSettings,
  GrantPermissions: grantPermissions,
  RevokePermissions: revokePermissions,
  BatchGrantPermissions: batchGrantPermissions,
  BatchRevokePermissions: batchRevokePermissions,
  ListPermissions: listPermissions,
  GetEffectivePermissionsForPath: getEffectivePermissionsForPath,
  RegisterResource: registerResource,
  DeregisterResource: deregisterResource,
  UpdateResource: updateResource,
  DescribeResource: describeResource,
  ListResources: listResources,
  CreateLFTag: createLfTag,
  UpdateLFTag: updateLfTag,
  DeleteLFTag: deleteLfTag,
  GetLFTag: getLfTag,
  ListLFTags: listLfTags,
  AddLFTagsToResource: addLfTagsToResource,
  RemoveLFTagsFromResource: removeLfTagsFromResource,
  GetResourceLFTags: getResourceLfTags,
  CreateDataCellsFilter: createDataCellsFilter,
  UpdateDataCellsFilter: updateDataCellsFilter,
  GetDataCellsFilter: getDataCellsFilter,
  DeleteDataCellsFilter: deleteDataCellsFilter,
  ListDataCellsFilter: listDataCellsFilter,
};

const LISTINGS = {
  ListPermissions: ['lakeformation/grants'],
  GetEffectivePermissionsForPath: ['lakeformation/grants'],
  ListResources: ['lakeformation/locations'],
  ListLFTags: ['lakeformation/tags'],
  GetResourceLFTags: ['lakeformation/tags', 'lakeformation/tag-assignments'],
  ListDataCellsFilter: ['lakeformation/filters'],
};

const WRITERS = new Set([
  'GrantPermissions',
  'RevokePermissions',
  'BatchGrantPermissions',
  'BatchRevokePermissions',
  'CreateLFTag',
  'UpdateLFTag',
  'DeleteLFTag',
  'AddLFTagsToResource',
  'RemoveLFTagsFromResource',
]);

/** The operations of Lake Formation by name. */
export const lakeformation: Service = regionalService(OPERATIONS, { listings: LISTINGS, writers: WRITERS });
