import type { EventPattern, LeafTest } from './event-pattern.js';

/**
 * Whether an event, the whole envelope, matches as it would on a bus: fields add up, values of a list are alternatives, and conditions
 * below a list of objects hold for one and the same of them (EventBridge user guide, "Event patterns").
 */
export function matchesPattern({ all }: EventPattern, event: Record<string, unknown>): boolean {
  return all.every((clause) => {
    if ('any' in clause) return clause.any.some((alternative) => matchesPattern(alternative, event));
    const value = Object.hasOwn(event, clause.field) ? event[clause.field] : undefined;
    return 'below' in clause
      ? objectsOf(value).some((one) => matchesPattern(clause.below, one))
      : matchesLeaf(clause.leaf, valuesOf(value));
  });
}

function matchesLeaf(tests: LeafTest[], values: unknown[]): boolean {
  return tests.some((test) =>
    'present' in test ? test.present === values.length > 0 : values.some((value) => test.holds(value)),
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const flat = (value: unknown): unknown[] => (Array.isArray(value) ? value.flatMap(flat) : [value]);

/** What lies below a field. Of a field that is not there, nothing is there either: `exists: false` holds below it. */
function objectsOf(value: unknown): Record<string, unknown>[] {
  if (Array.isArray(value)) return flat(value).filter(isObject);
  return [isObject(value) ? value : {}];
}

/** The leaves of a field; an object is none. */
function valuesOf(value: unknown): unknown[] {
  return value === undefined ? [] : flat(value).filter((one) => !isObject(one));
}
