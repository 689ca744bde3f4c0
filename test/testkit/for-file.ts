import { afterAll } from 'vitest';

/** What all tests of a file share: opened where the file begins, closed after its last test, in the reverse order. */
export async function forFile<T extends { close(): Promise<void> }>(opening: T | Promise<T>): Promise<T> {
  const opened = await opening;
  afterAll(() => opened.close());
  return opened;
}
