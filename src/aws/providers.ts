import type { Aws } from '../provisioning/provider.js';
import { createBusPermission } from './bus-permission.js';
import { catalogPolicy } from './catalog-policy.js';
import { crawlerRun } from './crawler-run.js';
import { dataFilter } from './data-filter.js';
import { dataLakeSettings } from './data-lake-settings.js';
import { dataLocation } from './data-location.js';
import { databaseLink } from './database-link.js';
import { eventBus } from './event-bus.js';
import { eventRule } from './event-rule.js';
import { glueDatabase } from './glue-database.js';
import { glueTable } from './glue-table.js';
import { lfGrant } from './lf-grant.js';
import { lfTag } from './lf-tag.js';
import { lfTagAttachment } from './lf-tag-attachment.js';
import type { AwsSession } from './session.js';
import { shareAcceptance } from './share-acceptance.js';
import { tableLink } from './table-link.js';

/** The provider of each kind; `region` is the mesh's, which ARNs in parameters name. */
export function createProviders(region: string): Aws<AwsSession>['providers'] {
  return {
    DataLakeSettings: dataLakeSettings,
    CatalogPolicy: catalogPolicy,
    DataLocation: dataLocation,
    GlueDatabase: glueDatabase,
    GlueTable: glueTable,
    TableLink: tableLink,
    DatabaseLink: databaseLink,
    LfTag: lfTag,
    LfTagAttachment: lfTagAttachment,
    LfGrant: lfGrant,
    DataFilter: dataFilter,
    CrawlerRun: crawlerRun,
    ShareAcceptance: shareAcceptance,
    EventBus: eventBus,
    BusPermission: createBusPermission(region),
    EventRule: eventRule,
  };
}
