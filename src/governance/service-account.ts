import { SYSTEM_ACTOR } from '../events/types.js';
import type { Domain, ServiceAccount } from '../generated/prisma/client.js';
import { announceServiceAccount } from './announce.js';
import { assertCan, assertTokenAllows, can } from './authorization.js';
import type { Context } from './context.js';
import { refuseLastOwner } from './domain.js';
import { conflict, notFound, wrongState } from './error.js';
import type { WithSecret } from './personal-access-token.js';
import { domainSubject, lockDomain } from './rows.js';
import { newRowId, newSecret } from './secret.js';
import {
  ownSubject,
  type RegisterServiceAccountInput,
  type RemoveServiceAccountInput,
  type RevokeServiceAccountSecretInput,
  type RotateServiceAccountSecretInput,
  readRegistration,
  removeInput,
  revokeSecretInput,
  rotateInput,
} from './service-account.input.js';
import { mutate, type Tx } from './transaction.js';
import { read } from './validation.js';

/** Makes a machine a member of a domain. Without an identity at an issuer it gets its first secret. */
export async function registerServiceAccount(
  ctx: Context,
  input: RegisterServiceAccountInput,
): Promise<WithSecret<{ serviceAccountId: string }>> {
  assertTokenAllows(ctx.viewer, 'domain:change-service-accounts');
  const given = readRegistration(ctx, input);
  const mutation = { mutation: 'registerServiceAccount', idempotencyKey: input.idempotencyKey, input };
  let secret: string | null = null;
  let replayed = true;
  const ids = await mutate(ctx, mutation, async (tx) => {
    const domain = await lockDomain(tx, given.domain);
    assertCan(ctx.viewer, 'domain:change-service-accounts', domainSubject(domain));
    const { name, description, role, identity } = given;
    const subject = identity?.subject ?? ownSubject(domain.name, name);
    await refuseTaken(tx, domain, { name, subject });
    const createdBy = ctx.viewer.subject;
    const { issuer, issuerSubject } = identity ?? { issuer: null, issuerSubject: null };
    const account = await tx.serviceAccount.create({
      data: { domainId: domain.id, name, description, subject, issuer, issuerSubject, createdBy },
    });
    await tx.domainMember.create({ data: { domainId: domain.id, subject, role, createdBy } });
    const made = identity ? null : await makeSecret(ctx, tx, { account, slot: 1, expiresAt: given.expiresAt });
    secret = made?.text ?? null;
    replayed = false;
    const data = { role, issuer, ...made?.shown };
    await announceServiceAccount(tx, ctx, { type: 'ServiceAccountRegistered', account, domain, data });
    return { ids: { serviceAccountId: account.id } };
  });
  return { ...ids, secret, replayed };
}

/** The domain's row is locked: names are given one after the other. */
async function refuseTaken(
  tx: Tx,
  domain: Domain,
  { name, subject }: { name: string; subject: string },
): Promise<void> {
  const where = { domainId_name: { domainId: domain.id, name } };
  if (await tx.serviceAccount.findUnique({ where })) {
    throw conflict(`${domain.name} has or had a service account ${name}: a name is not given twice, choose another.`);
  }
  if (await tx.serviceAccount.findFirst({ where: { subject, removedAt: null } })) {
    throw conflict(`${subject} is bound to a service account already.`);
  }
  if (await tx.domainMember.findUnique({ where: { domainId_subject: { domainId: domain.id, subject } } })) {
    throw conflict(`${subject} is a member of ${domain.name} already: end that membership first.`);
  }
}

/** Gives an account a second secret, so that the first can be replaced everywhere before it is revoked. */
export async function rotateServiceAccountSecret(
  ctx: Context,
  input: RotateServiceAccountSecretInput,
): Promise<WithSecret<{ serviceAccountId: string }>> {
  assertTokenAllows(ctx.viewer, 'domain:change-service-accounts');
  const { serviceAccount, expiresAt } = read(rotateInput, input);
  const mutation = { mutation: 'rotateServiceAccountSecret', idempotencyKey: input.idempotencyKey, input };
  let secret: string | null = null;
  const ids = await mutate(ctx, mutation, async (tx) => {
    const { account, domain } = await lockAccount(ctx, tx, { id: serviceAccount });
    if (account.issuer !== null) {
      throw wrongState('BOUND', `${account.name} signs in at ${account.issuer}: rotate its credentials there.`);
    }
    refuseRemoved(account);
    const made = await makeSecret(ctx, tx, { account, slot: await freeSlot(tx, account), expiresAt });
    secret = made.text;
    const data = made.shown;
    await announceServiceAccount(tx, ctx, { type: 'ServiceAccountSecretCreated', account, domain, data });
    return { ids: { serviceAccountId: account.id } };
  });
  return { ...ids, secret, replayed: secret === null };
}

/** The account's row is locked. What has expired makes room. */
async function freeSlot(tx: Tx, { id: serviceAccountId }: ServiceAccount): Promise<1 | 2> {
  await tx.serviceAccountSecret.updateMany({
    where: { serviceAccountId, revokedAt: null, expiresAt: { lte: new Date() } },
    data: { slot: null, revokedAt: new Date(), revokedBy: SYSTEM_ACTOR.subject },
  });
  const live = await tx.serviceAccountSecret.findMany({ where: { serviceAccountId, revokedAt: null } });
  if (live.length >= 2)
    throw conflict('The account has two live secrets: revoke the one that is no longer used first.');
  return live.some(({ slot }) => slot === 1) ? 2 : 1;
}

interface SecretToMake {
  account: ServiceAccount;
  slot: 1 | 2;
  expiresAt: Date;
}

/** Keeps the hash; answers the text, and what everybody may be told of it. */
async function makeSecret(ctx: Context, tx: Tx, { account, slot, expiresAt }: SecretToMake) {
  const id = newRowId();
  const { text, hash } = newSecret('SERVICE_ACCOUNT_SECRET', id);
  const by = { createdAt: new Date(), createdBy: ctx.viewer.subject };
  await tx.serviceAccountSecret.create({ data: { id, serviceAccountId: account.id, slot, hash, expiresAt, ...by } });
  return { text, shown: { tokenId: id, expiresAt: expiresAt.toISOString() } };
}

/** Ends a secret at once; one that was ended before stays as it is. */
export async function revokeServiceAccountSecret(
  ctx: Context,
  input: RevokeServiceAccountSecretInput,
): Promise<{ serviceAccountId: string }> {
  assertTokenAllows(ctx.viewer, 'domain:change-service-accounts');
  const { secret: secretId } = read(revokeSecretInput, input);
  const mutation = { mutation: 'revokeServiceAccountSecret', idempotencyKey: input.idempotencyKey, input };
  return mutate(ctx, mutation, async (tx) => {
    const named = await tx.serviceAccountSecret.findUnique({ where: { id: secretId } });
    if (named === null) throw notFound('The secret');
    const { account, domain } = await lockAccount(ctx, tx, { id: named.serviceAccountId, asked: 'The secret' });
    const ids = { serviceAccountId: account.id };
    const ended = await endSecrets(ctx, tx, { id: secretId });
    if (ended === 0) return { ids };
    const data = { tokenId: secretId };
    await announceServiceAccount(tx, ctx, { type: 'ServiceAccountSecretRevoked', account, domain, data });
    return { ids };
  });
}

/** Ends an account for good: its secrets, and its membership in its domain. */
export async function removeServiceAccount(
  ctx: Context,
  input: RemoveServiceAccountInput,
): Promise<{ serviceAccountId: string }> {
  assertTokenAllows(ctx.viewer, 'domain:change-service-accounts');
  const { serviceAccount } = read(removeInput, input);
  const member = await ctx.db.serviceAccount.findUnique({
    where: { id: serviceAccount },
    select: { domainId: true, subject: true },
  });
  const mutation = { mutation: 'removeServiceAccount', idempotencyKey: input.idempotencyKey, input };
  return mutate(ctx, { ...mutation, member: member ?? undefined }, async (tx) => {
    const { account, domain } = await lockAccount(ctx, tx, { id: serviceAccount });
    const ids = { serviceAccountId: account.id };
    if (account.removedAt !== null) return { ids };
    await endSecrets(ctx, tx, { serviceAccountId: account.id });
    const where = { domainId_subject: { domainId: domain.id, subject: account.subject } };
    const member = await tx.domainMember.findUnique({ where });
    if (member?.role === 'OWNER') await refuseLastOwner(tx, domain);
    if (member) await tx.domainMember.delete({ where });
    const removed = { removedAt: new Date(), removedBy: ctx.viewer.subject };
    await tx.serviceAccount.update({ where: { id: account.id }, data: removed });
    const data = { before: { role: member?.role ?? null }, after: { role: null } };
    await announceServiceAccount(tx, ctx, { type: 'ServiceAccountRemoved', account, domain, data });
    return { ids };
  });
}

async function endSecrets(ctx: Context, tx: Tx, where: { id: string } | { serviceAccountId: string }): Promise<number> {
  const ended = { slot: null, revokedAt: new Date(), revokedBy: ctx.viewer.subject };
  return (await tx.serviceAccountSecret.updateMany({ where: { ...where, revokedAt: null }, data: ended })).count;
}

function refuseRemoved({ removedAt, name }: ServiceAccount): void {
  if (removedAt !== null) throw wrongState('REMOVED', `${name} was removed: register another account.`);
}

/** An account, and how a message calls what was asked for where it may not be seen. */
interface Named {
  id: string;
  asked?: string;
}

/** Locks the domain and the account, in this order. Whoever may not see the account learns nothing of it. */
async function lockAccount(
  ctx: Context,
  tx: Tx,
  { id, asked = 'The service account' }: Named,
): Promise<{ account: ServiceAccount; domain: Domain }> {
  const named = await tx.serviceAccount.findUnique({ where: { id } });
  if (named === null || !can(ctx.viewer, 'domain:read-service-accounts', { type: 'Domain', id: named.domainId })) {
    throw notFound(asked);
  }
  const domain = await lockDomain(tx, named.domainId);
  assertCan(ctx.viewer, 'domain:change-service-accounts', domainSubject(domain));
  await tx.$queryRaw`SELECT 1 FROM "ServiceAccount" WHERE "id" = ${id}::uuid FOR NO KEY UPDATE`;
  return { account: await tx.serviceAccount.findUniqueOrThrow({ where: { id } }), domain };
}
