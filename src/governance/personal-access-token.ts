import { z } from 'zod';
import { TokenScope } from '../generated/prisma/enums.js';
import { announceToken } from './announce.js';
import { assertCan, assertTokenAllows } from './authorization.js';
import type { Context } from './context.js';
import { conflict, notFound } from './error.js';
import { newRowId, newSecret } from './secret.js';
import { lockName, mutate, type Tx } from './transaction.js';
import { idempotencyKey, read, secretEnd, text, uuid } from './validation.js';

/** What a mutation answers that makes a secret: its text, unless that was told before, under the same idempotency key. */
export type WithSecret<Ids> = Ids & { secret: string | null; replayed: boolean };

/** Nobody needs more at once; each is one more that can be lost. */
const MOST_LIVE = 50;

const createInput = z.object({
  name: text(100),
  scopes: z
    .array(z.enum(TokenScope))
    .min(1, 'Give at least one scope.')
    .transform((scopes) => [...new Set(scopes)].sort()),
  expiresAt: secretEnd,
  idempotencyKey,
});
export type CreatePersonalAccessTokenInput = z.input<typeof createInput>;

/** Makes a token for the person who asks, never wider than he is: what it may do is asked anew at each use. */
export async function createPersonalAccessToken(
  ctx: Context,
  input: CreatePersonalAccessTokenInput,
): Promise<WithSecret<{ personalAccessTokenId: string }>> {
  assertCan(ctx.viewer, 'token:create', { type: 'Mesh' });
  const { name, scopes, expiresAt } = read(createInput, input);
  const { subject } = ctx.viewer;
  const mutation = { mutation: 'createPersonalAccessToken', idempotencyKey: input.idempotencyKey, input };
  let secret: string | null = null;
  const ids = await mutate(ctx, mutation, async (tx) => {
    await refuseTooMany(tx, subject);
    const id = newRowId();
    const made = newSecret('PERSONAL_ACCESS_TOKEN', id);
    secret = made.text;
    const life = { createdAt: new Date(), expiresAt };
    const token = await tx.personalAccessToken.create({
      data: { id, subject, holderName: ctx.viewer.name, name, scopes, hash: made.hash, ...life },
    });
    await announceToken(tx, ctx, { type: 'TokenCreated', token, data: { scopes, expiresAt: expiresAt.toISOString() } });
    return { ids: { personalAccessTokenId: id } };
  });
  return { ...ids, secret, replayed: secret === null };
}

/** Counted under a lock of the holder's, so that two at once do not both find room. */
async function refuseTooMany(tx: Tx, subject: string): Promise<void> {
  await lockName(tx, `tokens ${subject}`);
  const live = await tx.personalAccessToken.count({
    where: { subject, revokedAt: null, expiresAt: { gt: new Date() } },
  });
  if (live >= MOST_LIVE) throw conflict(`You have ${live} tokens: revoke one that you do not need first.`);
}

const revokeInput = z.object({ personalAccessToken: uuid, idempotencyKey });
export type RevokePersonalAccessTokenInput = z.input<typeof revokeInput>;

/** Ends a token at once; one that was ended before stays as it is. */
export async function revokePersonalAccessToken(
  ctx: Context,
  input: RevokePersonalAccessTokenInput,
): Promise<{ personalAccessTokenId: string }> {
  assertTokenAllows(ctx.viewer, 'token:revoke');
  const { personalAccessToken: id } = read(revokeInput, input);
  const mutation = { mutation: 'revokePersonalAccessToken', idempotencyKey: input.idempotencyKey, input };
  return mutate(ctx, mutation, async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM "PersonalAccessToken" WHERE "id" = ${id}::uuid FOR NO KEY UPDATE`;
    const token = await tx.personalAccessToken.findUnique({ where: { id } });
    if (token === null) throw notFound('The token');
    assertCan(ctx.viewer, 'token:revoke', { type: 'Token', subject: token.subject });
    const ids = { personalAccessTokenId: id };
    if (token.revokedAt !== null) return { ids };
    const ended = { revokedAt: new Date(), revokedBy: ctx.viewer.subject };
    await tx.personalAccessToken.update({ where: { id }, data: ended });
    await announceToken(tx, ctx, { type: 'TokenRevoked', token, data: {} });
    return { ids };
  });
}
