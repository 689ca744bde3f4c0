import type pg from 'pg';
import { globalId } from '../../src/governance/global-id.js';

/**
 * Whom an event reaches besides admins: EVERYBODY signed in, members of ITS_DOMAIN, of the READER's domain that it names, of
 * ANOTHER_DOMAIN, its AUTHOR, or SOMEBODY by name.
 */
type Circle = 'EVERYBODY' | 'ITS_DOMAIN' | 'READER' | 'ANOTHER_DOMAIN' | 'AUTHOR' | 'SOMEBODY';

interface Row {
  type: string;
  domainId: string | null;
  audiencePublic: boolean;
  audienceDomains: string[];
  audienceSubjects: string[];
  author: string;
  reader: string | null;
}

/** What may happen in between or not; it goes the way of ResourceRetried. */
const BY_CHANCE: ReadonlySet<string> = new Set(['ResourceStuck', 'ResourceDrifted', 'ResourceRepaired']);

/** The circles that events of each type in the log reach, each way once. */
export async function reachesOf(owner: pg.Pool): Promise<Record<string, string[]>> {
  const { rows } = await owner.query<Row>(
    `SELECT "type", "domainId"::text, "audiencePublic", "audienceDomains"::text[], "audienceSubjects", "actor" ->> 'subject' AS "author",
       "data" ->> 'consumerDomain' AS "reader" FROM "Event" ORDER BY "type"`,
  );
  const found = new Map<string, Set<string>>();
  for (const row of rows.filter(({ type }) => !BY_CHANCE.has(type)))
    found.set(row.type, (found.get(row.type) ?? new Set()).add(circlesOf(row).join(' ')));
  return Object.fromEntries([...found].map(([type, ways]) => [type, [...ways].sort()]));
}

function circlesOf({ domainId, audiencePublic, audienceDomains, audienceSubjects, author, reader }: Row): Circle[] {
  const domains = audienceDomains.map((id): Circle => {
    if (id === domainId) return 'ITS_DOMAIN';
    return globalId('Domain', id) === reader ? 'READER' : 'ANOTHER_DOMAIN';
  });
  const people = audienceSubjects.map((subject): Circle => (subject === author ? 'AUTHOR' : 'SOMEBODY'));
  const circles = new Set([...(audiencePublic ? (['EVERYBODY'] as const) : []), ...domains, ...people]);
  return [...circles].sort();
}

const ACCESS = 'ITS_DOMAIN READER SOMEBODY';
const ASKED = 'AUTHOR ITS_DOMAIN READER';
const CATALOGUE = 'EVERYBODY ITS_DOMAIN';
const ADMINS = '';

/**
 * Whom what happens in the examples and in the demo mesh is told: changes of the catalogue everybody who may see the product, access both domains
 * and who asked, what decides everybody, and the rest those whose affair it is. A new type fails without a line.
 */
export const REACHES: Record<string, string[]> = {
  AccessApproved: [ACCESS],
  AccessCancelled: [ASKED],
  AccessExtended: [ACCESS],
  AccessGranted: [ACCESS],
  AccessRejected: [ACCESS],
  AccessRequestCommented: [ASKED],
  // To those who can decide, and who asked; the product's owners and stewards find it in the audit trail.
  AccessRequestEscalated: ['SOMEBODY'],
  AccessRequestReminded: ['SOMEBODY'],
  AccessRequested: [ASKED],
  AccessRevoked: [ACCESS],
  AccessRevoking: [ACCESS],
  DataContractActivated: [CATALOGUE, 'ITS_DOMAIN'],
  DataContractDeprecated: [CATALOGUE],
  DataContractProposed: [CATALOGUE, 'ITS_DOMAIN'],
  DataProductDeprecated: [CATALOGUE],
  DataProductPublished: ['ITS_DOMAIN'],
  DataProductReady: [CATALOGUE],
  DataProductRegistered: ['ITS_DOMAIN'],
  DataProductRetired: [CATALOGUE],
  DataProductUpdated: ['ITS_DOMAIN'],
  DeputyEnded: ['ITS_DOMAIN SOMEBODY'],
  DeputyNamed: ['AUTHOR ITS_DOMAIN SOMEBODY'],
  // By the visibility of its type.
  DomainEventReceived: [CATALOGUE, 'ITS_DOMAIN'],
  DomainReady: [CATALOGUE],
  DomainRegistered: [CATALOGUE],
  // The domain itself, its routes, its members.
  DomainUpdated: [CATALOGUE, 'ITS_DOMAIN', 'ITS_DOMAIN SOMEBODY'],
  EventsRedriven: ['AUTHOR'],
  PolicyActivated: ['AUTHOR EVERYBODY'],
  PolicyDeactivated: ['AUTHOR EVERYBODY'],
  PolicyDrafted: ['AUTHOR'],
  PublisherPaused: ['AUTHOR'],
  PublisherResumed: ['AUTHOR'],
  QuarantinedEventDiscarded: ['AUTHOR ITS_DOMAIN'],
  QuarantinedEventReleased: ['AUTHOR ITS_DOMAIN'],
  ResourceDriftAcknowledged: ['ITS_DOMAIN'],
  ResourceRetried: ['ITS_DOMAIN'],
  ServiceAccountRegistered: ['ITS_DOMAIN SOMEBODY'],
  ServiceAccountRemoved: ['ITS_DOMAIN SOMEBODY'],
  ServiceAccountSecretCreated: ['ITS_DOMAIN SOMEBODY'],
  ServiceAccountSecretRevoked: ['ITS_DOMAIN SOMEBODY'],
  TokenCreated: ['AUTHOR'],
  TokenRevoked: ['AUTHOR'],
  // Of webhooks of the whole mesh.
  WebhookDisabled: [ADMINS],
  WebhookEnabled: [ADMINS],
  WebhookPinged: [ADMINS],
  WebhookRedelivered: [ADMINS],
  WebhookRegistered: [ADMINS],
  WebhookRemoved: [ADMINS],
  WebhookSecretRotated: [ADMINS],
  WebhookUpdated: [ADMINS],
};
