import type { z } from 'zod';
import { isObject, memberOf } from './json.js';
import { contractRule } from './rules.js';
import { isOdcsVersion, NEWEST_ODCS_VERSION, ODCS_VERSIONS } from './version.js';

/** One breach of the standard. */
export interface Violation {
  /** JSON Pointer (RFC 6901) into the document: `/schema/0/properties/2/logicalType`; empty for the document itself. */
  path: string;
  /** What is wrong there, for the person who wrote the contract. */
  reason: string;
}

/** What a document breaks of the version that it declares. */
export interface Validation {
  /** The declared `apiVersion`, supported or not; undefined where there is none or it is no text. */
  apiVersion: string | undefined;
  violations: Violation[];
}

/**
 * Holds a document to the rules of the ODCS version that it declares, and reports every breach.
 * A document without a version is also held to the newest one's rules; one of an unsupported version to none, since a guess would mislead.
 */
export function validateDataContract(document: unknown): Validation {
  if (!isObject(document)) {
    return {
      apiVersion: undefined,
      violations: [{ path: '', reason: `must be an object, but is ${nameOf(document)}` }],
    };
  }
  const declared = memberOf(document, 'apiVersion');
  const apiVersion = typeof declared === 'string' ? declared : undefined;
  if (isOdcsVersion(declared)) return { apiVersion, violations: breachesOf(document, contractRule(declared)) };
  const reason = `${declared === undefined ? 'is missing' : `${show(declared)} is not supported`}; it must be one of ${ODCS_VERSIONS.join(', ')}`;
  const violation = { path: '/apiVersion', reason };
  if (apiVersion !== undefined) return { apiVersion, violations: [violation] };
  const rest = breachesOf(document, contractRule(NEWEST_ODCS_VERSION)).filter(({ path }) => path !== '/apiVersion');
  return { apiVersion, violations: [violation, ...rest] };
}

function breachesOf(document: unknown, rule: z.ZodType<unknown>): Violation[] {
  const result = rule.safeParse(document);
  if (result.success) return [];
  const distinct = new Map<string, Violation>();
  for (const issue of result.error.issues) {
    const violation = { path: pointerTo(issue.path), reason: reasonOf(issue, valueAt(document, issue.path)) };
    distinct.set(`${violation.path} ${violation.reason}`, violation);
  }
  return [...distinct.values()];
}

function pointerTo(path: readonly PropertyKey[]): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = document;
  for (const step of path) value = Array.isArray(value) ? value[Number(step)] : memberOf(value, String(step));
  return value;
}

const KINDS: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
};

function reasonOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined && issue.code !== 'custom') return 'is missing';
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${KINDS[issue.expected] ?? issue.expected}, but is ${nameOf(value)}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}, but is ${show(value)}`;
    case 'invalid_union':
      return `must be ${issue.errors.map(kindOf).join(' or ')}, but is ${nameOf(value)}`;
    case 'too_small':
      return `must hold at least ${issue.minimum} ${issue.minimum === 1 ? 'entry' : 'entries'}`;
    case 'too_big':
      return `must hold at most ${issue.maximum} entries`;
    default:
      return issue.message;
  }
}

function kindOf(issues: readonly z.core.$ZodIssue[]): string {
  const issue = issues.find((each) => each.code === 'invalid_type');
  return issue?.code === 'invalid_type' ? (KINDS[issue.expected] ?? issue.expected) : 'another value';
}

/** The value as a person would name it in the sentence "but is ...". */
function nameOf(value: unknown): string {
  if (value === null) return 'empty (null)';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'string' ? `the text ${show(value)}` : show(value);
}

function show(value: unknown): string {
  const shown = JSON.stringify(value) ?? 'nothing';
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
}
