import type { Context } from './context.js';
import { invalid } from './error.js';
import { serviceAccountPrefix } from './secret.js';
import type { Tx } from './transaction.js';

/** Whether tokens of people never have this subject: it is of an issuer for machines, or of a service account with secrets. */
export function isOfMachines({ machineIssuers }: Pick<Context, 'machineIssuers'>, subject: string): boolean {
  const prefixes = [serviceAccountPrefix, ...machineIssuers.values()].filter((prefix) => prefix !== '');
  return prefixes.some((prefix) => subject.startsWith(prefix));
}

/** Throws VALIDATION where a machine would become a member that no service account says whose it is. */
export async function refuseUnboundMachines(
  ctx: Context,
  tx: Tx,
  { path, subjects }: { path: string; subjects: string[] },
): Promise<void> {
  const machines = subjects.filter((subject) => isOfMachines(ctx, subject));
  if (machines.length === 0) return;
  const live = await tx.serviceAccount.findMany({
    where: { subject: { in: machines }, removedAt: null },
    select: { subject: true },
  });
  const unbound = machines.find((machine) => live.every(({ subject }) => subject !== machine));
  if (unbound === undefined) return;
  throw invalid(path, `${path}: ${unbound} is a machine: register a service account for it, which becomes a member.`);
}
