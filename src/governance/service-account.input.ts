import { z } from 'zod';
import type { Context } from './context.js';
import { invalid } from './error.js';
import { serviceAccountPrefix } from './secret.js';
import { description, idempotencyKey, read, secretEnd, slug, text, uuid } from './validation.js';

const registerInput = z.object({
  domain: uuid,
  name: slug,
  description: description.nullish(),
  role: z.enum(['OWNER', 'STEWARD', 'MEMBER']).nullish(),
  identity: z.object({ issuer: text(2_048), subject: text(255) }).nullish(),
  expiresAt: secretEnd,
  idempotencyKey,
});
export type RegisterServiceAccountInput = z.input<typeof registerInput>;

/** A registration; an identity must be of an issuer that is configured for machines. */
export function readRegistration(ctx: Context, input: RegisterServiceAccountInput) {
  const { identity, role, description: says, ...given } = read(registerInput, input);
  if (identity && input.expiresAt) {
    throw invalid('expiresAt', 'expiresAt: an account that signs in at an issuer has no secret here that could end.');
  }
  return { ...given, description: says ?? null, role: role ?? ('MEMBER' as const), identity: boundTo(ctx, identity) };
}

/** An identity at an issuer, with the subject that its tokens have here. */
interface Bound {
  issuer: string;
  issuerSubject: string;
  subject: string;
}

function boundTo({ machineIssuers }: Context, identity: z.output<typeof registerInput>['identity']): Bound | null {
  if (!identity) return null;
  const prefix = machineIssuers.get(identity.issuer);
  if (prefix === undefined) {
    const known = [...machineIssuers.keys()].join(', ');
    throw invalid(
      'identity.issuer',
      `identity.issuer: machines sign in at ${known || 'no issuer: none is configured with "kind": "MACHINE"'}.`,
    );
  }
  return { issuer: identity.issuer, issuerSubject: identity.subject, subject: `${prefix}${identity.subject}` };
}

/** The subject of an account that signs in with secrets: no issuer's token may have it, and no other account ever does. */
export const ownSubject = (domain: string, name: string): string => `${serviceAccountPrefix}${domain}/${name}`;

export const rotateInput = z.object({ serviceAccount: uuid, expiresAt: secretEnd, idempotencyKey });
export type RotateServiceAccountSecretInput = z.input<typeof rotateInput>;

export const revokeSecretInput = z.object({ secret: uuid, idempotencyKey });
export type RevokeServiceAccountSecretInput = z.input<typeof revokeSecretInput>;

export const removeInput = z.object({ serviceAccount: uuid, idempotencyKey });
export type RemoveServiceAccountInput = z.input<typeof removeInput>;
