import type { Field, Fields } from './fields.js';
import { EVENT_TYPES, type EventType } from './types.js';

/** As providers tell a difference: `rowFilter is "country = 'DE'", wanted null`. */
const DIFFERENCE = /rowFilter is (null|"(?:[^"\\]|\\.)*"), wanted (null|"(?:[^"\\]|\\.)*")/g;

/**
 * The data without the rows that anybody may read, wherever its type shows an AWS object: an event reaches more people, and other accounts,
 * than may know them. That there is a filter, or that it is another, is told. What others say (a domain's own events, a person's words)
 * stays as they said it; what no definition names is treated as ours.
 */
export function withoutRowFilters(type: EventType, data: Record<string, unknown>): Record<string, unknown> {
  return membersWithout(EVENT_TYPES[type].data, data);
}

function membersWithout(fields: Fields, data: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, valueWithout(fields[name], value)]));
}

function valueWithout(field: Field | undefined, value: unknown): unknown {
  if (typeof value !== 'object' && typeof value !== 'string') return value;
  if (field === undefined || field.showsAws) return withheld(value);
  if (field.kind === 'LIST' && Array.isArray(value)) return value.map((item) => valueWithout(field.item, item));
  if (field.kind === 'OBJECT' && value !== null) {
    return membersWithout(field.fields ?? {}, value as Record<string, unknown>);
  }
  return value;
}

function withheld(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, member) => {
    if (typeof member !== 'string') return member;
    return key === 'rowFilter' ? '(not told)' : member.replace(DIFFERENCE, 'rowFilter is not as wanted');
  });
}
