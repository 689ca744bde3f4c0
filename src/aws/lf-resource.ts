import {
  GetLFTagExpressionCommand,
  type LFTag,
  ListPermissionsCommand,
  type ListPermissionsCommandInput,
  type PrincipalResourcePermissions,
  type Resource,
} from '@aws-sdk/client-lakeformation';
import { EVERY_TABLE, type LfResource, type TagCondition, tagPolicy } from '../provisioning/lake-resource.js';
import { classify, isAwsFailure } from './errors.js';
import type { AwsSession } from './session.js';

/** How ListPermissions names the table wildcard, every table of a database (Lake Formation API reference, TableWildcard); no table has capitals. */
export const ALL_TABLES = 'ALL_TABLES';

/** The `Resource` of Lake Formation's requests; CatalogId is always the owner's. */
export function lfResource(resource: LfResource): Resource {
  switch (resource.type) {
    case 'CATALOG':
      return { Catalog: {} };
    case 'DATABASE':
      return { Database: { CatalogId: resource.catalogId, Name: resource.database } };
    case 'TABLE': {
      const { catalogId: CatalogId, database: DatabaseName, table: Name } = resource;
      return { Table: { CatalogId, DatabaseName, ...(Name === EVERY_TABLE ? { TableWildcard: {} } : { Name }) } };
    }
    case 'DATA_FILTER': {
      const { catalogId: TableCatalogId, database: DatabaseName, table: TableName, filter: Name } = resource;
      return { DataCellsFilter: { TableCatalogId, DatabaseName, TableName, Name } };
    }
    case 'DATA_LOCATION':
      return { DataLocation: { CatalogId: resource.catalogId, ResourceArn: resource.arn } };
    case 'LF_TAG':
      return tagResource(resource, [resource.value]);
    case 'LF_TAG_POLICY': {
      const { catalogId: CatalogId, on: ResourceType, expressionName: ExpressionName } = resource;
      if (ExpressionName !== undefined) return { LFTagPolicy: { CatalogId, ResourceType, ExpressionName } };
      const Expression = resource.expression.map(({ key, values }) => ({ TagKey: key, TagValues: values }));
      return { LFTagPolicy: { CatalogId, ResourceType, Expression } };
    }
  }
}

/**
 * What a listed row is on; `account` owns what names no catalog. Columns are of their table, and one row may be on several values of a
 * tag. What a tag expression says that only has a name is not in the row (see `expressionsOf`).
 */
export function resourcesOf(row: Resource | undefined, account: string): LfResource[] {
  const {
    Catalog,
    Database,
    Table,
    TableWithColumns,
    DataCellsFilter: filter,
    DataLocation,
    LFTag,
    LFTagPolicy,
  } = row ?? {};
  const owner = (catalogId: string | undefined) => catalogId ?? account;
  if (Catalog) return [{ type: 'CATALOG', catalogId: owner(Catalog.Id) }];
  if (Database) return [{ type: 'DATABASE', catalogId: owner(Database.CatalogId), database: Database.Name ?? '' }];
  const table = Table ?? TableWithColumns;
  if (table) {
    const every = Table?.TableWildcard !== undefined || table.Name === ALL_TABLES;
    const name = every ? EVERY_TABLE : (table.Name ?? '');
    return [{ type: 'TABLE', catalogId: owner(table.CatalogId), database: table.DatabaseName ?? '', table: name }];
  }
  if (filter) {
    const { TableCatalogId, DatabaseName: database = '', TableName: table = '', Name = '' } = filter;
    return [{ type: 'DATA_FILTER', catalogId: owner(TableCatalogId), database, table, filter: Name }];
  }
  if (DataLocation) {
    const arn = (DataLocation.ResourceArn ?? '').replace(/\/+$/, '');
    return [{ type: 'DATA_LOCATION', catalogId: owner(DataLocation.CatalogId), arn }];
  }
  if (LFTag) {
    const { CatalogId, TagKey: key = '', TagValues: values = [] } = LFTag;
    return values.map((value) => ({ type: 'LF_TAG', catalogId: owner(CatalogId), key, value }));
  }
  if (!LFTagPolicy?.ResourceType) return [];
  const { ResourceType: on, ExpressionName: expressionName } = LFTagPolicy;
  const policy = tagPolicy(owner(LFTagPolicy.CatalogId), on, conditionsOf(LFTagPolicy.Expression));
  if (expressionName) return [{ ...policy, expressionName }];
  return policy.expression.length > 0 ? [policy] : [];
}

function conditionsOf(expression: LFTag[] | undefined): TagCondition[] {
  return (expression ?? []).map(({ TagKey: key = '', TagValues: values = [] }) => ({ key, values }));
}

/** Reads what named tag expressions say, each once; one that may not be read, or is gone, stays empty. */
export function expressionsOf(session: AwsSession): (resource: LfResource) => Promise<LfResource> {
  const read = new Map<string, Promise<TagCondition[]>>();
  const say = async (CatalogId: string, Name: string): Promise<TagCondition[]> => {
    try {
      return conditionsOf(
        (await session.lakeFormation.send(new GetLFTagExpressionCommand({ CatalogId, Name }))).Expression,
      );
    } catch (error) {
      const refused = isAwsFailure(error) && ['PERMANENT', 'PROPAGATION'].includes(classify(error).treatment);
      if (!refused) throw error;
      return [];
    }
  };
  return async (resource) => {
    if (resource.type !== 'LF_TAG_POLICY' || resource.expressionName === undefined) return resource;
    const { catalogId, on, expressionName } = resource;
    const name = `${catalogId}/${expressionName}`;
    const reading = read.get(name) ?? say(catalogId, expressionName);
    read.set(name, reading);
    return { ...tagPolicy(catalogId, on, await reading), expressionName };
  };
}

/** Some values of a tag as a `Resource`. */
export function tagResource({ catalogId, key }: LfResource & { type: 'LF_TAG' }, values: string[]): Resource {
  return { LFTag: { CatalogId: catalogId, TagKey: key, TagValues: values } };
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
  for await (const page of pagesOfPermissions(session, query)) rows.push(...page);
  return rows;
}

/** The pages of a ListPermissions, of 1,000 rows at most; what other accounts gave comes on pages of its own, after the rest. */
export async function* pagesOfPermissions(
  session: AwsSession,
  query: Pick<ListPermissionsCommandInput, 'Resource' | 'Principal' | 'ResourceType'>,
): AsyncGenerator<PrincipalResourcePermissions[]> {
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
    yield page.PrincipalResourcePermissions ?? [];
    token = page.NextToken;
  } while (token);
}
