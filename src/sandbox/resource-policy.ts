import { AwsError } from './service.js';

type OneOrMany = string | string[];

/** A statement of a resource-based policy (IAM user guide, "IAM JSON policy elements"). */
export interface Statement {
  Sid?: string;
  Effect: 'Allow' | 'Deny';
  Principal: '*' | { AWS?: OneOrMany; Service?: OneOrMany };
  Action: OneOrMany;
  Resource: OneOrMany;
  Condition?: Record<string, Record<string, OneOrMany>>;
}

export interface ResourcePolicy {
  Version: string;
  Id?: string;
  Statement: Statement[];
}

/** Who wants what on which resource; `context` holds the condition keys that are known, with lower-case names. */
export interface AccessQuestion {
  /** IAM ARN, or a service principal such as events.amazonaws.com. */
  principal: string;
  /** The principal's account; undefined for a service principal. */
  account: string | undefined;
  action: string;
  resource: string;
  resourceAccount: string;
  context: Record<string, string | undefined>;
}

/**
 * True when the resource's policy lets the caller in: an explicit Deny always wins; callers of the resource's own account
 * need no Allow here, since their IAM policy is not modelled; everyone else does (IAM user guide, "Policy evaluation logic").
 */
export function isAllowed(policy: ResourcePolicy | undefined, question: AccessQuestion): boolean {
  const applying = (policy?.Statement ?? []).filter((statement) => applies(statement, question));
  if (applying.some(({ Effect }) => Effect === 'Deny')) return false;
  return question.account === question.resourceAccount || applying.some(({ Effect }) => Effect === 'Allow');
}

/** Parses a policy document and refuses what the evaluation here would not understand. */
export function parseResourcePolicy(text: string, invalid: (reason: string) => AwsError): ResourcePolicy {
  let document: { Version?: string; Id?: string; Statement?: Statement | Statement[] };
  try {
    document = JSON.parse(text);
  } catch {
    throw invalid('The policy is not valid JSON');
  }
  if (typeof document !== 'object' || document === null || !document.Statement) throw invalid('Missing Statement');
  const statements = [document.Statement].flat();
  for (const statement of statements) {
    const problem = problemOf(statement);
    if (problem) throw invalid(problem);
  }
  const id = document.Id === undefined ? {} : { Id: document.Id };
  return { Version: document.Version ?? '2012-10-17', ...id, Statement: statements };
}

function problemOf(statement: Statement): string | undefined {
  if (statement.Effect !== 'Allow' && statement.Effect !== 'Deny') return 'Effect must be Allow or Deny';
  if (!statement.Principal) return 'Missing required field Principal';
  if (!statement.Action) return 'Missing required field Action';
  if (!statement.Resource) return 'Missing required field Resource';
  const unknown = Object.keys(statement.Condition ?? {}).find((operator) => !operatorOf(operator));
  return unknown && `Condition operator ${unknown} is not known to the sandbox`;
}

function applies(statement: Statement, question: AccessQuestion): boolean {
  return (
    principalMatches(statement.Principal, question) &&
    list(statement.Action).some((action) => isLike(action.toLowerCase(), question.action.toLowerCase())) &&
    list(statement.Resource).some((resource) => isLike(resource, question.resource)) &&
    Object.entries(statement.Condition ?? {}).every(([operator, keys]) => conditionHolds(operator, keys, question))
  );
}

function principalMatches(principal: Statement['Principal'], { principal: caller, account }: AccessQuestion): boolean {
  if (principal === '*') return true;
  if (account === undefined) return list(principal.Service).includes(caller);
  return list(principal.AWS).some((name) => name === '*' || name === caller || accountOf(name) === account);
}

/** An account id or its root ARN stands for every principal of the account. */
function accountOf(name: string): string | undefined {
  return /^(?:arn:aws:iam::)?(\d{12})(?::root)?$/.exec(name)?.[1];
}

interface Operator {
  test: (expected: string, actual: string) => boolean;
  negated: boolean;
  ifExists: boolean;
}

const TESTS: Record<string, (expected: string, actual: string) => boolean> = {
  StringEquals: (expected, actual) => expected === actual,
  StringEqualsIgnoreCase: (expected, actual) => expected.toLowerCase() === actual.toLowerCase(),
  StringLike: isLike,
  ArnEquals: isLike,
  ArnLike: isLike,
  Bool: (expected, actual) => expected.toLowerCase() === actual.toLowerCase(),
};

function operatorOf(name: string): Operator | undefined {
  const bare = name.replace(/^For(Any|All)Values:/, '').replace(/IfExists$/, '');
  const negated = /^(String|Arn)Not/.test(bare);
  const test = TESTS[negated ? bare.replace('Not', '') : bare];
  return test && { test, negated, ifExists: name.endsWith('IfExists') || name.startsWith('ForAllValues:') };
}

/** An absent key fails a positive operator and satisfies a negated one (IAM user guide, "Condition operators"). */
function conditionHolds(name: string, keys: Record<string, OneOrMany>, { context }: AccessQuestion): boolean {
  const operator = operatorOf(name);
  if (!operator) return false;
  return Object.entries(keys).every(([key, expected]) => {
    const actual = context[key.toLowerCase()];
    if (actual === undefined) return operator.negated || operator.ifExists;
    return list(expected).some((value) => operator.test(String(value), actual)) !== operator.negated;
  });
}

/** `*` stands for any characters and `?` for one. */
function isLike(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(text);
}

function list(value: OneOrMany | undefined): string[] {
  return value === undefined ? [] : [value].flat();
}
