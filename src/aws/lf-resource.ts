import {
  ListPermissionsCommand,
  type ListPermissionsCommandInput,
  type PrincipalResourcePermissions,
  type Resource,
} from '@aws-sdk/client-lakeformation';
import type { LfResource } from '../provisioning/lake-resource.js';
import type { AwsSession } from './session.js';

/** The `Resource` of Lake Formation's requests; CatalogId is always the owner's. */
export function lfResource(resource: LfResource): Resource {
  switch (resource.type) {
    case 'CATALOG':
      return { Catalog: {} };
    case 'DATABASE':
      return { Database: { CatalogId: resource.catalogId, Name: resource.database } };
    case 'TABLE':
      return { Table: { CatalogId: resource.catalogId, DatabaseName: resource.database, Name: resource.table } };
    case 'DATA_FILTER': {
      const { catalogId: TableCatalogId, database: DatabaseName, table: TableName, filter: Name } = resource;
      return { DataCellsFilter: { TableCatalogId, DatabaseName, TableName, Name } };
    }
    case 'DATA_LOCATION':
      return { DataLocation: { CatalogId: resource.catalogId, ResourceArn: resource.arn } };
    case 'LF_TAG':
      return { LFTag: { CatalogId: resource.catalogId, TagKey: resource.key, TagValues: [resource.value] } };
    case 'LF_TAG_POLICY': {
      const Expression = resource.expression.map(({ key, values }) => ({ TagKey: key, TagValues: values }));
      return { LFTagPolicy: { CatalogId: resource.catalogId, ResourceType: resource.on, Expression } };
    }
  }
}

/** Some columns of a table as a `Resource`. */
export function columnsResource(resource: LfResource & { type: 'TABLE' }, columns: string[]): Resource {
  const { catalogId, database, table } = resource;
  return { TableWithColumns: { CatalogId: catalogId, DatabaseName: database, Name: table, ColumnNames: columns } };
}

/** Every page of a ListPermissions: never an incomplete listing, as revokes are decided on it. */
export async function listPermissions(
  session: AwsSession,
  query: Pick<ListPermissionsCommandInput, 'Resource' | 'Principal' | 'ResourceType'>,
): Promise<PrincipalResourcePermissions[]> {
  const rows: PrincipalResourcePermissions[] = [];
  let token: string | undefined;
  do {
    const page = await session.lakeFormation.send(
      new ListPermissionsCommand({
        ...query,
        CatalogId: session.account,
        MaxResults: 1000,
        ...(token ? { NextToken: token } : {}),
      }),
    );
    rows.push(...(page.PrincipalResourcePermissions ?? []));
    token = page.NextToken;
  } while (token);
  return rows;
}
