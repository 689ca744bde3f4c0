import { type CommentAccessRequestInput, commentAccessRequest as commentInput } from './access-request.input.js';
import { announceAccess } from './announce.js';
import { assertCan } from './authorization.js';
import type { Context } from './context.js';
import { conflict } from './error.js';
import { accessSubject, lockRequest } from './rows.js';
import { mutate } from './transaction.js';
import { read } from './validation.js';

/** A request is talked over here, not archived: beyond this the talk belongs elsewhere. */
const MOST_COMMENTS = 500;

/**
 * Says something about a request, to all who see it. The event names who and which request and leaves the words out: it also goes to
 * buses, where more people read than may see the request. Throws CONFLICT where the request has all the comments it takes.
 */
export async function commentAccessRequest(
  ctx: Context,
  input: CommentAccessRequestInput,
): Promise<{ accessRequestId: string }> {
  const { accessRequest: id, text } = read(commentInput, input);
  return mutate(ctx, { mutation: 'commentAccessRequest', idempotencyKey: input.idempotencyKey, input }, async (tx) => {
    const request = await lockRequest(tx, id);
    assertCan(ctx.viewer, 'access-request:comment', accessSubject(request));
    const { subject: author } = ctx.viewer;
    if ((await tx.accessRequestComment.count({ where: { requestId: id } })) >= MOST_COMMENTS)
      throw conflict(`The request has ${MOST_COMMENTS} comments, and takes no more.`);
    await tx.accessRequestComment.create({ data: { requestId: id, author, text } });
    const data = { commentedBy: author };
    await announceAccess(tx, ctx, { type: 'AccessRequestCommented', access: request, data });
    return { ids: { accessRequestId: id } };
  });
}
