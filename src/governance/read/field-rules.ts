import type { Fields } from '../../events/fields.js';
import { EVENT_TYPES, type EventType } from '../../events/types.js';
import { CONNECTION, EDGE, EVENT, PAYLOAD, type Rules, TABLE } from './field-table.js';

/**
 * Who reads a field of an object that he is answered:
 *   WITH_OBJECT  whoever is answered the object
 *   ITSELF       whoever may see what it leads to: null, or left out of the list, for others
 *   DETAILS      access-request:read-details: who asked, the consuming domain, owners and stewards of the product's domain
 *   MEMBERS      domain:read-members: members of the domain that the object is or is of
 *   SETUP        domain:read-setup
 *   HELD         quarantined-event:read of the domain
 *   TRIMMED      whoever is answered the object, without what he may not read of what it is about (event-data.ts, health.ts)
 *   STEERS       resource:read: owners and stewards of the domains that an AWS object is of
 *   TOKENS       token:read of one's own
 *   SIGNED_IN    anybody; what is answered is filtered row by row
 *   ACTION       whoever may do the action that the field is, which asks so before any work (authorization.ts)
 * Admins read all of them. A token of Meshgate's narrows each to its scopes.
 */
export type FieldRule =
  | 'WITH_OBJECT'
  | 'ITSELF'
  | 'DETAILS'
  | 'MEMBERS'
  | 'SETUP'
  | 'HELD'
  | 'TRIMMED'
  | 'STEERS'
  | 'TOKENS'
  | 'SIGNED_IN'
  | 'ACTION';

/** The rules that hide a field from some who are answered its object. */
export type FieldGuard = Exclude<FieldRule, 'WITH_OBJECT' | 'ITSELF' | 'TRIMMED' | 'SIGNED_IN' | 'ACTION'>;

const rules = new Map<string, ReadonlyMap<string, FieldRule>>();

/** The rule of a field; undefined where it has none, and then nobody reads it. */
export function ruleOf(type: string, field: string): FieldRule | undefined {
  const known = rules.get(type) ?? byField(rulesOf(type));
  rules.set(type, known);
  return known.get(field);
}

function rulesOf(type: string): Rules {
  const own = TABLE[type];
  if (own) return own;
  // All of them are read as one: a name means the same in all data.
  if (type === 'MeshEvent') return ofEvent(Object.assign({}, ...Object.values(EVENT_TYPES).map(({ data }) => data)));
  if (type in EVENT_TYPES) return ofEvent(EVENT_TYPES[type as EventType].data);
  if (type.endsWith('Connection')) return CONNECTION;
  if (type.endsWith('Edge')) return EDGE;
  if (type.endsWith('Payload')) return PAYLOAD;
  return withinData.get(type) ?? {};
}

/** A concrete event: what every event has, and its data field by field; what names an object leads to that. */
function ofEvent(data: Fields): Rules {
  const fields = Object.entries(data);
  const named = fields.filter(([, { node }]) => node !== undefined).map(([name]) => name);
  const told = fields.filter(([, { node }]) => node === undefined).map(([name]) => name);
  const { WITH_OBJECT, ITSELF } = EVENT;
  return { WITH_OBJECT, ITSELF: [ITSELF, ...named].join(' '), TRIMMED: ['data', ...told].join(' ') };
}

/** Objects within events' data are trimmed away, or answered as a whole. */
const withinData = new Map<string, Rules>(Object.values(EVENT_TYPES).flatMap(({ data }) => objectsIn(data)));

function objectsIn(data: Fields): [string, Rules][] {
  return Object.values(data).flatMap((field) => {
    const { name, fields = {} } = field.item ?? field;
    const own: [string, Rules][] = name ? [[name, { WITH_OBJECT: Object.keys(fields).join(' ') }]] : [];
    return [...own, ...objectsIn(fields)];
  });
}

function byField(table: Rules): ReadonlyMap<string, FieldRule> {
  const pairs = Object.entries(table) as [FieldRule, string][];
  return new Map(
    pairs.flatMap(([rule, fields]) => fields.split(/\s+/).map((field): [string, FieldRule] => [field, rule])),
  );
}

const GUARDS: ReadonlySet<FieldRule> = new Set<FieldGuard>(['DETAILS', 'MEMBERS', 'SETUP', 'HELD', 'STEERS', 'TOKENS']);

/** The guard of a field, undefined where whoever is answered the object reads it. Throws for a field without a rule. */
export function guardOf(type: string, field: string): FieldGuard | undefined {
  const rule = ruleOf(type, field);
  if (rule === undefined) throw new Error(`${type}.${field} has no rule in field-table.ts: nobody reads it.`);
  return GUARDS.has(rule) ? (rule as FieldGuard) : undefined;
}
