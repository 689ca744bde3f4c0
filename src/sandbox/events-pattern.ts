import { BlockList, isIP } from 'node:net';

/** Decides whether an event (the whole envelope) matches. */
export type EventMatcher = (event: object) => boolean;

/** The reason why a pattern is not one, worded for InvalidEventPatternException. */
export class PatternError extends Error {}

type ValueTest = (value: unknown) => boolean;
type Fields = Record<string, unknown>;

/** The default quota (EventBridge user guide, quotas); the API takes 4,096 of who asked for more. */
const MAX_PATTERN_CHARACTERS = 2048;
const MAX_NUMBER = 5e9;
const OPERATORS = new Set([
  'prefix',
  'suffix',
  'anything-but',
  'numeric',
  'exists',
  'cidr',
  'equals-ignore-case',
  'wildcard',
]);
/** Names that no field within `$or` may have (Event Ruler, RESERVED_FIELD_NAMES_IN_OR_RELATIONSHIP). */
const RESERVED = new Set([
  ...[...OPERATORS, 'exactly', '=', '<', '<=', '>', '>=', 'regex', 'not-wildcard', 'not-equals-ignore-case'],
  ...['date-after', 'date-on-or-after', 'date-before', 'date-on-or-before', 'in-date-range'],
  ...['ip-address-in-range', 'ip-address-not-in-range'],
]);

/**
 * Compiles an event pattern (EventBridge user guide, "Comparison operators for use in event patterns"): fields are ANDed,
 * values ORed, `$or` takes alternatives, and conditions below an array hold for one and the same element.
 */
export function compileEventPattern(text: string): EventMatcher {
  if (text.length > MAX_PATTERN_CHARACTERS) throw new PatternError('Event pattern is longer than 2048 characters');
  let pattern: unknown;
  try {
    pattern = JSON.parse(text);
  } catch {
    throw new PatternError('Filter is not valid JSON');
  }
  if (!isObject(pattern)) throw new PatternError('Filter is not an object');
  const matches = compileFields(pattern, '');
  return (event) => matches(event as Fields);
}

function compileFields(pattern: Fields, path: string, inOr = false): (event: Fields) => boolean {
  const entries = Object.entries(pattern);
  if (entries.length === 0) throw new PatternError('Empty objects are not allowed');
  const reserved = inOr ? entries.find(([name]) => RESERVED.has(name))?.[0] : undefined;
  if (reserved) throw new PatternError(`${reserved} is Ruler reserved fieldName which cannot be used inside $or.`);
  const tests = entries.map(([name, condition]) => compileField({ name, condition, path, inOr }));
  return (event) => tests.every((test) => test(event));
}

interface Field {
  name: string;
  condition: unknown;
  path: string;
  inOr: boolean;
}

function compileField({ name, condition, path, inOr }: Field): (event: Fields) => boolean {
  const where = path ? `${path}.${name}` : name;
  if (name === '$or' && isAlternatives(condition)) {
    const alternatives = condition.map((alternative) => compileFields(alternative, path, true));
    return (event) => alternatives.some((matches) => matches(event));
  }
  if (Array.isArray(condition)) return compileLeaf(name, condition, where);
  if (!isObject(condition)) throw new PatternError(`"${where}" must be an object or an array`);
  const inner = compileFields(condition, where, inOr);
  // A missing parent is an empty object, so that `exists: false` below it holds.
  return (event) => objectsAt(event[name]).some(inner);
}

function isAlternatives(condition: unknown): condition is Fields[] {
  return Array.isArray(condition) && condition.length >= 2 && condition.every(isObject);
}

function objectsAt(value: unknown): Fields[] {
  if (Array.isArray(value)) return value.flat(Number.POSITIVE_INFINITY).filter(isObject);
  return [isObject(value) ? value : {}];
}

function compileLeaf(name: string, conditions: unknown[], where: string): (event: Fields) => boolean {
  if (conditions.length === 0) throw new PatternError(`Empty arrays are not allowed: "${where}"`);
  const presence = conditions.filter((condition) => isObject(condition) && 'exists' in condition).map(existsOf);
  const tests = conditions.filter((condition) => !(isObject(condition) && 'exists' in condition)).map(compileValue);
  return (event) => {
    const values = leavesAt(event[name]);
    // `exists` looks at leaves alone: an object or an empty array counts as absent.
    if (presence.includes(values.length > 0)) return true;
    return values.some((value) => tests.some((test) => test(value)));
  };
}

function leavesAt(value: unknown): unknown[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY) : [value]).filter((leaf) => !isObject(leaf));
}

function existsOf(condition: unknown): boolean {
  const { exists } = condition as { exists: unknown };
  if (typeof exists !== 'boolean') throw new PatternError('exists match pattern must be either true or false.');
  return exists;
}

function compileValue(condition: unknown): ValueTest {
  if (!isObject(condition)) {
    if (Array.isArray(condition)) throw new PatternError('Arrays in a value array are not allowed');
    return (value) => value === condition;
  }
  const [[operator, operand] = ['', undefined], ...rest] = Object.entries(condition);
  if (rest.length > 0) throw new PatternError('Only one key allowed in match expression');
  switch (operator) {
    case 'anything-but':
      return compileAnythingBut(operand);
    case 'numeric':
      return compileNumeric(operand);
    case 'cidr':
      return compileCidr(operand);
    default:
      return compileText(operator, operand);
  }
}

/** prefix, suffix (each also with equals-ignore-case inside), equals-ignore-case and wildcard; they match strings only. */
function compileText(operator: string, operand: unknown): ValueTest {
  if ((operator === 'prefix' || operator === 'suffix') && isObject(operand)) {
    const wanted = textOf(operand['equals-ignore-case'], `${operator} match pattern`).toLowerCase();
    return ifString((text) => edgeMatches(operator, text.toLowerCase(), wanted));
  }
  const wanted = OPERATORS.has(operator) ? textOf(operand, `${operator} match pattern`) : '';
  switch (operator) {
    case 'prefix':
    case 'suffix':
      return ifString((text) => edgeMatches(operator, text, wanted));
    case 'equals-ignore-case':
      return ifString((text) => text.toLowerCase() === wanted.toLowerCase());
    case 'wildcard': {
      const expression = wildcardExpression(wanted);
      return ifString((text) => expression.test(text));
    }
    default:
      throw new PatternError(`Unrecognized match type ${operator}`);
  }
}

function edgeMatches(edge: 'prefix' | 'suffix', text: string, wanted: string): boolean {
  return edge === 'prefix' ? text.startsWith(wanted) : text.endsWith(wanted);
}

function ifString(test: (text: string) => boolean): ValueTest {
  return (value) => typeof value === 'string' && test(value);
}

/** `*` is any run of characters; `\*` and `\\` are the characters themselves; two stars in a row are refused. */
function wildcardExpression(wildcard: string): RegExp {
  let source = '';
  for (let at = 0; at < wildcard.length; at += 1) {
    const character = wildcard[at]!;
    if (character === '\\') {
      at += 1;
      if (wildcard[at] !== '*' && wildcard[at] !== '\\') throw new PatternError('Invalid escape character in wildcard');
      source += `\\${wildcard[at]}`;
    } else if (character === '*') {
      if (wildcard[at + 1] === '*') throw new PatternError('Consecutive wildcard characters are not allowed');
      source += '.*';
    } else {
      source += character.replace(/[.+^${}()|[\]?]/, '\\$&');
    }
  }
  return new RegExp(`^${source}$`, 's');
}

/** A value, a list of strings or of numbers, or one text operator; a missing field never matches. */
function compileAnythingBut(operand: unknown): ValueTest {
  if (isObject(operand)) {
    const [[operator, inner] = ['', undefined], ...rest] = Object.entries(operand);
    if (rest.length > 0) throw new PatternError('Only one key allowed in match expression');
    const texts = [inner].flat();
    if (texts.includes('') && (operator === 'prefix' || operator === 'suffix'))
      throw new PatternError('Null prefix/suffix not allowed');
    const excluded = texts.map((one) => compileText(operator, textOf(one, `${operator} match pattern`)));
    return (value) => !excluded.some((test) => test(value));
  }
  const excluded = [operand].flat();
  const allOf = (type: string): boolean => excluded.every((one) => typeof one === type);
  if (excluded.length === 0 || !(allOf('string') || allOf('number'))) {
    throw new PatternError('anything-but list must be all strings or all numbers');
  }
  for (const one of excluded) if (typeof one === 'number') assertNumber(one);
  return (value) => !excluded.includes(value);
}

const COMPARISONS: Record<string, (value: number, bound: number) => boolean> = {
  '=': (value, bound) => value === bound,
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '>': (value, bound) => value > bound,
  '>=': (value, bound) => value >= bound,
};

/** `[op, number]` or `[lower op, number, upper op, number]`. */
function compileNumeric(operand: unknown): ValueTest {
  if (!Array.isArray(operand) || (operand.length !== 2 && operand.length !== 4)) {
    throw new PatternError('Invalid numeric match: a list of operator and number is expected');
  }
  const tests: ((value: number) => boolean)[] = [];
  for (let at = 0; at < operand.length; at += 2) {
    const compare = COMPARISONS[String(operand[at])];
    const bound: unknown = operand[at + 1];
    if (!compare) throw new PatternError(`Unrecognized numeric range operator: ${String(operand[at])}`);
    const number = assertNumber(bound);
    tests.push((value) => compare(value, number));
  }
  const [, lower, , upper] = operand as unknown[];
  if (upper !== undefined && Number(lower) >= Number(upper)) throw new PatternError('Bottom must be less than top');
  return (value) => typeof value === 'number' && tests.every((test) => test(value));
}

function assertNumber(value: unknown): number {
  if (typeof value === 'number' && Math.abs(value) <= MAX_NUMBER) return value;
  throw new PatternError('Value must be between -5.0E9 and 5.0E9, inclusive');
}

function compileCidr(operand: unknown): ValueTest {
  const [address = '', bits] = textOf(operand, 'cidr match pattern').split('/');
  const family = isIP(address);
  const prefix = Number(bits);
  if (!family || bits === undefined || !Number.isInteger(prefix) || prefix < 0) {
    throw new PatternError('Malformed CIDR, one "/" with an IP address before it is required');
  }
  const most = family === 4 ? 32 : 128;
  if (prefix >= most) throw new PatternError(`IPv${family} mask bits must be < ${most}`);
  const block = new BlockList();
  block.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  return ifString((text) => isIP(text) === family && block.check(text, family === 4 ? 'ipv4' : 'ipv6'));
}

function textOf(operand: unknown, what: string): string {
  if (typeof operand !== 'string') throw new PatternError(`${what} must be a string`);
  return operand;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
