import { InvalidArgumentError } from 'commander';
import type { Anchor } from '../events/verify.js';

/** The forms that values of flags have, each read from text. */

/** A TCP port; 0 takes a free one. Throws InvalidArgumentError, as all of these. */
export function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  return port;
}

/** A number of the audit trail, from 1. */
export function logNumber(text: string): bigint {
  if (!/^[1-9]\d{0,17}$/.test(text)) throw new InvalidArgumentError('A number of the audit trail is expected, from 1.');
  return BigInt(text);
}

/** A day or instant (ISO 8601), or so many days ago. */
export function ageGiven(text: string): Date {
  if (/^[1-9]\d{0,4}$/.test(text)) return new Date(Date.now() - Number(text) * 86_400_000);
  const date = /^\d{4}-\d{2}-\d{2}(T[\d:.]+Z)?$/.test(text) ? new Date(text) : undefined;
  // JavaScript takes 31 February for a day in March.
  if (!date || Number.isNaN(date.getTime()) || !date.toISOString().startsWith(text.slice(0, 10)))
    throw new InvalidArgumentError('A number of days is expected, or a date such as 2026-01-31.');
  return date;
}

/** `number:hash`, added to those that were given before. */
export function anchorGiven(text: string, others: Anchor[] = []): Anchor[] {
  const [, number = '', hash = ''] = /^([^:]+):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (hash === '')
    throw new InvalidArgumentError('An anchor is a number, a colon and the hash of 64 hexadecimal digits.');
  return [...others, { seq: logNumber(number), hash: Buffer.from(hash, 'hex') }];
}

/** The origin of an http or https URL. */
export function httpUrl(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? ''))
    throw new InvalidArgumentError('An http or https URL is expected.');
  return new URL(text).origin;
}
