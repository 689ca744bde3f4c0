import { setImmediate as endOfTurn } from 'node:timers/promises';

/** Items with the next one always under way while one is worked on. */
export async function* ahead<T>(items: AsyncGenerator<T, undefined>): AsyncGenerator<T, undefined> {
  for (let next = beginNext(items); ; ) {
    const { value, done } = await next;
    if (done) return undefined;
    next = beginNext(items);
    yield value;
  }
}

/** Begins the next item once what this turn of the event loop sends is on its way. Its failure is for whoever waits for it. */
export function beginNext<T>(items: AsyncGenerator<T, undefined>): Promise<IteratorResult<T, undefined>> {
  return heardLater(endOfTurn().then(() => items.next()));
}

/** Keeps a failure for whoever waits for the promise, however late, and if nobody does, it is no uncaught one. */
export function heardLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
