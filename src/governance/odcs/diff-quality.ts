import { type ContractChange, type ContractChangeKind, change } from './change-kind.js';
import { stableText } from './json.js';
import { keyedInOrder } from './keyed.js';
import type { ContractQuality, QualityThresholds } from './read-quality.js';

/** Compares the checks of two contracts. A check is known by its id or name, else by what it measures, within its table and column. */
export function diffQuality(from: ContractQuality[], to: ContractQuality[]): ContractChange[] {
  const [before, after] = [keyedInOrder(from, keyOf), keyedInOrder(to, keyOf)];
  const kept = [...before].flatMap(([key, check]) => {
    const other = after.get(key);
    if (other === undefined) return [change('QUALITY_REMOVED', pathOf(check), `The check ${show(check)} is gone`)];
    const kind = changeOf(check, other);
    return kind === undefined ? [] : [change(kind, pathOf(other), `The check ${show(check)} became ${show(other)}`)];
  });
  const added = [...after].filter(([key]) => !before.has(key));
  return [
    ...kept,
    ...added.map(([, check]) => change('QUALITY_ADDED', pathOf(check), `The check ${show(check)} is new`)),
  ];
}

function keyOf(check: ContractQuality): string {
  const { table, column, id, name } = check;
  return stableText([table, column, id ?? name ?? measureOf(check)]);
}

/** What a check measures, without what it demands. A check in words is its words. */
function measureOf(check: ContractQuality): unknown {
  const { type, rule, query, engine, implementation, arguments: given, unit, description } = check;
  return { type, rule, query, engine, implementation, given, unit, words: type === 'text' ? description : undefined };
}

function pathOf({ table, column }: ContractQuality): string {
  return column === undefined ? `schema/${table}/quality` : `schema/${table}/properties/${column}/quality`;
}

function show(check: ContractQuality): string {
  const { name, rule, description, query, type, thresholds, severity } = check;
  const demand = Object.entries(thresholds).map(([operator, operand]) => `${operator} ${JSON.stringify(operand)}`);
  return [`"${name ?? rule ?? description ?? query ?? type}"`, ...demand, severity && `(${severity})`]
    .filter(Boolean)
    .join(' ');
}

const SEVERITIES = [
  ['info', 'low', 'minor'],
  ['warning', 'warn', 'medium'],
  ['error', 'high', 'major'],
  ['critical', 'fatal', 'blocker'],
];

function changeOf(from: ContractQuality, to: ContractQuality): ContractChangeKind | undefined {
  if (stableText(measureOf(from)) !== stableText(measureOf(to))) return 'QUALITY_CHANGED';
  const moves = [compareThresholds(from.thresholds, to.thresholds), compareSeverities(from.severity, to.severity)];
  const distinct = new Set(moves.filter((move) => move !== undefined));
  return distinct.size > 1 ? 'QUALITY_CHANGED' : [...distinct][0];
}

function compareSeverities(from: string | undefined, to: string | undefined): ContractChangeKind | undefined {
  if (from === to) return undefined;
  const [before, after] = [from, to].map((severity) =>
    SEVERITIES.findIndex((words) => words.includes(severity?.toLowerCase() ?? '')),
  ) as [number, number];
  // A check that states no severity, or one of words that we do not know, is neither stricter nor milder.
  if (before === -1 || after === -1) return 'QUALITY_CHANGED';
  if (before === after) return undefined;
  return after > before ? 'QUALITY_TIGHTENED' : 'QUALITY_LOOSENED';
}

/** The measured values that a check lets pass: an end that does not belong to the range is open. */
interface Range {
  low: number;
  lowOpen: boolean;
  high: number;
  highOpen: boolean;
}

function compareThresholds(from: QualityThresholds, to: QualityThresholds): ContractChangeKind | undefined {
  if (stableText(from) === stableText(to)) return undefined;
  const [before, after] = [rangeOf(from), rangeOf(to)];
  if (before === undefined || after === undefined) return 'QUALITY_CHANGED';
  const [wider, narrower] = [within(before, after), within(after, before)];
  if (wider && narrower) return undefined;
  if (wider) return 'QUALITY_LOOSENED';
  return narrower ? 'QUALITY_TIGHTENED' : 'QUALITY_CHANGED';
}

/** The range of operators on numbers; undefined where an operator excludes values or its operand is no number. */
function rangeOf(thresholds: QualityThresholds): Range | undefined {
  let range: Range = { low: Number.NEGATIVE_INFINITY, lowOpen: false, high: Number.POSITIVE_INFINITY, highOpen: false };
  for (const [operator, operand] of Object.entries(thresholds)) {
    const next = rangeOfOperator(operator, operand);
    if (next === undefined) return undefined;
    const lowest = next.low > range.low || (next.low === range.low && next.lowOpen) ? next : range;
    const highest = next.high < range.high || (next.high === range.high && next.highOpen) ? next : range;
    range = { low: lowest.low, lowOpen: lowest.lowOpen, high: highest.high, highOpen: highest.highOpen };
  }
  return range;
}

function rangeOfOperator(operator: string, operand: unknown): Range | undefined {
  const all: Range = { low: Number.NEGATIVE_INFINITY, lowOpen: false, high: Number.POSITIVE_INFINITY, highOpen: false };
  if (operator === 'mustBeBetween' && Array.isArray(operand)) {
    const [low, high] = operand as unknown[];
    return typeof low === 'number' && typeof high === 'number' ? { ...all, low, high } : undefined;
  }
  if (typeof operand !== 'number') return undefined;
  switch (operator) {
    case 'mustBe':
      return { ...all, low: operand, high: operand };
    case 'mustBeGreaterThan':
      return { ...all, low: operand, lowOpen: true };
    case 'mustBeGreaterOrEqualTo':
      return { ...all, low: operand };
    case 'mustBeLessThan':
      return { ...all, high: operand, highOpen: true };
    case 'mustBeLessOrEqualTo':
      return { ...all, high: operand };
    default:
      return undefined;
  }
}

function within(inner: Range, outer: Range): boolean {
  const low = inner.low > outer.low || (inner.low === outer.low && (inner.lowOpen || !outer.lowOpen));
  const high = inner.high < outer.high || (inner.high === outer.high && (inner.highOpen || !outer.highOpen));
  return low && high;
}
