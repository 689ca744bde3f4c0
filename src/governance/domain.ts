import type { Domain, DomainRole } from '../generated/prisma/client.js';
import { retryAccount } from '../provisioning/declare.js';
import type { LaneKey } from '../provisioning/lane.js';
import { announceDomain, changes } from './announce.js';
import { assertCan } from './authorization.js';
import { claim, lockClaims, productOwner } from './claims.js';
import type { ActingContext, Context } from './context.js';
import { desiredInForce } from './desired-data-product.js';
import { desiredDomain } from './desired-domain.js';
import {
  type AddDomainMemberInput,
  addDomainMember as addDomainMemberInput,
  changedDomain,
  newDomain,
  type RegisterDomainInput,
  type RemoveDomainMemberInput,
  removeDomainMember as removeDomainMemberInput,
  type UpdateDomainInput,
  updateDomain as updateDomainInput,
} from './domain.input.js';
import { conflict, notFound } from './error.js';
import { refuseUnboundMachines } from './machine.js';
import { domainSubject, lockDomain, type ProductWithTables, readProducts, withContracts } from './rows.js';
import { lockName, mutate, type Tx } from './transaction.js';
import { liesUnder, read } from './validation.js';

/** Registers an AWS account as a domain and declares what the mesh needs in it; the owners become its first members. */
export async function registerDomain(ctx: Context, input: RegisterDomainInput): Promise<{ domainId: string }> {
  assertCan(ctx.viewer, 'domain:register', { type: 'Mesh' });
  const { row, owners } = newDomain(input, ctx.mesh);
  return mutate(ctx, { mutation: 'registerDomain', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    await refuseTaken(tx, row);
    await refuseUnboundMachines(ctx, tx, { path: 'owners', subjects: owners });
    const domain = await tx.domain.create({ data: row });
    await tx.domainMember.createMany({
      data: owners.map((subject) => ({ domainId: domain.id, subject, role: 'OWNER', createdBy: ctx.viewer.subject })),
    });
    const { awsAccountId, awsRegion } = domain;
    const lanes = await claim(tx, {
      owner: { type: 'DOMAIN', id: domain.id },
      resources: desiredDomain(ctx.mesh, domain),
      correlationId: ctx.correlationId,
    });
    await announceDomain(tx, ctx, {
      type: 'DomainRegistered',
      domain,
      // Everybody hears of it: what only members see of a domain stays out.
      data: { displayName: domain.displayName, awsAccountId, awsRegion },
    });
    return { ids: { domainId: domain.id }, lanes };
  });
}

/** Registrations are rare and judged against each other, so they follow one another. */
async function refuseTaken(tx: Tx, row: Pick<Domain, 'name' | 'awsAccountId' | 'dataLocation'>): Promise<void> {
  await lockName(tx, 'registerDomain');
  const others = await tx.domain.findMany({ select: { name: true, awsAccountId: true, dataLocation: true } });
  for (const other of others) {
    if (other.name === row.name) throw conflict(`A domain ${row.name} is registered already.`);
    if (other.awsAccountId === row.awsAccountId) {
      throw conflict(
        `Account ${row.awsAccountId} is the domain ${other.name}'s already: a domain has an account of its own.`,
      );
    }
    if (liesUnder(other.dataLocation, row.dataLocation) || liesUnder(row.dataLocation, other.dataLocation)) {
      throw conflict(
        `The data location overlaps with the domain ${other.name}'s, ${other.dataLocation}: give one of its own.`,
      );
    }
  }
}

/**
 * Changes a domain's names, policies and roles. What follows for AWS is declared anew; under a new role everything that failed in the
 * account is tried again.
 */
export async function updateDomain(ctx: Context, input: UpdateDomainInput): Promise<{ domainId: string }> {
  const given = read(updateDomainInput, input);
  return mutate(ctx, { mutation: 'updateDomain', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const domain = await lockDomain(tx, given.domain);
    assertCan(ctx.viewer, 'domain:update', domainSubject(domain));
    const change = changedDomain(given, domain);
    const ids = { domainId: domain.id };
    const difference = changes<Record<string, unknown>>(domain, change);
    if (difference === null) return { ids };
    const newRole = 'roleArn' in difference.after;
    if (newRole) assertCan(ctx.viewer, 'domain:update-role', domainSubject(domain));
    const after = await tx.domain.update({ where: { id: domain.id }, data: change });
    const lanes = await declareAnew(ctx, tx, { domain: after, changed: Object.keys(difference.after) });
    if (newRole) lanes.push(...(await retryAccount(tx, after.awsAccountId)));
    const { before, after: became } = difference;
    const data = { changed: Object.keys(became), before: shown(before), after: shown(became) };
    await announceDomain(tx, ctx, { type: 'DomainUpdated', domain: after, data });
    return { ids, lanes };
  });
}

/** What the AWS objects of a domain's products are made of, and what those of the domain are. */
const IN_PRODUCTS = ['workflowRoleArn', 'crawlerRoleArn'];
const IN_AWS = ['manageSettings', 'roleArn', 'eventTargetRoleArn', ...IN_PRODUCTS];
/** Everybody hears of a change: of what only members see, its name alone. */
const shown = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([field]) => !field.endsWith('Arn')));

/**
 * Declares what the domain needs, and its products where a role of theirs changed: a few statements for each, as all that is read and
 * locked comes in one. The products' rows are locked, so that none is published meanwhile by the old roles. What stands was publishable
 * when it was published, and is not judged again.
 */
async function declareAnew(
  ctx: Context,
  tx: Tx,
  { domain, changed }: { domain: Domain; changed: string[] },
): Promise<LaneKey[]> {
  if (!changed.some((field) => IN_AWS.includes(field))) return [];
  return declareStanding(ctx, tx, { domain, products: changed.some((field) => IN_PRODUCTS.includes(field)) });
}

/** Declares what a domain needs of AWS, and where asked what all its products that are in force need, as this configuration and version see it. */
export async function declareStanding(
  ctx: Pick<ActingContext, 'mesh' | 'correlationId'>,
  tx: Tx,
  { domain, products: withProducts }: { domain: Domain; products: boolean },
): Promise<LaneKey[]> {
  const standing = withProducts ? await lockStanding(tx, domain) : [];
  const products = await withContracts(tx, standing);
  const routes = await tx.eventRoute.findMany({ where: { domainId: domain.id }, orderBy: { name: 'asc' } });
  const claims = [
    { owner: { type: 'DOMAIN' as const, id: domain.id }, resources: desiredDomain(ctx.mesh, domain, routes) },
    ...products.map((product) => ({
      owner: productOwner(product),
      resources: desiredInForce(ctx.mesh, product),
    })),
  ];
  await lockClaims(
    tx,
    claims.map(({ owner }) => owner),
  );
  const lanes: LaneKey[] = [];
  for (const each of claims) lanes.push(...(await claim(tx, { ...each, correlationId: ctx.correlationId })));
  return lanes;
}

/** The domain's products that are in AWS, with their tables. All of its products are locked, in order of id. */
async function lockStanding(tx: Tx, { id }: Domain): Promise<ProductWithTables[]> {
  const locked = await tx.$queryRaw<{ id: string }[]>`
    SELECT "id"::text FROM "DataProduct" WHERE "domainId" = ${id}::uuid ORDER BY "id" FOR NO KEY UPDATE`;
  const products = await readProducts(
    tx,
    locked.map((row) => row.id),
  );
  return [...products.values()].filter(({ status }) => status !== 'DRAFT' && status !== 'RETIRED');
}

/** Makes somebody a member, or changes the role that he has. */
export async function addDomainMember(ctx: Context, input: AddDomainMemberInput): Promise<{ domainId: string }> {
  const { domain: domainId, subject, role } = read(addDomainMemberInput, input);
  const mutation = { mutation: 'addDomainMember', idempotencyKey: input.idempotencyKey, input };
  return mutate(ctx, { ...mutation, member: { domainId, subject } }, async (tx) => {
    const domain = await lockDomain(tx, domainId);
    assertCan(ctx.viewer, 'domain:change-members', domainSubject(domain));
    await refuseUnboundMachines(ctx, tx, { path: 'subject', subjects: [subject] });
    const member = await tx.domainMember.findUnique({ where: { domainId_subject: { domainId, subject } } });
    if (member?.role === role) return { ids: { domainId } };
    if (member?.role === 'OWNER') await refuseLastOwner(tx, domain);
    await tx.domainMember.upsert({
      where: { domainId_subject: { domainId, subject } },
      create: { domainId, subject, role, createdBy: ctx.viewer.subject },
      update: { role },
    });
    await announceMember(tx, ctx, { domain, subject, before: member?.role ?? null, after: role });
    return { ids: { domainId } };
  });
}

/** Ends a membership; the last owner stays. */
export async function removeDomainMember(ctx: Context, input: RemoveDomainMemberInput): Promise<{ domainId: string }> {
  const { domain: domainId, subject } = read(removeDomainMemberInput, input);
  const mutation = { mutation: 'removeDomainMember', idempotencyKey: input.idempotencyKey, input };
  return mutate(ctx, { ...mutation, member: { domainId, subject } }, async (tx) => {
    const domain = await lockDomain(tx, domainId);
    assertCan(ctx.viewer, 'domain:change-members', domainSubject(domain));
    const member = await tx.domainMember.findUnique({ where: { domainId_subject: { domainId, subject } } });
    if (member === null) throw notFound(`A member ${subject} of the domain`);
    if (member.role === 'OWNER') await refuseLastOwner(tx, domain);
    await tx.domainMember.delete({ where: { id: member.id } });
    await announceMember(tx, ctx, { domain, subject, before: member.role, after: null });
    return { ids: { domainId } };
  });
}

/** The domain's row is locked: nobody else takes owners away meanwhile. */
export async function refuseLastOwner(tx: Tx, domain: Domain): Promise<void> {
  const owners = await tx.domainMember.count({ where: { domainId: domain.id, role: 'OWNER' } });
  if (owners <= 1) throw conflict(`This is the last owner of ${domain.name}: make somebody else an owner first.`);
}

interface MemberChange {
  domain: Domain;
  subject: string;
  before: DomainRole | null;
  after: DomainRole | null;
}

function announceMember(tx: Tx, ctx: Context, { domain, subject, before, after }: MemberChange): Promise<void> {
  const data = { member: subject, before: { role: before }, after: { role: after } };
  return announceDomain(tx, ctx, { type: 'DomainUpdated', domain, subjects: [subject], data });
}
