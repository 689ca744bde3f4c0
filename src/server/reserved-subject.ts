import { SYSTEM_ACTOR } from '../events/types.js';
import { serviceAccountPrefix } from '../governance/secret.js';

/** Whether a subject is one that Meshgate gives: no issuer's token may claim it. */
export function isReservedSubject(subject: string): boolean {
  return subject === SYSTEM_ACTOR.subject || subject.startsWith(serviceAccountPrefix);
}
