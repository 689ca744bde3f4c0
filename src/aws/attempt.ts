import type { Kind } from '../provisioning/kinds.js';
import type { Change, Item, Observation, Outcome } from '../provisioning/provider.js';
import { classify, isAwsFailure, isNamed, isNotFound, PermanentFailure, ProviderFailure } from './errors.js';
import type { AwsProvider, AwsSession } from './session.js';

export const DONE: Outcome = { ok: true };
const MISSING: Observation = { state: 'MISSING' };

/** Runs the calls of one item; a failure of AWS becomes its outcome, anything else (a lost lease) is thrown on. */
export async function attempt(calls: () => Promise<unknown>): Promise<Outcome> {
  try {
    await calls();
    return DONE;
  } catch (error) {
    if (!isAwsFailure(error)) throw error;
    return { ok: false, error: classify(error) };
  }
}

/** Reads one item: not found is MISSING, another failure of AWS is FAILED. */
export async function look(read: () => Promise<Observation>): Promise<Observation> {
  try {
    return await read();
  } catch (error) {
    if (isNotFound(error)) return MISSING;
    if (!isAwsFailure(error)) throw error;
    return { state: 'FAILED', error: classify(error) };
  }
}

/** Removes something: that it is gone already is success. */
export async function gone(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** The first call that changes something for an item: where AWS refuses it for sure, nothing of the item was done. */
export async function firstCall(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    const definite = isAwsFailure(error) && (existsAlready(error) || classify(error).treatment !== 'OBSERVE');
    throw definite ? untouched(error) : error;
  }
}

const existsAlready = (error: unknown): boolean =>
  isNamed(
    error,
    'AlreadyExistsException',
    'EntityAlreadyExistsException',
    'ResourceAlreadyExistsException',
    'QueueNameExists',
  );

const untouched = (error: unknown): ProviderFailure => new ProviderFailure({ ...classify(error), untouched: true });

/** Creates something; what exists already is compared: equal is success, a difference is a conflict that only a person can settle. */
export async function createOrCompare(create: () => Promise<unknown>, read: () => Promise<Observation>): Promise<void> {
  try {
    await firstCall(create);
  } catch (error) {
    if (!existsAlready(error)) throw error;
    const found = await look(read);
    if (found.state === 'AGREES') return;
    if (found.state === 'FAILED') throw untouched(new ProviderFailure(found.error));
    // Not seen yet, or still on its way: nothing is known of it, so AWS's own answer has it read again.
    if (found.state !== 'DIFFERS') throw error;
    throw untouched(
      new PermanentFailure('Conflict', `It exists already and is not what is wanted: ${found.differences.join('; ')}.`),
    );
  }
}

/**
 * Maps with a few calls under way at once, answers in the order of the input. Where one throws no further one begins, and it is
 * thrown on when all have ended: until then the lane must not be given back.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const thrown: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && thrown.length === 0) {
      const index = next++;
      try {
        results[index] = await work(items[index] as T);
      } catch (error) {
        thrown.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  if (thrown.length > 0) throw thrown[0];
  return results;
}

/** AGREES or DIFFERS, as the differences say. */
export function compared(observed: Record<string, unknown>, differences: string[]): Observation {
  return differences.length === 0 ? { state: 'AGREES', observed } : { state: 'DIFFERS', observed, differences };
}

/** One readable line where a value is not what is wanted, none where it is. */
export function differs(name: string, is: unknown, wanted: unknown): string[] {
  if (sameJson(is, wanted)) return [];
  return [`${name} is ${JSON.stringify(is ?? null)}, wanted ${JSON.stringify(wanted ?? null)}`];
}

/** Structural equality of JSON: the order of members does not count, undefined members neither. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  if (Array.isArray(a) && a.length !== (b as unknown[]).length) return false;
  return [...names].every((name) => sameJson(left[name], right[name]));
}

/** A kind whose objects are read and written one at a time. */
interface Single<K extends Kind> {
  kind: K;
  /** Changes under way at once; 1 where AWS refuses concurrent writers. */
  width: number;
  observe(session: AwsSession, item: Item<K>): Promise<Observation>;
  apply(session: AwsSession, change: Change<K>): Promise<unknown>;
  remove(session: AwsSession, item: Item<K>): Promise<unknown>;
  calls: AwsProvider<K>['calls'];
}

const BATCH = 20;
const READS = 4;

/** Makes a provider of a kind that knows one object at a time. */
export function oneByOne<K extends Kind>(single: Single<K>): AwsProvider<K> {
  return {
    kind: single.kind,
    batchSize: BATCH,
    observe: (session, items) => inParallel(items, READS, (item) => look(() => single.observe(session, item))),
    apply: (session, changes) =>
      inParallel(changes, single.width, (change) => attempt(() => single.apply(session, change))),
    remove: (session, items) => inParallel(items, single.width, (item) => attempt(() => single.remove(session, item))),
    calls: single.calls,
  };
}
