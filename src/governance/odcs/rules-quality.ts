import { z } from 'zod';
import { isObject } from './json.js';
import {
  allOf,
  anyObject,
  anything,
  check,
  choose,
  closed,
  distinct,
  listOfRule,
  number,
  oneOfTexts,
  open,
  optional,
  type Rule,
  type Shape,
  text,
  texts,
} from './rule.js';
import type { CommonRules } from './rules-common.js';
import { isAtLeast } from './version.js';

const between = distinct({ item: number, min: 2, max: 2 });

const operators: Shape = optional({
  mustBe: anything,
  mustNotBe: anything,
  mustBeGreaterThan: number,
  mustBeGreaterOrEqualTo: number,
  mustBeLessThan: number,
  mustBeLessOrEqualTo: number,
  mustBeBetween: between,
  mustNotBeBetween: between,
});

const OPERATORS = Object.keys(operators);

const implementation: Rule = z.union([z.string(), z.looseObject({})]);
const sql: Shape = { query: text };
const custom: Shape = { engine: text, implementation };

function baseShape({ stableId, authoritativeDefinitions, customProperties }: CommonRules): Shape {
  return {
    ...stableId,
    ...optional({
      authoritativeDefinitions,
      businessImpact: text,
      customProperties,
      description: text,
      dimension: oneOfTexts([
        'accuracy',
        'completeness',
        'conformity',
        'consistency',
        'coverage',
        'timeliness',
        'uniqueness',
      ]),
      method: text,
      name: text,
      schedule: text,
      scheduler: text,
      severity: text,
      tags: texts,
      type: oneOfTexts(['text', 'library', 'sql', 'custom']),
      unit: text,
    }),
  };
}

/** ODCS "Data quality": the rule of `quality`, of a table and of a column. */
export function qualityRule(common: CommonRules): Rule {
  return listOfRule(isAtLeast(common.version, 'v3.1.0') ? qualityOfV310(common) : qualityOfV30(common));
}

/** v3.0.x: a check without a type is a library check; members beside the named ones may stand. */
function qualityOfV30(common: CommonRules): Rule {
  const base = baseShape(common);
  const rules: Record<string, Rule> = {
    library: open({ ...base, rule: text, ...operators }),
    sql: open({ ...base, ...sql }),
    custom: open({ ...base, ...custom }),
  };
  const other = open(base);
  return choose((value) => {
    const type = isObject(value) ? (value.type ?? 'library') : undefined;
    return (typeof type === 'string' && Object.hasOwn(rules, type) ? rules[type] : undefined) ?? other;
  });
}

const library: Shape = {
  metric: oneOfTexts(['nullValues', 'missingValues', 'invalidValues', 'duplicateValues', 'rowCount']),
  ...optional({ rule: text, arguments: anyObject }),
};

/**
 * v3.1.0: the type, and beside it `metric`, say which members may stand. So a text with a metric, or SQL with one, keeps the
 * rules of both, and a check with neither may hold no operator.
 */
function qualityOfV310(common: CommonRules): Rule {
  const base = baseShape(common);
  const rules = new Map<string, Rule>();
  for (const type of ['library', 'sql', 'custom', 'other']) {
    for (const metric of [true, false]) {
      const measured = metric || type === 'library';
      const shape = {
        ...base,
        ...(measured ? library : {}),
        ...(type === 'sql' ? sql : {}),
        ...(type === 'custom' ? custom : {}),
        ...(measured || type === 'sql' ? operators : {}),
      };
      const rule = measured || type === 'sql' ? allOf(closed(shape), exactlyOneOperator) : closed(shape);
      rules.set(`${type} ${metric}`, rule);
    }
  }
  const other = closed(base);
  return choose((value) => {
    if (!isObject(value)) return other;
    const type =
      typeof value.type === 'string' && ['library', 'sql', 'custom'].includes(value.type) ? value.type : 'other';
    return rules.get(`${type} ${typeof value.metric === 'string'}`) ?? other;
  });
}

const exactlyOneOperator: Rule = check((value) => {
  if (!isObject(value)) return [];
  const held = OPERATORS.filter((operator) => Object.hasOwn(value, operator));
  if (held.length === 1) return [];
  const reason =
    held.length === 0
      ? `must hold one of ${OPERATORS.join(', ')}`
      : `must hold one operator only, not ${held.join(' and ')}`;
  return [{ path: [], reason }];
});
