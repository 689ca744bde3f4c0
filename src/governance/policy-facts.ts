import { createHash } from 'node:crypto';
import type { CedarValueJson, EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import canonicalize from 'canonicalize';
import type { AccessMode, Classification, DomainRole, GrantTarget, Permission } from '../generated/prisma/client.js';
import type { Question } from './cedar/engine.js';
import type { PolicyAction } from './cedar/schema.js';
import { strictest } from './confidentiality.js';

/** A person as policies see him: his roles in the domains that the request concerns, by their slugs. */
export interface PersonFacts {
  subject: string;
  admin: boolean;
  roles: Record<string, DomainRole>;
}

/** A product as policies see it. */
export interface ProductFacts {
  domain: string;
  name: string;
  classification: Classification;
  tags: string[];
  accessMode: AccessMode;
  /** The version of the contract in force. */
  contract: string | null;
}

/** Columns of one table that are alike. */
export interface ColumnFacts {
  table: string;
  names: string[];
  pii: boolean;
  /** Its own, or the product's. */
  classification: Classification;
}

/** What policies judge of a request: they are asked about this and nothing else, so it can be judged again by others. */
export interface AccessFacts {
  requester: PersonFacts;
  /** Who registered the requester or made a secret of it, where that is a service account. */
  makers?: string[];
  product: ProductFacts;
  /** The slug of the domain that asks. */
  consumer: string;
  purpose: string;
  namedPurpose: string | null;
  /** For how long from now on, in days begun; null: without an end. */
  days: number | null;
  principals: string[];
  accounts: string[];
  permissions: Permission[];
  grantTo: GrantTarget;
  tables: string[];
  rowFilter: boolean;
  /** Another end of a grant that is there. */
  extension: boolean;
  /** Those that would be opened, or that decide which rows are. */
  columns: ColumnFacts[];
}

/** How many approved in which role; `total` is of both. */
export interface Approvals {
  owners: number;
  stewards: number;
}

const DAY = 86_400_000;
/** Clocks of clients differ from the database's: "90 days from now" stays 90 days. */
const MINUTE = 60_000;

/** The days begun from now to the end. */
export function daysUntil(end: Date | null, now: Date): number | null {
  return end === null ? null : Math.max(1, Math.ceil((end.getTime() - now.getTime() - MINUTE) / DAY));
}

const domainId = (name: string): TypeAndId => ({ type: 'Domain', id: name });
const userId = (subject: string): TypeAndId => ({ type: 'User', id: subject });
const reference = (uid: TypeAndId): CedarValueJson => ({ __entity: uid });
const listed = (type: string, values: readonly string[]) => values.map((id) => reference({ type, id }));

function userEntity({ subject, admin, roles }: PersonFacts): EntityJson {
  const names = Object.keys(roles).sort();
  const having = (role: DomainRole) => names.filter((name) => roles[name] === role);
  return {
    uid: userId(subject),
    attrs: {
      subject,
      admin,
      owns: listed('Domain', having('OWNER')),
      stewards: listed('Domain', having('STEWARD')),
      belongsTo: listed('Domain', names),
    },
    parents: [],
  };
}

const productId = ({ domain, name }: ProductFacts): TypeAndId => ({ type: 'DataProduct', id: `${domain}/${name}` });

function productEntity(product: ProductFacts): EntityJson {
  const { domain, name, classification, tags, accessMode, contract } = product;
  return {
    uid: productId(product),
    attrs: {
      domain: reference(domainId(domain)),
      name,
      classification: reference({ type: 'Classification', id: classification }),
      tags,
      accessMode: reference({ type: 'AccessMode', id: accessMode }),
      ...(contract === null ? {} : { contract }),
    },
    parents: [domainId(domain)],
  };
}

const domainEntity = (name: string): EntityJson => ({ uid: domainId(name), attrs: {}, parents: [] });

/** Whether any of the columns holds personal data. */
export const personal = (columns: ColumnFacts[]): boolean => columns.some(({ pii }) => pii);

/** How strict the data is that a request would open: the strictest of the product and of these columns. */
export const classificationOf = ({ product, columns }: AccessFacts): Classification =>
  strictest([product.classification, ...columns.map(({ classification }) => classification)]);

/**
 * sha256 over what an approver decides about, hex: the facts that may be others by tomorrow, and the end that was asked for. Who asks, for
 * whom and what for stays with the request; the days until the end follow from time alone. Columns count one by one, however they are grouped.
 */
export function factsDigest({ product, tables, grantTo, extension, columns }: AccessFacts, until: Date | null): string {
  const each = columns.flatMap(({ table, names, pii, classification }) =>
    names.map((name) => `${table}.${name} ${pii ? 'pii ' : ''}${classification}`),
  );
  const decided = { product, tables, grantTo, extension, columns: each.sort(), until: until?.toISOString() ?? null };
  return createHash('sha256')
    .update(canonicalize(decided) as string)
    .digest('hex');
}

const contexts = new WeakMap<AccessFacts, Question['context']>();

/** The same object for the same facts, so that it is hashed once however much is asked about them. */
function accessContext(facts: AccessFacts): Question['context'] {
  const known = contexts.get(facts) ?? contextOf(facts);
  contexts.set(facts, known);
  return known;
}

function contextOf(facts: AccessFacts): Question['context'] {
  const { purpose, namedPurpose, days, principals, accounts, tables, rowFilter, extension } = facts;
  return {
    requester: reference(userId(facts.requester.subject)),
    consumer: reference(domainId(facts.consumer)),
    ...{ purpose, principals, accounts, tables, rowFilter, extension },
    ...(namedPurpose === null ? {} : { namedPurpose }),
    ...(days === null ? {} : { days }),
    permissions: listed('Permission', facts.permissions),
    grantTo: reference({ type: 'GrantTarget', id: facts.grantTo }),
    personalData: personal(facts.columns),
    classification: reference({ type: 'Classification', id: classificationOf(facts) }),
  };
}

/** The entities that a question about access names; one that is named twice stands there once. */
function accessEntities(facts: AccessFacts, principal: PersonFacts): EntityJson[] {
  const people = principal.subject === facts.requester.subject ? [facts.requester] : [facts.requester, principal];
  const domains = [...new Set([facts.product.domain, facts.consumer])];
  return [...people.map(userEntity), ...domains.map(domainEntity), productEntity(facts.product)];
}

/** Whether the requester may have it so: asked, without an end, at once. */
export function askRequest(
  facts: AccessFacts,
  action: Extract<PolicyAction, 'submit' | 'withoutExpiry' | 'autoApprove'>,
): Question {
  return {
    principal: userId(facts.requester.subject),
    action,
    resource: productId(facts.product),
    context: accessContext(facts),
    entities: accessEntities(facts, facts.requester),
  };
}

/** Whether a column may be opened by the request. */
export function askColumn(
  facts: AccessFacts,
  { table, name, pii, classification }: Omit<ColumnFacts, 'names'> & { name: string },
): Question {
  const product = productId(facts.product);
  const uid = { type: 'Column', id: `${product.id}/${table}.${name}` };
  const attrs = {
    domain: reference(domainId(facts.product.domain)),
    product: reference(product),
    ...{ table, name, pii },
    classification: reference({ type: 'Classification', id: classification }),
  };
  return {
    principal: userId(facts.requester.subject),
    action: 'readColumn',
    resource: uid,
    context: accessContext(facts),
    entities: [...accessEntities(facts, facts.requester), { uid, attrs, parents: [product] }],
  };
}

/** Whether an approver's word, with these approvals in all, is enough. */
export function askApproval(facts: AccessFacts, approver: PersonFacts, { owners, stewards }: Approvals): Question {
  return {
    principal: userId(approver.subject),
    action: 'approve',
    resource: productId(facts.product),
    context: { ...accessContext(facts), approvals: { owners, stewards, total: owners + stewards } },
    entities: accessEntities(facts, approver),
  };
}

/** Whether somebody may publish a product. */
export function askPublication(publisher: PersonFacts, product: ProductFacts, columns: ColumnFacts[]): Question {
  return {
    principal: userId(publisher.subject),
    action: 'publish',
    resource: productId(product),
    context: { personalData: personal(columns) },
    entities: [userEntity(publisher), domainEntity(product.domain), productEntity(product)],
  };
}
