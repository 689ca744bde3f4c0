import { InvalidCursor } from './errors.js';

const PREFIX = 'event:';
const NUMBERED = /^event:(0|[1-9]\d{0,18})$/;
const LARGEST = 2n ** 63n - 1n;

/** The opaque cursor of the event with this number; 0 stands before the first. */
export function encodeCursor(seq: bigint): string {
  return Buffer.from(`${PREFIX}${seq}`).toString('base64url');
}

/** The number in a cursor that encodeCursor made. Throws InvalidCursor for anything else. */
export function decodeCursor(cursor: string): bigint {
  const digits = NUMBERED.exec(Buffer.from(cursor, 'base64url').toString('utf8'))?.[1];
  // The decoder skips what is not base64url, so only the one spelling that we give out is taken.
  if (digits === undefined || BigInt(digits) > LARGEST || encodeCursor(BigInt(digits)) !== cursor) {
    throw new InvalidCursor('This is not the cursor of an event.');
  }
  return BigInt(digits);
}
