/** Principals of Lake Formation: IAM roles and users, whole accounts, and the group IAM_ALLOWED_PRINCIPALS. */
import { invalidInput } from './lf-input.js';
import type { World } from './service.js';

/** The virtual group of everyone whom IAM lets in: a permission for it bypasses Lake Formation. */
export const IAM_ALLOWED_PRINCIPALS = 'IAM_ALLOWED_PRINCIPALS';

const IAM_ARN = /^arn:aws:iam::(\d{12}):(?:role|user)\/[\w+=,.@/-]{1,576}$/;
const ACCOUNT = /^\d{12}$/;

/** A principal of a grant; `account` is the account it lives in, undefined for IAM_ALLOWED_PRINCIPALS. */
export interface Principal {
  id: string;
  kind: 'IAM' | 'ACCOUNT' | 'IAM_ALLOWED';
  account: string | undefined;
}

/** Reads an identifier without judging it; undefined where it is not one. */
export function readPrincipal(id: string): Principal | undefined {
  if (id === IAM_ALLOWED_PRINCIPALS) return { id, kind: 'IAM_ALLOWED', account: undefined };
  if (ACCOUNT.test(id)) return { id, kind: 'ACCOUNT', account: id };
  const arn = IAM_ARN.exec(id);
  return arn?.[1] ? { id, kind: 'IAM', account: arn[1] } : undefined;
}

/**
 * The principal that a grant names. There is no IAM here: every well-formed role or user ARN of a known account exists;
 * assumed-role and root ARNs are no Lake Formation principals.
 */
export function principalOf(world: World, id: unknown): Principal {
  const principal = typeof id === 'string' ? readPrincipal(id) : undefined;
  if (!principal || (principal.account !== undefined && !world.knowsAccount(principal.account))) {
    throw invalidInput(`Invalid principal, ${String(id)}`);
  }
  return principal;
}
