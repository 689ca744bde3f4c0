/** A JSON object whose members are not yet known. */
export type JsonObject = { readonly [key: string]: unknown };

/** Tells a JSON object from arrays, scalars and null. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The members of a JSON array; nothing where the value is none. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The objects of a JSON array; every other member is passed over. */
export function objectsOf(value: unknown): JsonObject[] {
  return listOf(value).filter(isObject);
}

/** A member of a JSON object; inherited ones (`constructor`) do not count. */
export function memberOf(value: unknown, key: string): unknown {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** A text that says something: trimmed, undefined where it is empty or no text. */
export function textOf(value: unknown): string | undefined {
  const text = typeof value === 'string' ? value.trim() : '';
  return text === '' ? undefined : text;
}

/** A text or number as text: YAML reads `version: 1.0` as a number, and people mean the text. */
export function scalarTextOf(value: unknown): string | undefined {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : textOf(value);
}

/** The texts of a JSON array, each once, in order. */
export function textsOf(value: unknown): string[] {
  return [...new Set(listOf(value).flatMap((item) => textOf(item) ?? []))];
}

/** A text that is equal for equal JSON whatever the order of its members; it takes every value. */
export function stableText(value: unknown): string {
  const sorted = (_: string, member: unknown): unknown =>
    isObject(member) ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))) : member;
  return JSON.stringify(value, sorted) ?? 'undefined';
}
