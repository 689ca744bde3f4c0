/** AWS Glue, the operations of the Data Catalog that a mesh needs. Operation names are the API's. */
import { createDatabase, deleteDatabase, getDatabase, getDatabases, updateDatabase } from './glue-databases.js';
import { deleteResourcePolicy, getResourcePolicy, putResourcePolicy } from './glue-policy.js';
import { batchDeleteTable, createTable, deleteTable, updateTable } from './glue-table-changes.js';
import { getTable, getTables, getTableVersion, getTableVersions } from './glue-tables.js';
import { regionalService } from './regional.js';
import type { Service } from './service.js';

const OPERATIONS: Service = {
  CreateDatabase: createDatabase,
  GetDatabase: getDatabase,
  GetDatabases: getDatabases,
  UpdateDatabase: updateDatabase,
  DeleteDatabase: deleteDatabase,
  CreateTable: createTable,
  GetTable: getTable,
  GetTables: getTables,
  GetTableVersion: getTableVersion,
  GetTableVersions: getTableVersions,
  UpdateTable: updateTable,
  DeleteTable: deleteTable,
  BatchDeleteTable: batchDeleteTable,
  GetResourcePolicy: getResourcePolicy,
  PutResourcePolicy: putResourcePolicy,
  DeleteResourcePolicy: deleteResourcePolicy,
};

const LISTINGS = { GetTables: ['glue/tables'], GetDatabases: ['glue/databases'] };

/** The operations of Glue by name. */
export const glue: Service = regionalService(OPERATIONS, { listings: LISTINGS });
