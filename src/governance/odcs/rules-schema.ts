import { z } from 'zod';
import { isObject } from './json.js';
import {
  allOf,
  anyObject,
  anything,
  check,
  choose,
  closed,
  count,
  distinct,
  flag,
  integer,
  listOfRule,
  number,
  oneOfTexts,
  optional,
  type Rule,
  type Shape,
  since,
  text,
  texts,
} from './rule.js';
import type { CommonRules } from './rules-common.js';
import { qualityRule } from './rules-quality.js';
import { propertyRelationshipsRule, schemaRelationshipsRule } from './rules-relationship.js';
import { isAtLeast, type OdcsVersion } from './version.js';

const LOGICAL_TYPES = ['string', 'date', 'number', 'integer', 'object', 'array', 'boolean'];

const INTEGER_FORMATS = ['i8', 'i16', 'i32', 'i64', 'i128', 'u8', 'u16', 'u32', 'u64', 'u128'];

const factor: Rule = z.number().refine((value) => value > 0, 'must be greater than 0');

/** ODCS "Logical type options" by logical type. Exclusive bounds were flags in v3.0.x and are bounds since v3.1.0. */
function optionsByType(version: OdcsVersion): Record<string, Rule> {
  const bounded = (bound: Rule): Shape => {
    const exclusive = isAtLeast(version, 'v3.1.0') ? bound : flag;
    return { minimum: bound, maximum: bound, exclusiveMinimum: exclusive, exclusiveMaximum: exclusive };
  };
  const temporal = { ...bounded(text), format: text };
  const zoned = { ...temporal, timezone: flag, defaultTimezone: text };
  const numeric = { ...bounded(number), multipleOf: factor };
  const required = distinct({ item: text, min: 1 });
  const shapes: Record<string, Shape> = {
    string: { minLength: count, maxLength: count, pattern: text, format: text },
    date: temporal,
    integer: { ...numeric, format: oneOfTexts(INTEGER_FORMATS) },
    number: { ...numeric, format: oneOfTexts(['f32', 'f64']) },
    object: { minProperties: count, maxProperties: count, required },
    array: { minItems: count, maxItems: count, uniqueItems: flag },
    ...(isAtLeast(version, 'v3.1.0') ? { timestamp: zoned, time: zoned } : {}),
  };
  return Object.fromEntries(Object.entries(shapes).map(([type, shape]) => [type, closed(optional(shape))]));
}

// Without a logical type the schemas hold the options to those of every type at once: only {} keeps them all.
const optionsWithoutType: Rule = allOf(
  anyObject,
  check((value) =>
    isObject(value)
      ? Object.keys(value).map((key) => ({
          path: [key],
          reason: 'needs a logicalType beside it that says which options may stand',
        }))
      : [],
  ),
);

function elementShape(common: CommonRules): Shape {
  const { stableId, authoritativeDefinitions, customProperties } = common;
  return {
    ...stableId,
    ...optional({ physicalType: text, description: text, businessName: text }),
    ...optional({ authoritativeDefinitions, tags: texts, customProperties }),
  };
}

function propertyShape(common: CommonRules): Shape {
  const { version } = common;
  const types = isAtLeast(version, 'v3.1.0') ? [...LOGICAL_TYPES, 'timestamp', 'time'] : LOGICAL_TYPES;
  return {
    ...elementShape(common),
    ...optional({
      logicalType: oneOfTexts(types),
      primaryKey: flag,
      primaryKeyPosition: integer,
      required: flag,
      unique: flag,
      partitioned: flag,
      partitionKeyPosition: integer,
      classification: text,
      encryptedName: text,
      transformSourceObjects: texts,
      transformLogic: text,
      transformDescription: text,
      examples: z.array(anything),
      criticalDataElement: flag,
      quality: qualityRule(common),
      ...since({ added: 'v3.0.2', version, shape: { physicalName: text } }),
      ...since({ added: 'v3.1.0', version, shape: { relationships: propertyRelationshipsRule(common) } }),
    }),
  };
}

/** Columns, and the items of an array column; each by its `logicalType`. */
function propertyRules(common: CommonRules): { property: Rule; item: Rule } {
  const base = propertyShape(common);
  const options = optionsByType(common.version);
  // Columns nest, so the rule of their list is looked up when a value is there.
  const nested: Shape = optional({ properties: listOfRule(choose(() => property)) });
  const items: Shape = optional({ items: choose(() => item) });
  const forType = (type: string | undefined): Shape => ({
    ...base,
    ...optional({ logicalTypeOptions: type === undefined ? optionsWithoutType : (options[type] ?? anyObject) }),
    ...(type === undefined || type === 'object' ? nested : {}),
    ...(type === undefined || type === 'array' ? items : {}),
  });
  const byType = (extra: (type: string | undefined) => Shape): Rule => {
    const typed = new Map(
      Object.keys(options)
        .concat('boolean')
        .map((type) => [type, closed({ ...forType(type), ...extra(type) })]),
    );
    const untyped = closed({ ...forType(undefined), ...extra(undefined) });
    const mistyped = closed({ ...forType(undefined), logicalTypeOptions: anything.optional(), ...extra(undefined) });
    return choose((value) => {
      if (!isObject(value) || !Object.hasOwn(value, 'logicalType')) return untyped;
      return (typeof value.logicalType === 'string' ? typed.get(value.logicalType) : undefined) ?? mistyped;
    });
  };
  // v3.0.x lets the items of an array hold `properties` whatever their type.
  const itemExtra = isAtLeast(common.version, 'v3.1.0') ? {} : nested;
  const property = byType(() => ({ name: text }));
  const item = byType(() => ({ ...optional({ name: text }), ...itemExtra }));
  return { property, item };
}

/** ODCS "Schema": the rule of the contract's `schema`, its tables with their columns. */
export function schemaRule(common: CommonRules): Rule {
  const { version } = common;
  return listOfRule(
    closed({
      ...elementShape(common),
      name: text,
      ...optional({
        logicalType: oneOfTexts(['object']),
        physicalName: text,
        dataGranularityDescription: text,
        properties: listOfRule(propertyRules(common).property),
        quality: qualityRule(common),
        ...since({ added: 'v3.1.0', version, shape: { relationships: schemaRelationshipsRule(common) } }),
      }),
    }),
  );
}
