import type { Kind } from './kinds.js';
import { EVERY_TABLE, type LfResource } from './lake-resource.js';
import { resourceId } from './resource.js';

/** The rows that may stand for what a grant is on, nearest first. A filter and a wildcard are of their table and database. */
export function objectsOf(resource: LfResource, region: string, breadthOf = (_tag: string) => 0): string[] {
  const at = (kind: Kind, key: string) => resourceId({ kind, account: resource.catalogId, region, key });
  switch (resource.type) {
    case 'CATALOG':
      return [];
    case 'DATABASE':
      return [at('GlueDatabase', resource.database), at('DatabaseLink', resource.database)];
    case 'TABLE': {
      const key = `${resource.database}/${resource.table}`;
      const database = [at('GlueDatabase', resource.database), at('DatabaseLink', resource.database)];
      return resource.table === EVERY_TABLE ? database : [at('GlueTable', key), at('TableLink', key)];
    }
    case 'DATA_FILTER': {
      const key = `${resource.database}/${resource.table}`;
      return [at('DataFilter', `${key}/${resource.filter}`), at('GlueTable', key)];
    }
    case 'DATA_LOCATION':
      return [at('DataLocation', resource.arn)];
    case 'LF_TAG':
      return [at('LfTag', resource.key)];
    case 'LF_TAG_POLICY':
      // An expression that nobody may read: whatever it is on is in the catalogue.
      if (resource.expression.length === 0) return [at('DataLakeSettings', 'settings')];
      return resource.expression
        .map(({ key }) => key)
        .sort((a, b) => breadthOf(a) - breadthOf(b))
        .map((key) => at('LfTag', key));
  }
}
