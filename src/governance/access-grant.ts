import { z } from 'zod';
import { announceAccess } from './announce.js';
import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { beginRevoke } from './revoke.js';
import { accessSubject, lockGrant } from './rows.js';
import { mutate } from './transaction.js';
import { ACCESS_GRANT, step } from './transitions.js';
import { idempotencyKey, read, text, uuid } from './validation.js';

const revokeAccessInput = z.object({ accessGrant: uuid, reason: text(2_000), idempotencyKey });
export type RevokeAccessInput = z.input<typeof revokeAccessInput>;

/** Ends a grant: denied from the commit on, REVOKED once AWS's governance side is gone. */
export async function revokeAccess(ctx: Context, input: RevokeAccessInput): Promise<{ accessGrantId: string }> {
  const { accessGrant: id, reason } = read(revokeAccessInput, input);
  return mutate(ctx, { mutation: 'revokeAccess', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const grant = await lockGrant(tx, id);
    assertCan(ctx.viewer, 'access-grant:revoke', accessSubject(grant));
    const data = {
      before: { status: grant.status },
      after: { status: step(ACCESS_GRANT, grant.status, 'revoke') },
      principals: grant.request.principals,
      reason,
    };
    // Who ended it, before AWS answers: AccessRevoked is Meshgate's own word, later.
    await announceAccess(tx, ctx, { type: 'AccessRevoking', access: grant, data });
    const lanes = await beginRevoke(ctx, tx, { grant, reason, endsAs: 'REVOKED' });
    return { ids: { accessGrantId: id }, lanes };
  });
}
