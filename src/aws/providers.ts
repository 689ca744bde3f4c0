import type { Kind } from '../provisioning/kinds.js';
import type { Aws } from '../provisioning/provider.js';
import { quotasOf } from '../provisioning/quotas.js';
import { createBusPermission } from './bus-permission.js';
import { catalogPolicy } from './catalog-policy.js';
import { crawlerRun } from './crawler-run.js';
import { dataFilter } from './data-filter.js';
import { dataLakeSettings } from './data-lake-settings.js';
import { dataLocation } from './data-location.js';
import { databaseLink } from './database-link.js';
import { isQuotaUsedUp } from './errors.js';
import { eventBus } from './event-bus.js';
import { eventRule } from './event-rule.js';
import { glueDatabase } from './glue-database.js';
import { glueTable } from './glue-table.js';
import { lfGrant } from './lf-grant.js';
import { lfTag } from './lf-tag.js';
import { lfTagAttachment } from './lf-tag-attachment.js';
import { qualityRuleset } from './quality-ruleset.js';
import { createQueue } from './queue.js';
import { schemaRegistration } from './schema-registration.js';
import { schemaRegistry } from './schema-registry.js';
import type { AwsProvider, AwsSession } from './session.js';
import { shareAcceptance } from './share-acceptance.js';
import { tableLink } from './table-link.js';

/** The provider of each kind; `region` is the mesh's, which ARNs in parameters name. */
export function createProviders(region: string): Aws<AwsSession>['providers'] {
  return {
    DataLakeSettings: namingQuotas(dataLakeSettings),
    CatalogPolicy: namingQuotas(catalogPolicy),
    DataLocation: namingQuotas(dataLocation),
    GlueDatabase: namingQuotas(glueDatabase),
    GlueTable: namingQuotas(glueTable),
    TableLink: namingQuotas(tableLink),
    DatabaseLink: namingQuotas(databaseLink),
    LfTag: namingQuotas(lfTag),
    LfTagAttachment: namingQuotas(lfTagAttachment),
    LfGrant: namingQuotas(lfGrant),
    DataFilter: namingQuotas(dataFilter),
    CrawlerRun: namingQuotas(crawlerRun),
    SchemaRegistry: namingQuotas(schemaRegistry),
    SchemaRegistration: namingQuotas(schemaRegistration),
    QualityRuleset: namingQuotas(qualityRuleset),
    ShareAcceptance: namingQuotas(shareAcceptance),
    EventBus: namingQuotas(eventBus),
    BusPermission: namingQuotas(createBusPermission(region)),
    EventRule: namingQuotas(eventRule),
    Queue: namingQuotas(createQueue(region)),
  };
}

/** Where a quota is used up AWS rarely says which: those that the kind eats into are named. */
function namingQuotas<K extends Kind>(provider: AwsProvider<K>): AwsProvider<K> {
  return {
    ...provider,
    async apply(session, changes) {
      const outcomes = await provider.apply(session, changes);
      return outcomes.map((outcome, n) => {
        const key = changes[n]?.item.key;
        if (outcome.ok || key === undefined || !isQuotaUsedUp(outcome.error)) return outcome;
        const names = quotasOf({ kind: provider.kind, key }).map(({ quota }) => `${quota.name} (${quota.limit})`);
        if (names.length === 0) return outcome;
        const message = `${outcome.error.message} By default: ${names.join(', ')}.`;
        return { ok: false, error: { ...outcome.error, message } };
      });
    },
  };
}
