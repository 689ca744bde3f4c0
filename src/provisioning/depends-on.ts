import type { Kind, SpecOf } from './kinds.js';
import { type LfResource, lfResourceText } from './lake-resource.js';
import type { DesiredResource, ResourceIdentity } from './resource.js';

/**
 * What each kind stands on. It follows from kind, key and spec alone, so that claims of many owners on one resource never disagree
 * about it.
 */

type At = { account: string; region: string };
const on = (kind: Kind, at: At, key: string): ResourceIdentity => ({
  kind,
  account: at.account,
  region: at.region,
  key,
});

/** What a Lake Formation resource stands on, seen from the account that is called: what another account owns is there once its share is. */
function ground(at: At, resource: LfResource, principal?: string): ResourceIdentity[] {
  const owner = { account: resource.catalogId, region: at.region };
  return resource.catalogId === at.account ? owned(at, resource) : shared(at, owner, resource, principal);
}

function owned(at: At, resource: LfResource): ResourceIdentity[] {
  switch (resource.type) {
    case 'CATALOG':
      return [on('DataLakeSettings', at, 'settings')];
    case 'DATABASE':
      return [on('GlueDatabase', at, resource.database), on('DatabaseLink', at, resource.database)];
    case 'TABLE': {
      const key = `${resource.database}/${resource.table}`;
      return [on('GlueTable', at, key), on('TableLink', at, key)];
    }
    case 'DATA_FILTER':
      return [on('DataFilter', at, `${resource.database}/${resource.table}/${resource.filter}`)];
    case 'DATA_LOCATION':
      return [on('DataLocation', at, resource.arn)];
    case 'LF_TAG':
      return [on('LfTag', at, resource.key)];
    case 'LF_TAG_POLICY':
      return resource.expression.map(({ key }) => on('LfTag', at, key));
  }
}

function shared(at: At, owner: At, resource: LfResource, principal?: string): ResourceIdentity[] {
  const text = lfResourceText(resource);
  const account = on('ShareAcceptance', at, `${at.account} from ${text}`);
  switch (resource.type) {
    case 'CATALOG':
      return [];
    // Locations and tags reach another account without a RAM share.
    case 'DATA_LOCATION':
    case 'LF_TAG':
      return [on('LfGrant', owner, `${at.account} on ${text}`)];
    case 'LF_TAG_POLICY': {
      const tags = resource.expression.flatMap(({ key, values }) =>
        values.map((value) => lfResourceText({ type: 'LF_TAG', catalogId: resource.catalogId, key, value })),
      );
      return [account, ...tags.map((tag) => on('LfGrant', owner, `${at.account} on ${tag}`))];
    }
    default:
      return [account, ...(principal ? [on('ShareAcceptance', at, `${principal} from ${text}`)] : [])];
  }
}

const isQueue = (arn: string): boolean => /^arn:[^:]+:sqs:/.test(arn);

/** The queue of an ARN: arn:partition:sqs:region:account:name. */
function queueOf(arn: string): ResourceIdentity {
  const [, , , region = '', account = '', name = ''] = arn.split(':');
  return on('Queue', { account, region }, name);
}

const dependencies: { [K in Kind]: (at: At, spec: SpecOf<K>) => ResourceIdentity[] } = {
  DataLakeSettings: () => [],
  CatalogPolicy: (at) => [on('DataLakeSettings', at, 'settings')],
  DataLocation: (at) => [on('DataLakeSettings', at, 'settings')],
  GlueDatabase: (at, spec) => [
    on('DataLakeSettings', at, 'settings'),
    ...(spec.dataLocation ? [on('DataLocation', at, spec.dataLocation)] : []),
  ],
  GlueTable: (at, spec) => [
    on('GlueDatabase', at, spec.database),
    on('DataLocation', at, spec.dataLocation),
    on('CatalogPolicy', at, 'policy'),
  ],
  TableLink: (at, spec) => [on('GlueDatabase', at, spec.database)],
  DatabaseLink: (at) => [on('DataLakeSettings', at, 'settings')],
  LfTag: (at) => [on('DataLakeSettings', at, 'settings')],
  // A table's tag gives access to every column that has none of its own: those of its columns come before it.
  LfTagAttachment: (at, spec) => [
    on('LfTag', at, spec.key),
    ...ground(at, spec.resource),
    ...(spec.resource.type === 'TABLE' && spec.columns === undefined
      ? [on('LfTagAttachment', at, `${lfResourceText(spec.resource)}#${spec.key}#columns`)]
      : []),
  ],
  LfGrant: (at, spec) => ground(at, spec.resource, spec.principal),
  ShareAcceptance: (at, spec) =>
    spec.resource.type === 'CATALOG'
      ? []
      : [
          on(
            'LfGrant',
            { account: spec.resource.catalogId, region: at.region },
            `${spec.principal} on ${lfResourceText(spec.resource)}`,
          ),
        ],
  DataFilter: (at, spec) => [on('GlueTable', at, `${spec.database}/${spec.table}`)],
  // The run reads and writes through the role's own grants: the crawler fails without them.
  CrawlerRun: (at, { link, target, roleArn }) => {
    const linked: LfResource = { type: 'TABLE', catalogId: at.account, ...link };
    return [
      on('TableLink', at, `${link.database}/${link.table}`),
      ...[linked, { type: 'TABLE' as const, ...target }].map((resource) =>
        on('LfGrant', at, `${roleArn} on ${lfResourceText(resource)}`),
      ),
    ];
  },
  SchemaRegistry: () => [],
  SchemaRegistration: (at, spec) => [on('SchemaRegistry', at, spec.registry)],
  QualityRuleset: (at, spec) => [on('GlueTable', at, `${spec.database}/${spec.table}`)],
  EventBus: () => [],
  BusPermission: (at, spec) => [on('EventBus', at, spec.bus)],
  // A rule that stands before the queue that it sends to, or that of its undelivered events, would lose the first of them.
  EventRule: (at, spec) => [
    on('EventBus', at, spec.bus),
    ...spec.targets.flatMap(({ arn, deadLetterArn }) => [arn, deadLetterArn ?? ''].filter(isQueue).map(queueOf)),
  ],
  // SQS refuses a redrive to a queue that is not there.
  Queue: (_at, { redrive }) => (redrive ? [queueOf(redrive.deadLetterArn)] : []),
};

/** The identities a resource stands on. One that has no row does not block: not every mesh declares every kind. */
export function dependenciesOf(resource: DesiredResource): ResourceIdentity[] {
  const of = dependencies[resource.kind] as (at: At, spec: unknown) => ResourceIdentity[];
  return of(resource, resource.spec);
}
