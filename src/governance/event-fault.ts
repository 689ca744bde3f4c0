import { createHash } from 'node:crypto';
import type { ErrorObject, ValidateFunction } from 'ajv';
import canonicalize from 'canonicalize';
import type { z } from 'zod';
import { compileSchema, heaviest } from './event-schema.js';

/** A place where the detail of an event breaks the schema of its type, dotted from `detail` on, and how. */
export interface Fault {
  path: string;
  reason: string;
}

/** So many faults are named. */
const MOST_FAULTS = 10;
/** All are looked for where no more than so many could come of it, as each takes memory; else the first alone. */
const MOST_LOOKED_FOR = 100_000;
/** A name or a list of values from outside is told no longer than this. */
const LONGEST = 120;

/** A schema that is in use. */
interface Check {
  /** Ends with the first fault. */
  first: ValidateFunction;
  /** Names all; made once an event breaks the schema. */
  all?: { check: ValidateFunction; faultsAtOneValue: number };
}

/** Compiling takes milliseconds, an event a fraction of one. */
const MOST_COMPILED = 500;
const compiled = new Map<string, Check>();

/** How the detail of an event breaks the schema of its type: the first ten faults, or one where it is very large; none where it does not. */
export function schemaFaults(schema: Record<string, unknown>, detail: unknown): Fault[] {
  const check = checkOf(schema);
  if (check.first(detail)) return [];
  const [first] = faultsOf(check.first.errors);
  check.all ??= {
    check: compileSchema(schema, { allErrors: true }),
    // Names that are required are counted by tens (event-schema.ts).
    faultsAtOneValue: 10 * heaviest(schema),
  };
  if (valuesIn(detail) * check.all.faultsAtOneValue > MOST_LOOKED_FOR) return first ? [first] : [];
  check.all.check(detail);
  const faults = faultsOf(check.all.check.errors);
  const more = faults.length - MOST_FAULTS;
  return more > 0 ? [...faults.slice(0, MOST_FAULTS), { path: 'detail', reason: `and ${more} more` }] : faults;
}

/** What keeps something that was read from being as it must; `at` is its place, dotted. */
export function readFaults({ issues }: z.ZodError, at: string): Fault[] {
  const names = (path: PropertyKey[]) => [...(at ? [at] : []), ...path.map(String)].join('.');
  return issues.slice(0, MOST_FAULTS).map(({ path, message }) => ({ path: cut(names(path)), reason: cut(message) }));
}

/** Faults as one sentence without its end. */
export const inWords = (faults: Fault[]): string => faults.map(({ path, reason }) => `${path} ${reason}`).join('; ');

function checkOf(schema: Record<string, unknown>): Check {
  const digest = createHash('sha256')
    .update(canonicalize(schema) as string)
    .digest('hex');
  const check = compiled.get(digest) ?? { first: compileSchema(schema, { allErrors: false }) };
  // The ones used last stay.
  compiled.delete(digest);
  compiled.set(digest, check);
  for (const [oldest] of compiled) {
    if (compiled.size <= MOST_COMPILED) break;
    compiled.delete(oldest);
  }
  return check;
}

function valuesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce<number>((sum, part) => sum + valuesIn(part), 1);
}

/** Each once: several parts of a schema may say the same. */
function faultsOf(errors: ErrorObject[] | null | undefined): Fault[] {
  // That a condition failed says nothing beside what failed in it.
  const told = (errors ?? []).filter(({ keyword }) => keyword !== 'if').map(faultOf);
  return [...new Map(told.map((fault) => [`${fault.path} ${fault.reason}`, fault])).values()];
}

/** Names follow ajv's parameters of each keyword. */
function faultOf({ instancePath, keyword, params, message = 'is not as registered' }: ErrorObject): Fault {
  const at = ['detail', ...instancePath.split('/').slice(1).map(unescaped)];
  const path = (...more: string[]) => cut([...at, ...more].join('.'));
  if (keyword === 'required') return { path: path(String(params.missingProperty)), reason: 'is missing' };
  const extra = params.additionalProperty ?? params.unevaluatedProperty;
  if (extra !== undefined) return { path: path(String(extra)), reason: 'is not in the schema' };
  if (keyword === 'enum') return { path: path(), reason: `must be one of ${cut(listed(params.allowedValues))}` };
  if (keyword === 'const') return { path: path(), reason: `must be ${cut(JSON.stringify(params.allowedValue))}` };
  return { path: path(), reason: cut(message) };
}

const listed = (values: unknown[]): string =>
  values
    .slice(0, LONGEST)
    .map((value) => JSON.stringify(value))
    .join(', ');
const cut = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text);
/** A name in a JSON pointer (RFC 6901, section 4). */
const unescaped = (name: string): string => name.replaceAll('~1', '/').replaceAll('~0', '~');
