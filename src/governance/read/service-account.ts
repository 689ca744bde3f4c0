import { domainShape } from './domain.js';
import { plain, raw, type Shape, sql } from './select.js';
import { everybody, seesServiceAccount } from './visible.js';

/** Read below its account alone. */
export const serviceAccountSecretShape: Shape = {
  type: 'ServiceAccountSecret',
  from: raw('"ServiceAccountSecret"'),
  always: ['id'],
  columns: plain('id', 'createdAt', 'createdBy', 'expiresAt', 'lastUsedAt', 'revokedAt', 'revokedBy'),
  relations: {},
  scope: 'ANY',
  visible: everybody,
};

export const serviceAccountShape: Shape = {
  type: 'ServiceAccount',
  from: raw('"ServiceAccount"'),
  always: ['id'],
  columns: {
    ...plain('id', 'name', 'description', 'subject', 'issuer', 'issuerSubject'),
    ...plain('createdAt', 'createdBy', 'removedAt', 'removedBy'),
  },
  relations: {
    domain: { kind: 'one', shape: () => domainShape, where: (t, r) => sql`${r}."id" = ${t}."domainId"` },
    secrets: {
      kind: 'many',
      limit: 100,
      shape: () => serviceAccountSecretShape,
      where: (t, r) => sql`${r}."serviceAccountId" = ${t}."id"`,
      order: (r) => sql`${r}."createdAt" DESC, ${r}."id" DESC`,
    },
  },
  // Its owners' tokens need a scope, its own secrets none: see seesServiceAccount.
  scope: 'ANY',
  visible: seesServiceAccount,
};
