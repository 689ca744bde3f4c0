import { differs } from './attempt.js';
import { PermanentFailure } from './errors.js';

/** A statement of a resource policy (IAM user guide, JSON policy elements). */
type Statement = { Sid?: string } & Record<string, unknown>;

/** A resource policy of which some statements, told by Sid, are ours. */
export interface PolicyDocument {
  Version: string;
  Id?: string;
  Statement: Statement[];
}

/** Reads a policy's text; none is an empty policy. */
export function parsePolicy(text: string | undefined): PolicyDocument {
  if (!text) return { Version: '2012-10-17', Statement: [] };
  let document: Partial<PolicyDocument>;
  try {
    document = JSON.parse(text) as Partial<PolicyDocument>;
  } catch {
    throw new PermanentFailure(
      'MalformedPolicy',
      'AWS answered a resource policy that is not JSON; nothing is written over it.',
    );
  }
  return { ...document, Version: document.Version ?? '2012-10-17', Statement: [document.Statement ?? []].flat() };
}

/** The policy with our statements in place of those of the same Sid. */
export function withStatements(
  policy: PolicyDocument,
  statements: Record<string, Record<string, unknown>>,
): PolicyDocument {
  const rest = withoutStatements(policy, Object.keys(statements));
  const ours = Object.entries(statements).map(([sid, statement]) => ({ ...statement, Sid: sid }));
  return { ...rest, Statement: [...rest.Statement, ...ours] };
}

/** The policy without the statements of these Sids. */
export function withoutStatements(policy: PolicyDocument, sids: string[]): PolicyDocument {
  return { ...policy, Statement: policy.Statement.filter(({ Sid }) => !sids.includes(Sid ?? '')) };
}

/** Readable lines for our statements that are missing or changed; AWS writes one-element lists as scalars and reorders lists. */
export function differingStatements(
  policy: PolicyDocument,
  statements: Record<string, Record<string, unknown>>,
): string[] {
  return Object.entries(statements).flatMap(([sid, statement]) => {
    const found = policy.Statement.find(({ Sid }) => Sid === sid);
    if (!found) return [`statement ${sid} is missing`];
    return differs(`statement ${sid}`, normal(found), normal({ ...statement, Sid: sid }));
  });
}

/** One spelling for what IAM takes as equal: scalar and list of one, list order, an account and its root ARN. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(normal);
    const texts = items.map((item) => JSON.stringify(item)).sort();
    return items.length === 1 ? items[0] : texts;
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, normal(member)]));
  }
  return typeof value === 'string' ? value.replace(/^arn:aws[a-z-]*:iam::(\d{12}):root$/, '$1') : value;
}
