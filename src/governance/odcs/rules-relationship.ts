import { z } from 'zod';
import { isObject } from './json.js';
import { allOf, check, choose, closed, listOfRule, oneOfTexts, optional, type Rule, type Shape } from './rule.js';
import type { CommonRules } from './rules-common.js';

const NAME = '[A-Za-z_][A-Za-z0-9_]*';
const ID = '[A-Za-z0-9_-]+';
const SHORT = `${NAME}\\.${NAME}`;
const FILE = '(?:https?://)?[A-Za-z0-9._/-]+\\.yaml#';
const FULL = `(?:${FILE})?/?${NAME}/${ID}(?:/${NAME}/${ID})*`;

const reference: Rule = z
  .string()
  .regex(
    new RegExp(`^(?:${SHORT}|${FULL})$`),
    'must be a reference such as table.column or schema/table_id/properties/column_id',
  );
const references: Rule = z.array(reference).min(1);
const oneOrMore: Rule = choose((value) => (Array.isArray(value) ? references : reference));

function shape({ customProperties }: CommonRules): Shape {
  return optional({ type: oneOfTexts(['foreignKey']), customProperties });
}

/** ODCS v3.1.0 "Relationships" of a column: `from` is the column itself. */
export function propertyRelationshipsRule(common: CommonRules): Rule {
  return listOfRule(closed({ ...shape(common), to: oneOrMore }));
}

const bothSingleOrComposite: Rule = check((value) => {
  if (!isObject(value) || value.from === undefined || value.to === undefined) return [];
  if (Array.isArray(value.from) === Array.isArray(value.to)) return [];
  return [{ path: ['to'], reason: "must be a list exactly where 'from' is a list" }];
});

/** ODCS v3.1.0 "Relationships" of a table: one column to one, or a composite key to another. */
export function schemaRelationshipsRule(common: CommonRules): Rule {
  return listOfRule(allOf(closed({ ...shape(common), from: oneOrMore, to: oneOrMore }), bothSingleOrComposite));
}
