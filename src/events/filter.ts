import type { Classification } from '../generated/prisma/enums.js';
import {
  classificationsFrom,
  EVENT_TYPES,
  type EventType,
  isOfDomains,
  type LogEvent,
  type SubjectType,
} from './types.js';

/**
 * What a reader of the log asks for. Every part that is given must hold; a part left out holds always; an empty list never.
 * The same in SQL, over "Event":
 *   types         "type" = ANY ($types)
 *   domains       "domainId" = ANY ($domains)
 *   dataProducts  "productId" = ANY ($dataProducts)
 *   tags          "data" -> 'tags' ?| $tags            (a product's tags as they were then)
 *   minimumClassification
 *                 "data" ->> 'classification' = ANY ($classifications) OR "data" -> 'before' ->> 'classification' = ANY ($classifications)
 *                 (as the product was then, or until then: who watches over what is confidential hears also that it no longer is)
 *   mine          "actor" ->> 'subject' = $subject OR "audienceSubjects" @> ARRAY[$subject]
 */
export interface MeshEventFilter {
  types?: readonly EventType[] | null | undefined;
  /** uuids of the domains that the events' subjects belong to. */
  domains?: readonly string[] | null | undefined;
  /** uuids. */
  dataProducts?: readonly string[] | null | undefined;
  tags?: readonly string[] | null | undefined;
  minimumClassification?: Classification | null | undefined;
  /** Only what the viewer did himself, or what was addressed to him. */
  mine?: boolean | null | undefined;
}

/** The part of a viewer that decides which events he gets; domains as uuids. */
export interface EventViewer {
  admin: boolean;
  memberships: ReadonlyMap<string, unknown>;
  /** For whom he decides requests, and where. */
  deputyships?: readonly { domainId: string }[];
  subject: string;
}

/** The filter as a predicate. It narrows only: whether the viewer may get an event is `mayGet`. */
export function matches(filter: MeshEventFilter, subject: string): (event: LogEvent) => boolean {
  const types = setOf<string>(filter.types);
  const domains = setOf(filter.domains);
  const products = setOf(filter.dataProducts);
  const tags = setOf<unknown>(filter.tags);
  const classified = setOf<unknown>(filter.minimumClassification && classificationsFrom(filter.minimumClassification));
  return (event) =>
    (!types || types.has(event.type)) &&
    (!domains || (event.domainId !== null && domains.has(event.domainId))) &&
    (!products || (event.productId !== null && products.has(event.productId))) &&
    (!tags || tagsOf(event).some((tag) => tags.has(tag))) &&
    (!classified || classificationsOf(event).some((one) => classified.has(one))) &&
    (!filter.mine || event.actor.subject === subject || event.audience.subjects.includes(subject));
}

/** The parts of a filter that no event of some types can meet, whatever happens. */
export type NeverMet = 'domains' | 'dataProducts' | 'tags' | 'minimumClassification';

/** What events about a product are about. */
const OF_A_PRODUCT: ReadonlySet<SubjectType> = new Set([
  'DataProduct',
  'DataContract',
  'AccessRequest',
  'AccessGrant',
  'Resource',
]);

const MAY_MEET: Record<NeverMet, (type: EventType) => boolean> = {
  domains: isOfDomains,
  dataProducts: (type) => OF_A_PRODUCT.has(EVENT_TYPES[type].subject),
  tags: (type) => 'tags' in EVENT_TYPES[type].data,
  minimumClassification: (type) => 'classification' in EVENT_TYPES[type].data,
};

/** The parts of a filter that no event of its types can meet; empty where some event could meet all of them. */
export function neverMet(filter: MeshEventFilter): NeverMet[] {
  const { types } = filter;
  if (!types) return [];
  const given = (Object.keys(MAY_MEET) as NeverMet[]).filter((part) => filter[part]);
  if (types.some((type) => given.every((part) => MAY_MEET[part](type)))) return [];
  const alone = given.filter((part) => !types.some((type) => MAY_MEET[part](type)));
  return alone.length > 0 ? alone : given;
}

/** Who of a class of viewers gets an event: all, those to whom it is addressed by their subject, or nobody. */
export type Reach = 'ALL' | 'ADDRESSED' | 'NOBODY';

/** How far an event reaches among those who are admins alike, members of the same domains, and deputies in the same. */
export function reachOf(viewer: Omit<EventViewer, 'subject'>, event: LogEvent): Reach {
  const { audience } = event;
  const { admin, memberships } = viewer;
  if (admin || audience.public || audience.domains.some((domain) => memberships.has(domain))) return 'ALL';
  if (isForDeputy(viewer, event)) return 'ALL';
  return audience.subjects.length > 0 ? 'ADDRESSED' : 'NOBODY';
}

/**
 * Whether a viewer may see an event: he is an admin, or in its audience. The same in SQL:
 * $admin OR "audiencePublic" OR "audienceDomains" && $domains OR $subject = ANY ("audienceSubjects") OR
 * "subjectType" IN ('AccessRequest', 'AccessGrant') AND "domainId" = ANY ($deputized) AND "domainId" = ANY ("audienceDomains")
 */
export function mayGet(viewer: EventViewer, event: LogEvent): boolean {
  const reach = reachOf(viewer, event);
  return reach === 'ALL' || (reach === 'ADDRESSED' && event.audience.subjects.includes(viewer.subject));
}

/** What a domain's own people hear of requests for its products, those hear who decide for one of them. */
function isForDeputy(
  { deputyships = [] }: Pick<EventViewer, 'deputyships'>,
  { subject, domainId, audience }: LogEvent,
): boolean {
  return (
    (subject.type === 'AccessRequest' || subject.type === 'AccessGrant') &&
    domainId !== null &&
    audience.domains.includes(domainId) &&
    deputyships.some((deputyship) => deputyship.domainId === domainId)
  );
}

function setOf<T>(list: readonly T[] | null | undefined): ReadonlySet<T> | undefined {
  return list ? new Set(list) : undefined;
}

function classificationsOf({ data: { classification, before } }: LogEvent): unknown[] {
  return [classification, (before as { classification?: unknown } | null | undefined)?.classification];
}

function tagsOf(event: LogEvent): unknown[] {
  return Array.isArray(event.data.tags) ? event.data.tags : [];
}
