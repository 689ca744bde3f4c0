import { createHash, randomUUID } from 'node:crypto';
import type { CedarValueJson, EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyAction } from './schema.js';
import { readSource, type Statement } from './source.js';
import { type Cedar, createInstance, loadCedar } from './wasm.js';

/** A version of a policy, as it is stored. */
export interface StoredVersion {
  policyId: string;
  name: string;
  /** The version's number. */
  number: number;
  /** The slug of the domain that it is of; null: of the whole mesh. */
  domain: string | null;
  source: string;
  /** sha256 of the source, hex. */
  digest: string;
  /** Who drafted and activated it, and who registered them where they are service accounts. */
  authors: readonly string[];
}

/** The policies that decide about the products of one domain: those of the mesh and its own. They never change under their version. */
export interface PolicySlice {
  /** A hash over policies and digests, hex: another whenever anything of it is another. */
  version: string;
  /** By the id that Cedar knows it by. */
  statements: ReadonlyMap<string, SliceStatement>;
  /** What of it cannot be read any more: then everything is denied. */
  broken: readonly string[];
}

interface SliceStatement {
  policy: Omit<StoredVersion, 'source'>;
  statement: Statement;
}

/** What is asked of the policies: the entities hold what the others name. */
export interface Question {
  principal: TypeAndId;
  action: PolicyAction;
  resource: TypeAndId;
  context: Record<string, CedarValueJson>;
  entities: EntityJson[];
}

/** What they say, and the ids of the statements that determined it; none where nothing permits it, or where evaluation failed. */
export interface Answer {
  allowed: boolean;
  determining: readonly string[];
  /** Why it could not be evaluated, which is a denial. */
  errors: readonly string[];
}

/** Evaluates policies. One for a process: it keeps what Cedar parsed, and what it answered. */
export interface PolicyEngine {
  slice(versions: StoredVersion[]): PolicySlice;
  ask(slice: PolicySlice, question: Question): Answer;
}

/** What of Cedar decides. */
export type Evaluate = Pick<Cedar, 'statefulIsAuthorized' | 'preparsePolicySet'>;

const MOST_PREPARSED = 64;
const MOST_ANSWERS = 5_000;
const MOST_SOURCES = 500;

/** `load` gives an instance of Cedar; it is asked again after one threw, which must not be asked any more. */
export function createPolicyEngine(load: () => Evaluate = loadCedar): PolicyEngine {
  const sources = new Map<string, Statement[]>();
  const answers = new Map<string, Answer>();
  const cedar = createInstance(() => {
    const evaluate = load();
    return { evaluate, preparse: createPreparse(evaluate) };
  });

  function statementsOf({ digest, source, domain }: StoredVersion): Statement[] {
    const key = `${domain ?? ''}/${digest}`;
    const statements = sources.get(key) ?? readSource(source, domain);
    keep(sources, { key, value: statements, most: MOST_SOURCES });
    return statements;
  }

  return {
    slice: (versions) => sliceOf(versions, statementsOf),
    ask: (slice, question) => {
      if (slice.broken.length > 0) return failed(slice.broken);
      // The key holds all that an answer depends on, so what is kept is never stale.
      const key = createHash('sha256')
        .update(`${slice.version} ${keyOf(question)}`)
        .digest('base64');
      const known = answers.get(key);
      if (known !== undefined) return known;
      const answer = askedOf(() =>
        cedar.use(({ evaluate, preparse }) => asked(evaluate, question, preparse(slice, question.action))),
      );
      if (answer.errors.length === 0) keep(answers, { key, value: answer, most: MOST_ANSWERS });
      return answer;
    },
  };
}

function sliceOf(versions: StoredVersion[], statementsOf: (version: StoredVersion) => Statement[]): PolicySlice {
  const ordered = [...versions].sort((a, b) => (a.policyId < b.policyId ? -1 : 1));
  const named = ordered.map(({ policyId, number, digest }) => `${policyId} ${number} ${digest}\n`);
  const statements: [string, SliceStatement][] = [];
  const broken: string[] = [];
  for (const version of ordered) {
    const { source: _, ...policy } = version;
    try {
      statementsOf(version).forEach((statement, index) => {
        statements.push([`${policy.policyId}.${index + 1}`, { policy, statement }]);
      });
    } catch (error) {
      broken.push(`${policy.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const version = createHash('sha256').update(named.join('')).digest('hex');
  return { version, statements: new Map(statements), broken };
}

/** What is thrown denies. */
function askedOf(ask: () => Answer): Answer {
  try {
    return ask();
  } catch (error) {
    return failed([String(error)]);
  }
}

/** Allows where the call succeeded, the decision is allow, and no statement failed: Cedar skips a forbid that fails. */
function asked({ statefulIsAuthorized }: Evaluate, question: Question, preparsed: Preparsed): Answer {
  if ('errors' in preparsed) return failed(preparsed.errors);
  const { principal, action, resource, context, entities } = question;
  const answer = statefulIsAuthorized({
    ...{ principal, resource, context, entities, validateRequest: false },
    action: { type: 'Action', id: action },
    preparsedPolicySetId: preparsed.id,
  });
  if (answer.type !== 'success') return failed(answer.errors.map(({ message }) => message));
  const { decision, diagnostics } = answer.response;
  if (diagnostics.errors.length > 0)
    return failed(
      diagnostics.errors.map(({ error }) => error.message),
      diagnostics.errors.map(({ policyId }) => policyId),
    );
  return { allowed: decision === 'allow', determining: [...diagnostics.reason].sort(), errors: [] };
}

const failed = (messages: readonly string[], determining: string[] = []): Answer => ({
  allowed: false,
  determining,
  errors: messages.length > 0 ? messages : ['It could not be evaluated.'],
});

type Preparsed = { id: string } | { errors: string[] };

/**
 * Gives Cedar the statements that an action can meet, once. Cedar keeps what it is given for good, so ids are used again: a slice that
 * nobody asked for longest gives way.
 */
function createPreparse({ preparsePolicySet }: Evaluate) {
  const own = randomUUID();
  const held = new Map<string, string>();
  const free = Array.from({ length: MOST_PREPARSED }, (_, index) => `${own} ${index}`);

  function freeId(): string {
    const id = free.pop();
    if (id !== undefined) return id;
    const [oldest] = held as Iterable<[string, string]>;
    const [key, taken] = oldest as [string, string];
    held.delete(key);
    return taken;
  }

  return (slice: PolicySlice, action: PolicyAction): Preparsed => {
    const key = `${slice.version} ${action}`;
    const known = held.get(key);
    if (known !== undefined) {
      keep(held, { key, value: known, most: MOST_PREPARSED });
      return { id: known };
    }
    const id = freeId();
    const texts = [...slice.statements].filter(([, { statement }]) => statement.actions.includes(action));
    const staticPolicies = Object.fromEntries(texts.map(([name, { statement }]) => [name, statement.text]));
    const parsed = preparsePolicySet(id, { staticPolicies });
    if (parsed.type === 'success') {
      held.set(key, id);
      return { id };
    }
    free.push(id);
    return { errors: parsed.errors.map(({ message }) => message) };
  };
}

const digests = new WeakMap<Question['context'], string>();

/** All of a question as one text; a context that is asked about again is written once. */
function keyOf({ context, ...rest }: Question): string {
  const digest = digests.get(context) ?? createHash('sha256').update(JSON.stringify(context)).digest('base64');
  digests.set(context, digest);
  return `${digest} ${JSON.stringify(rest)}`;
}

/** Keeps a value as the newest; the oldest is forgotten where there are too many. */
function keep<T>(among: Map<string, T>, { key, value, most }: { key: string; value: T; most: number }): void {
  among.delete(key);
  const [oldest] = among.keys();
  if (among.size >= most && oldest !== undefined) among.delete(oldest);
  among.set(key, value);
}

/** Whether policies about approving can tell people apart that have the same role, and the subjects of those whom they name. */
export function tellPeopleApart({ statements }: PolicySlice): { apart: boolean; named: string[] } {
  const asked = [...statements.values()].filter(({ statement }) => statement.actions.includes('approve'));
  return {
    apart: asked.some(({ statement }) => statement.namesPeople),
    named: [...new Set(asked.flatMap(({ statement }) => statement.people))],
  };
}

/** The ids of the statements about reading columns that can tell columns apart that are alike. */
export const tellColumnsApart = ({ statements }: PolicySlice): string[] =>
  [...statements]
    .filter(([, { statement }]) => statement.namesColumns && statement.actions.includes('readColumn'))
    .map(([id]) => id);
