import { BlockList, isIP } from 'node:net';

/**
 * EventBridge's event patterns (EventBridge user guide, "Comparison operators for use in event patterns"), read and checked as strictly as
 * EventBridge does, so that what is stored is taken there too.
 */
export interface EventPattern {
  /** All of these must hold. */
  all: PatternClause[];
}

type PatternClause =
  | { field: string; below: EventPattern }
  | { field: string; leaf: LeafTest[] }
  /** `$or`: one of these must hold. */
  | { any: EventPattern[] };

/** One of the conditions on a leaf: `present` is about the field itself, `holds` about one of its values. */
export type LeafTest = { present: boolean } | { holds: (value: unknown) => boolean };

/** Why a text is no pattern; `path` is the dotted place in it. */
export class InvalidPattern extends Error {
  constructor(
    readonly path: string,
    message: string,
  ) {
    super(message);
  }
}

/** Alternatives of all `$or`, multiplied (EventBridge user guide, event pattern quotas). */
const MOST_COMBINATIONS = 1_000;
const MOST_LEVELS = 20;
/** The bounds that EventBridge compares numbers within. */
const LARGEST_NUMBER = 5e9;

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What Event Ruler refuses as a field's name within `$or`: its operators, and what it keeps for coming ones (Event Ruler, reserved field names). */
const RESERVED_WITHIN_OR = new Set([
  ...['exactly', 'equals-ignore-case', 'prefix', 'suffix', 'anything-but', 'exists', 'wildcard', 'numeric', 'cidr'],
  ...['=', '<', '<=', '>', '>=', 'regex', 'not-wildcard', 'not-equals-ignore-case', 'date-after', 'date-on-or-after'],
  ...['date-before', 'date-on-or-before', 'in-date-range', 'ip-address-in-range', 'ip-address-not-in-range'],
]);

/** Reads a pattern; throws InvalidPattern. */
export function readPattern(value: unknown): EventPattern {
  if (!isObject(value))
    throw new InvalidPattern('', 'An event pattern is a JSON object, such as {"detail-type":["AccessGranted"]}.');
  const pattern = readFields(value, []);
  leavesOf(pattern, '');
  if (combinations(pattern) > MOST_COMBINATIONS) {
    throw new InvalidPattern('', `The alternatives of all $or, multiplied, are more than ${MOST_COMBINATIONS}.`);
  }
  return pattern;
}

function readFields(fields: Json, path: string[]): EventPattern {
  const names = Object.keys(fields);
  if (names.length === 0) throw new InvalidPattern(path.join('.'), 'An empty object matches nothing: name a field.');
  if (path.length >= MOST_LEVELS) throw new InvalidPattern(path.join('.'), `More than ${MOST_LEVELS} levels.`);
  return { all: names.map((name) => readClause(name, fields[name], [...path, name])) };
}

function readClause(field: string, value: unknown, path: string[]): PatternClause {
  const at = path.join('.');
  if (field === '$or') {
    if (!Array.isArray(value) || value.length < 2 || !value.every(isObject)) {
      throw new InvalidPattern(at, '$or takes a list of two objects or more.');
    }
    return { any: value.map((alternative, index) => readFields(alternative, [...path, String(index)])) };
  }
  if (path.includes('$or') && RESERVED_WITHIN_OR.has(field)) {
    throw new InvalidPattern(
      at,
      `Within $or EventBridge takes no field with the name ${field}: it is, or may become, an operator.`,
    );
  }
  // EventBridge joins the names of nested fields by dots: a name with one would stand for another field.
  if (field === '' || field.includes('.')) throw new InvalidPattern(at, 'Names of fields hold no dots: nest objects.');
  if (isObject(value)) return { field, below: readFields(value, path) };
  if (!Array.isArray(value)) throw new InvalidPattern(at, 'Give a list of values, such as ["AccessGranted"].');
  if (value.length === 0) throw new InvalidPattern(at, 'An empty list matches nothing.');
  return { field, leaf: value.map((condition, index) => readCondition(condition, `${at}.${index}`)) };
}

/**
 * The dotted names of the fields that a pattern asks about. A name that stands beside `$or` and in one of its alternatives is refused: there
 * Event Ruler lets the one take the other's place, or refuses it, by its version, and never asks for both.
 */
function leavesOf({ all }: EventPattern, above: string): Set<string> {
  const names = new Set<string>();
  for (const clause of all) {
    for (const name of leavesOfClause(clause, above)) {
      if (names.has(name)) {
        throw new InvalidPattern(
          name,
          'Stands beside $or and within it: name a field in the alternatives, or beside them.',
        );
      }
      names.add(name);
    }
  }
  return names;
}

function leavesOfClause(clause: PatternClause, above: string): Set<string> {
  if ('any' in clause) return new Set(clause.any.flatMap((one) => [...leavesOf(one, above)]));
  const name = above === '' ? clause.field : `${above}.${clause.field}`;
  return 'below' in clause ? leavesOf(clause.below, name) : new Set([name]);
}

function combinations({ all }: EventPattern): number {
  return all.reduce((product, clause) => {
    if ('any' in clause) return product * clause.any.reduce((sum, one) => sum + combinations(one), 0);
    return product * ('below' in clause ? combinations(clause.below) : 1);
  }, 1);
}

function readCondition(condition: unknown, at: string): LeafTest {
  if (Array.isArray(condition)) throw new InvalidPattern(at, 'A list within a list is no condition.');
  if (!isObject(condition)) return { holds: (value) => value === condition };
  const [operator = '', ...others] = Object.keys(condition);
  if (others.length > 0 || operator === '') throw new InvalidPattern(at, 'A condition has one operator.');
  const operand = condition[operator];
  switch (operator) {
    case 'exists':
      if (typeof operand !== 'boolean') throw new InvalidPattern(at, '`exists` is true or false.');
      return { present: operand };
    case 'anything-but':
      return { holds: anythingBut(operand, at) };
    case 'numeric':
      return { holds: inRange(operand, at) };
    case 'cidr':
      return { holds: inNetwork(operand, at) };
    default:
      return { holds: textTest(operator, operand, at) };
  }
}

type ValueTest = (value: unknown) => boolean;
const onText =
  (test: (text: string) => boolean): ValueTest =>
  (value) =>
    typeof value === 'string' && test(value);

/** prefix, suffix, equals-ignore-case and wildcard. They hold for texts alone. */
function textTest(operator: string, operand: unknown, at: string): ValueTest {
  const edge = operator === 'prefix' || operator === 'suffix';
  if (edge && isObject(operand)) {
    const { 'equals-ignore-case': inner, ...others } = operand;
    if (Object.keys(others).length > 0)
      throw new InvalidPattern(at, `\`${operator}\` takes a text or equals-ignore-case.`);
    const wanted = textOf(inner, operator, at).toLowerCase();
    return onText((text) =>
      operator === 'prefix' ? text.toLowerCase().startsWith(wanted) : text.toLowerCase().endsWith(wanted),
    );
  }
  switch (operator) {
    case 'prefix': {
      const start = textOf(operand, operator, at);
      return onText((text) => text.startsWith(start));
    }
    case 'suffix': {
      const end = textOf(operand, operator, at);
      return onText((text) => text.endsWith(end));
    }
    case 'equals-ignore-case': {
      const same = textOf(operand, operator, at).toLowerCase();
      return onText((text) => text.toLowerCase() === same);
    }
    case 'wildcard': {
      const parts = wildcardParts(textOf(operand, operator, at), at);
      return onText((text) => matchesParts(parts, text));
    }
    default:
      throw new InvalidPattern(at, `There is no operator \`${operator}\`.`);
  }
}

function textOf(operand: unknown, operator: string, at: string): string {
  if (typeof operand === 'string') return operand;
  throw new InvalidPattern(at, `\`${operator}\` takes a text.`);
}

/** The texts between the stars; `\*` and `\\` stand for the characters themselves. */
function wildcardParts(wildcard: string, at: string): string[] {
  const parts = [''];
  for (let index = 0; index < wildcard.length; index += 1) {
    const character = wildcard.charAt(index);
    if (character === '*') {
      if (wildcard.charAt(index + 1) === '*') throw new InvalidPattern(at, 'Two stars in a row are one.');
      parts.push('');
    } else if (character === '\\') {
      index += 1;
      const escaped = wildcard.charAt(index);
      if (escaped !== '*' && escaped !== '\\')
        throw new InvalidPattern(at, 'A backslash stands before `*` or `\\` alone.');
      parts[parts.length - 1] += escaped;
    } else parts[parts.length - 1] += character;
  }
  return parts;
}

/** Leftmost is enough for the middle parts, so this is linear: no pattern makes it slow. */
function matchesParts([first = '', ...rest]: string[], text: string): boolean {
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let from = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, from);
    if (found < 0) return false;
    from = found + part.length;
  }
  return text.length - last.length >= from && text.endsWith(last);
}

/** A value, a list of texts or of numbers, or one operator on texts. */
function anythingBut(operand: unknown, at: string): ValueTest {
  if (isObject(operand)) {
    const [operator = '', ...others] = Object.keys(operand);
    if (others.length > 0) throw new InvalidPattern(at, '`anything-but` takes one operator.');
    const excluded = [operand[operator]].flat();
    if (excluded.length === 0) throw new InvalidPattern(at, 'An empty list excludes nothing.');
    // Event Ruler, JsonRuleCompiler: that would exclude every text.
    if (excluded.includes('') && (operator === 'prefix' || operator === 'suffix'))
      throw new InvalidPattern(at, `\`anything-but\` takes no empty ${operator}.`);
    if (!excluded.every((one) => typeof one === 'string'))
      throw new InvalidPattern(at, `\`anything-but\` with \`${operator}\` takes a text or a list of texts.`);
    const tests = excluded.map((one) => textTest(operator, one, at));
    return (value) => !tests.some((test) => test(value));
  }
  const excluded = [operand].flat();
  const areAll = (type: string) => excluded.length > 0 && excluded.every((one) => typeof one === type);
  if (!areAll('string') && !areAll('number')) {
    throw new InvalidPattern(at, '`anything-but` takes a text, a number, or a list of the one or the other.');
  }
  if (excluded.some((one) => Math.abs(Number(one)) > LARGEST_NUMBER && typeof one === 'number'))
    throw new InvalidPattern(at, '`anything-but` takes numbers from -5e9 to 5e9.');
  const set = new Set(excluded);
  return (value) => !set.has(value);
}

type Comparison = (value: number, bound: number) => boolean;
const COMPARISONS: Record<string, Comparison> = {
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '=': (value, bound) => value === bound,
  '>': (value, bound) => value > bound,
  '>=': (value, bound) => value >= bound,
};

/** `[operator, number]`, or a lower and an upper bound. */
function inRange(operand: unknown, at: string): ValueTest {
  const wrong = (says: string) => new InvalidPattern(at, `\`numeric\` ${says}, such as [">", 0, "<=", 5].`);
  if (!Array.isArray(operand) || (operand.length !== 2 && operand.length !== 4))
    throw wrong('takes one or two comparisons');
  const bounds: { compare: Comparison; bound: number }[] = [];
  for (let index = 0; index < operand.length; index += 2) {
    const name = String(operand[index]);
    const compare = Object.hasOwn(COMPARISONS, name) ? COMPARISONS[name] : undefined;
    const bound: unknown = operand[index + 1];
    if (compare === undefined) throw wrong('compares by <, <=, =, > or >=');
    if (typeof bound !== 'number' || Math.abs(bound) > LARGEST_NUMBER)
      throw wrong('compares with numbers from -5e9 to 5e9');
    bounds.push({ compare, bound });
  }
  if (operand.length === 4 && !(String(operand[0]).startsWith('>') && String(operand[2]).startsWith('<'))) {
    throw wrong('takes the lower bound first');
  }
  const [lower, upper] = bounds;
  if (lower && upper && lower.bound >= upper.bound) throw wrong('takes a lower bound that is less than the upper');
  return (value) => typeof value === 'number' && bounds.every(({ compare, bound }) => compare(value, bound));
}

function inNetwork(operand: unknown, at: string): ValueTest {
  const [, address = '', length = ''] = /^([^/]+)\/(\d{1,3})$/.exec(typeof operand === 'string' ? operand : '') ?? [];
  const version = isIP(address);
  // Of one address alone Event Ruler makes no network.
  if (version === 0 || Number(length) > (version === 4 ? 31 : 127)) {
    throw new InvalidPattern(at, '`cidr` takes a network, such as 10.0.0.0/24; one address is given as a text.');
  }
  const family = version === 4 ? 'ipv4' : 'ipv6';
  const network = new BlockList();
  network.addSubnet(address, Number(length), family);
  return onText((text) => isIP(text) === version && network.check(text, family));
}
