/**
 * Two writers at once: Lake Formation answers ConcurrentModificationException to a change of an account's permissions that
 * meets another one under way. AWS page: Lake Formation API reference, GrantPermissions, "Errors".
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AwsError, type Call, type World } from './service.js';

/** How long a write is under way; the sandbox itself needs no time. */
const WRITE_MS = 25;

const underWay = new WeakMap<World, Set<string>>();

/** Runs the write where no other is under way in the account and region, else refuses it. */
export async function writeAlone(world: World, call: Call, write: () => unknown): Promise<unknown> {
  const writers = underWay.get(world) ?? new Set<string>();
  underWay.set(world, writers);
  const place = `${call.account}|${call.region}`;
  if (writers.has(place)) return refuse(call);
  writers.add(place);
  try {
    await delay(WRITE_MS);
    return await write();
  } finally {
    writers.delete(place);
  }
}

/** The batch operations do not know the exception: each entry comes back with it. */
function refuse(call: Call): unknown {
  const ErrorCode = 'ConcurrentModificationException';
  const ErrorMessage = 'Concurrent modification of the permissions of the account.';
  const entries: unknown = call.parameters.Entries;
  if (!Array.isArray(entries)) throw new AwsError(ErrorCode, ErrorMessage);
  return { Failures: entries.map((RequestEntry) => ({ RequestEntry, Error: { ErrorCode, ErrorMessage } })) };
}
