import { append, type NewEvent } from '../events/append.js';
import type { Actor, Audience, EVENT_TYPES, EventData, EventType } from '../events/types.js';
import type {
  DataContract,
  Domain,
  PersonalAccessToken,
  Policy,
  QuarantinedEvent,
  ServiceAccount,
  Webhook,
} from '../generated/prisma/client.js';
import { globalId, PUBLISHER_ID } from './global-id.js';
import type { GrantRow, ProductRow, RequestRow } from './rows.js';
import type { Tx } from './transaction.js';

/** Says what happened to whom, with the audience that the object has. Call after the object's row is locked or inserted. */

/** Who did it, and in which request. */
export interface Author {
  actor: Actor;
  correlationId: string;
}

type Data = Record<string, unknown>;
type TypesOf<Noun extends string> = Extract<EventType, `${Noun}${string}`>;
/** One of these types with its data, but for the fields that the announcement adds by itself. */
type News<T extends EventType, Added extends string = never> = {
  [K in T]: { type: K; data: Omit<EventData<K>, Added> };
}[T];

type OfProduct = keyof ReturnType<typeof ofProduct>;

type DomainNews = News<TypesOf<'Domain' | 'Deputy'>> & {
  domain: Domain;
  /** Membership is the domain's own affair; `subjects` are those it touches. Without them everybody signed in hears it. */
  subjects?: string[];
};

export async function announceDomain(
  tx: Tx,
  author: Author,
  { type, domain, subjects, data }: DomainNews,
): Promise<void> {
  const audience = { public: subjects === undefined, domains: [domain.id], subjects: subjects ?? [] };
  const subject = {
    type: 'Domain' as const,
    id: globalId('Domain', domain.id),
    name: domain.name,
    domain: domain.name,
  };
  await append(tx, {
    type,
    subject,
    subjectId: domain.id,
    domainId: domain.id,
    audience,
    ...authorship(author),
    data,
  } as NewEvent);
}

type ProductNews = News<
  TypesOf<'DataProduct'> | 'SchemaChanged' | 'ContractViolated' | 'QualityEvaluated' | 'HealthReported',
  OfProduct
> & {
  product: ProductRow;
  /** Whether it is (or was until now) part of the published catalogue, which everybody sees; else the domain's members alone hear it. */
  published: boolean;
};

export async function announceProduct(
  tx: Tx,
  author: Author,
  { type, product, published, data }: ProductNews,
): Promise<void> {
  await append(tx, {
    type,
    subject: {
      type: 'DataProduct',
      id: globalId('DataProduct', product.id),
      name: product.name,
      domain: product.domain.name,
    },
    subjectId: product.id,
    domainId: product.domainId,
    productId: product.id,
    audience: productAudience(product, published),
    ...authorship(author),
    data: { ...ofProduct(product, data), ...data },
  } as NewEvent);
}

type ContractNews = News<TypesOf<'DataContract'>, OfProduct | 'odcsId' | 'contractVersion'> & {
  contract: Pick<DataContract, 'id' | 'version' | 'odcsId'>;
  product: ProductRow;
  published: boolean;
};

export async function announceContract(tx: Tx, author: Author, news: ContractNews): Promise<void> {
  const { type, contract, product, published } = news;
  await append(tx, {
    type,
    subject: {
      type: 'DataContract',
      id: globalId('DataContract', contract.id),
      name: `${product.domain.name}/${product.name} ${contract.version}`,
      domain: product.domain.name,
    },
    subjectId: contract.id,
    domainId: product.domainId,
    productId: product.id,
    audience: productAudience(product, published),
    ...authorship(author),
    data: {
      ...ofProduct(product),
      odcsId: contract.odcsId,
      contractVersion: contract.version,
      ...news.data,
    },
  } as NewEvent);
}

type OfAccess = OfProduct | 'accessRequest' | 'consumerDomain';
type AboutGrant = {
  [T in TypesOf<'Access'>]: (typeof EVENT_TYPES)[T]['subject'] extends 'AccessGrant' ? T : never;
}[TypesOf<'Access'>];
/** With the request or the grant that the event is about. */
type AccessNews =
  | (News<Exclude<TypesOf<'Access'>, AboutGrant>, OfAccess> & {
      access: RequestRow;
      /** Those whom it is addressed to, in place of both domains. */
      addressed?: string[];
    })
  | (News<AboutGrant, OfAccess | 'accessGrant'> & { access: GrantRow });

/** Both domains and the requester hear of access. */
export async function announceAccess(
  tx: Tx,
  author: Author,
  { type, access, data, ...news }: AccessNews,
): Promise<void> {
  const addressed = 'addressed' in news ? news.addressed : undefined;
  const request = 'request' in access ? access.request : access;
  const { product, consumerDomain } = access;
  const noun = 'request' in access ? 'AccessGrant' : 'AccessRequest';
  await append(tx, {
    type,
    subject: {
      type: noun,
      id: globalId(noun, access.id),
      name: `${product.domain.name}/${product.name} for ${consumerDomain.name}`,
      domain: product.domain.name,
    },
    subjectId: access.id,
    domainId: product.domainId,
    productId: product.id,
    audience: {
      public: false,
      domains: addressed ? [] : [product.domainId, consumerDomain.id],
      subjects: [...new Set([request.requestedBy, ...(addressed ?? [])])],
    },
    ...authorship(author),
    data: {
      ...ofProduct(product),
      accessRequest: globalId('AccessRequest', request.id),
      consumerDomain: globalId('Domain', consumerDomain.id),
      ...(noun === 'AccessGrant' ? { accessGrant: globalId(noun, access.id) } : {}),
      ...data,
    },
  } as NewEvent);
}

type ServiceAccountNews = News<TypesOf<'ServiceAccount'>, 'member'> & {
  account: Pick<ServiceAccount, 'id' | 'name' | 'subject'>;
  domain: Pick<Domain, 'id' | 'name'>;
};

/** Who belongs to a domain is its own affair, machines too. */
export async function announceServiceAccount(tx: Tx, author: Author, news: ServiceAccountNews): Promise<void> {
  const { type, account, domain, data } = news;
  await append(tx, {
    type,
    subject: {
      type: 'ServiceAccount',
      id: globalId('ServiceAccount', account.id),
      name: account.name,
      domain: domain.name,
    },
    subjectId: account.id,
    domainId: domain.id,
    audience: { public: false, domains: [domain.id], subjects: [account.subject] },
    ...authorship(author),
    data: { member: account.subject, ...data },
  } as NewEvent);
}

type TokenNews = News<TypesOf<'Token'>, 'holder'> & { token: Pick<PersonalAccessToken, 'id' | 'name' | 'subject'> };

/** A token is its holder's affair, and the admins'. */
export async function announceToken(tx: Tx, author: Author, { type, token, data }: TokenNews): Promise<void> {
  await append(tx, {
    type,
    subject: {
      type: 'PersonalAccessToken',
      id: globalId('PersonalAccessToken', token.id),
      name: token.name,
      domain: null,
    },
    subjectId: token.id,
    domainId: null,
    audience: { public: false, domains: [], subjects: [token.subject] },
    ...authorship(author),
    data: { holder: token.subject, ...data },
  } as NewEvent);
}

type PolicyNews = News<TypesOf<'Policy'>> & { policy: Policy & { domain: Domain | null } };

/** What decides is for everybody to know; a draft is for those who may change it. */
export async function announcePolicy(tx: Tx, author: Author, { type, policy, data }: PolicyNews): Promise<void> {
  const domains = policy.domain === null ? [] : [policy.domain.id];
  await append(tx, {
    type,
    subject: {
      type: 'Policy',
      id: globalId('Policy', policy.id),
      name: policy.name,
      domain: policy.domain?.name ?? null,
    },
    subjectId: policy.id,
    domainId: policy.domainId,
    audience: { public: type !== 'PolicyDrafted', domains, subjects: [author.actor.subject] },
    ...authorship(author),
    data,
  } as NewEvent);
}

type PublisherNews = News<'PublisherPaused' | 'PublisherResumed' | 'EventsRedriven'>;

/** How events are sent is the admins' affair. */
export async function announcePublisher(tx: Tx, author: Author, { type, data }: PublisherNews): Promise<void> {
  await append(tx, {
    type,
    subject: { type: 'Publisher', id: globalId('Publisher', PUBLISHER_ID), name: 'EventBridge', domain: null },
    subjectId: PUBLISHER_ID,
    domainId: null,
    audience: { public: false, domains: [], subjects: [author.actor.subject] },
    ...authorship(author),
    data,
  } as NewEvent);
}

type WebhookNews = News<TypesOf<'Webhook'>, 'receiver'> & {
  webhook: Pick<Webhook, 'id' | 'name' | 'url' | 'domainId'> & { domain: Pick<Domain, 'name'> | null };
};

/** Where a domain's events go is its members' to know, where the mesh's go the admins'. Of the URL the host alone is told: the rest may be secret. */
export async function announceWebhook(tx: Tx, author: Author, { type, webhook, data }: WebhookNews): Promise<void> {
  const { id, name, url, domainId, domain } = webhook;
  await append(tx, {
    type,
    subject: { type: 'Webhook', id: globalId('Webhook', id), name, domain: domain?.name ?? null },
    subjectId: id,
    domainId,
    audience: { public: false, domains: domainId === null ? [] : [domainId], subjects: [] },
    ...authorship(author),
    data: { receiver: new URL(url).host, ...data },
  } as NewEvent);
}

interface QuarantineNews {
  event: Pick<QuarantinedEvent, 'id' | 'account' | 'source' | 'detailType' | 'reason' | 'status'>;
  /** The domain of the account that sent it. */
  domain: Pick<Domain, 'id' | 'name'> | null;
  comment: string | null;
}

/** What was decided about a held event; what it says stays with it. */
export async function announceQuarantine(
  tx: Tx,
  author: Author,
  { event, domain, comment }: QuarantineNews,
): Promise<void> {
  const { id, account, source, detailType, reason } = event;
  await append(tx, {
    type: event.status === 'RELEASED' ? 'QuarantinedEventReleased' : 'QuarantinedEventDiscarded',
    subject: {
      type: 'QuarantinedEvent',
      id: globalId('QuarantinedEvent', id),
      name: detailType,
      domain: domain?.name ?? null,
    },
    subjectId: id,
    domainId: domain?.id ?? null,
    audience: { public: false, domains: domain ? [domain.id] : [], subjects: [author.actor.subject] },
    ...authorship(author),
    data: { account, source, detailType, reason, comment },
  });
}

function productAudience(product: ProductRow, published: boolean): Audience {
  return { public: published, domains: [product.domainId], subjects: [] };
}

/** A product with its tags and classification as they are from this event on: what filters of events go by. */
function ofProduct({ id, tags, classification }: ProductRow, news: object = {}) {
  const after = 'after' in news ? (news.after as Partial<Pick<ProductRow, 'tags' | 'classification'>>) : {};
  return {
    tags: after.tags ?? tags,
    classification: after.classification ?? classification,
    dataProduct: globalId('DataProduct', id),
  };
}

const authorship = ({ actor, correlationId }: Author) => ({ actor, correlationId });

/** The fields that differ, as they were and as they are; null when none does. */
export function changes<T extends Data>(before: T, after: T): { before: Partial<T>; after: Partial<T> } | null {
  const changed = Object.keys(after).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
  if (changed.length === 0) return null;
  const pick = (from: T) => Object.fromEntries(changed.map((key) => [key, from[key]])) as Partial<T>;
  return { before: pick(before), after: pick(after) };
}
