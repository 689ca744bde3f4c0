/**
 * Does the work for each, one after another; one that fails holds back no other. Returns for how many it said that something was done;
 * throws AggregateError at the end where some failed.
 */
export async function oneByOne<T>(items: readonly T[], work: (item: T) => Promise<boolean>): Promise<number> {
  const failures: unknown[] = [];
  let done = 0;
  for (const item of items) {
    try {
      if (await work(item)) done += 1;
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} of ${items.length} failed`);
  return done;
}
