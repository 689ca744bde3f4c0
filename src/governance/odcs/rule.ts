import { z } from 'zod';
import { isDate, isDateTime, isUri } from './formats.js';
import { isObject } from './json.js';
import { isAtLeast, type OdcsVersion } from './version.js';

/** A rule that a JSON value keeps or breaks; it reports every breach below it, not the first. */
export type Rule = z.ZodType<unknown>;

/** The rules of an object's members by name. */
export type Shape = Record<string, Rule>;

export const text: Rule = z.string();
export const flag: Rule = z.boolean();
export const number: Rule = z.number();
export const anything: Rule = z.unknown();
/** JSON Schema's integer: any number without a fraction, also beyond 2^53. */
export const integer: Rule = z.number().refine(Number.isInteger, 'must be a whole number');
export const count: Rule = z
  .number()
  .refine((value) => Number.isInteger(value) && value >= 0, 'must be a whole number of 0 or more');
export const uri: Rule = z.string().refine(isUri, 'must be a URI, such as s3://bucket/prefix');
export const date: Rule = z.string().refine(isDate, 'must be a date as YYYY-MM-DD');
export const dateTime: Rule = z.string().refine(isDateTime, 'must be a date and time such as 2022-11-15T02:59:43Z');
export const anyObject: Rule = z.looseObject({});
export const texts: Rule = z.array(text);

/** A list of which every member keeps `item`. */
export function listOfRule(item: Rule): Rule {
  return z.array(item);
}

/** One of these texts. */
export function oneOfTexts(values: readonly string[]): Rule {
  return z.enum(values);
}

/** A list without equal members (of scalars, which is what the standard puts there). */
export function distinct(options: { item: Rule; min?: number; max?: number }): Rule {
  let list = z.array(options.item);
  if (options.min !== undefined) list = list.min(options.min);
  if (options.max !== undefined) list = list.max(options.max);
  return allOf(
    list,
    check((value) =>
      Array.isArray(value) && new Set(value).size < value.length
        ? [{ path: [], reason: 'must not hold the same value twice' }]
        : [],
    ),
  );
}

/** The same members, each of which may be absent. */
export function optional(shape: Shape): Shape {
  return Object.fromEntries(Object.entries(shape).map(([key, rule]) => [key, rule.optional()]));
}

/** The members that a version of the standard added, from that version on. */
export function since(options: { added: OdcsVersion; version: OdcsVersion; shape: Shape }): Shape {
  return isAtLeast(options.version, options.added) ? options.shape : {};
}

/** An object that may hold members beside the named ones. */
export function open(shape: Shape): Rule {
  return z.looseObject(shape);
}

/** An object that holds the named members only. */
export function closed(shape: Shape): Rule {
  const known = Object.keys(shape);
  return allOf(
    open(shape),
    check((value) =>
      isObject(value)
        ? Object.keys(value)
            .filter((key) => !Object.hasOwn(shape, key))
            .map((key) => ({ path: [key], reason: unknownMember(key, known) }))
        : [],
    ),
  );
}

/** v3.1.0 closed most objects that v3.0.x left open. */
export function closedSinceV310(version: OdcsVersion, shape: Shape): Rule {
  return isAtLeast(version, 'v3.1.0') ? closed(shape) : open(shape);
}

/** The rule that applies is chosen by the value itself. */
export function choose(pick: (value: unknown) => Rule): Rule {
  return z.unknown().superRefine((value, context) => report({ rule: pick(value), value, context }));
}

/** All of the rules; each reports its own breaches. */
export function allOf(...rules: Rule[]): Rule {
  return z.unknown().superRefine((value, context) => {
    for (const rule of rules) report({ rule, value, context });
  });
}

/** A breach found by `check`, its path counted from the checked value. */
export interface Breach {
  path: string[];
  reason: string;
}

/** A rule across members, which no single member can tell. */
export function check(find: (value: unknown) => Breach[]): Rule {
  return z.unknown().superRefine((value, context) => {
    for (const { path, reason } of find(value)) context.addIssue({ code: 'custom', path, message: reason });
  });
}

function report(options: { rule: Rule; value: unknown; context: z.core.$RefinementCtx<unknown> }): void {
  const result = options.rule.safeParse(options.value);
  if (result.success) return;
  for (const issue of result.error.issues) options.context.addIssue({ ...issue });
}

function unknownMember(key: string, known: string[]): string {
  const near = known.find((name) => isNear(key, name));
  return near === undefined
    ? 'is not a field that may stand here'
    : `is not a field that may stand here; did you mean '${near}'?`;
}

/** Same letters in another spelling (staging_dir), or one edit apart. */
function isNear(key: string, name: string): boolean {
  const [a, b] = [key, name].map((word) => word.toLowerCase().replaceAll(/[^a-z0-9]/g, '')) as [string, string];
  if (a === b) return true;
  if (Math.abs(a.length - b.length) > 1 || Math.min(a.length, b.length) < 3) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  return Math.max(a.length, b.length) - start - end <= 1;
}
