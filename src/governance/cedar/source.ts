import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { GovernanceError, invalid } from '../error.js';
import { CEDAR_SCHEMA, POLICY_ACTIONS, type PolicyAction } from './schema.js';
import { type Cedar, createInstance, loadCedar } from './wasm.js';

/** One Cedar statement of a policy's source, as evaluation needs it. */
export interface Statement {
  text: string;
  /** What it can apply to. */
  actions: readonly PolicyAction[];
  /** Its `@reason` annotation: what people are told where it decides. */
  reason: string | null;
  /** Whether it can tell two columns apart that have the same classification and personal data. */
  namesColumns: boolean;
  /** Whether it can tell two people apart that have the same role. */
  namesPeople: boolean;
  /** The subjects of those whom it names: `User::"..."`. */
  people: readonly string[];
}

/** Evaluation gets slow with the number of statements that may apply: at most so many of the mesh and one domain together. */
const MOST_STATEMENTS = 50;
/** Of which a domain never takes the mesh's. */
const OF_DOMAIN = 20;
/** How many statements of the mesh (null), or of one domain, can decide together. */
export const mostStatements = (domain: string | null): number =>
  domain === null ? MOST_STATEMENTS - OF_DOMAIN : OF_DOMAIN;
const MOST_CHARACTERS = 20_000;
/** Cedar parses and evaluates by recursion: some 80 brackets or 100 operators within each other are more than its stack holds. */
const MOST_NESTED = 40;
const MOST_OPERATORS = 50;
/** In Cedar's JSON an operator is an object in an object, below the policy, its conditions and their body. */
const DEEPEST_JSON = 4 + 2 * MOST_OPERATORS;

/** Apart from the instance that decides: what somebody writes here is never in its way. */
const reader = createInstance(loadCedar);

/**
 * Reads a policy's source: Cedar statements without templates, checked strictly against the schema, those of a domain for products
 * of its own alone. Throws VALIDATION with Cedar's own message, line and column. `domain` is the slug, null for the whole mesh.
 */
export function readSource(source: string, domain: string | null): Statement[] {
  if (source.length > MOST_CHARACTERS) throw refused(`Must not be longer than ${MOST_CHARACTERS} characters.`);
  if (nestingOf(source) > MOST_NESTED) throw refused(`Brackets and \`if\` stand at most ${MOST_NESTED} deep.`);
  const parts = withCedar((cedar) => cedar.policySetTextToParts(source));
  if (parts.type === 'failure') throw wrong(source, parts.errors);
  const { policies, policy_templates: templates } = parts;
  if (templates.length > 0) throw refused('Templates (?principal, ?resource) are not taken: name what is meant.');
  if (policies.length === 0) throw refused('Give at least one Cedar statement: permit (...) or forbid (...).');
  if (policies.length > MOST_STATEMENTS) throw refused(`Give at most ${MOST_STATEMENTS} statements.`);
  const statements = policies.map((text, index) => readStatement({ text, index, domain }));
  const checked = withCedar((cedar) => cedar.validate({ schema: CEDAR_SCHEMA, policies: { staticPolicies: source } }));
  if (checked.type === 'failure') throw wrong(source, checked.errors);
  // A warning is a statement that never applies, or a text that reads as something else than it is.
  const found = [...checked.validationErrors, ...checked.validationWarnings].map(({ error }) => error);
  const problems = [...found, ...checked.otherWarnings];
  if (problems.length > 0) throw wrong(source, problems);
  return statements;
}

/** Tells the author of what overflows Cedar's stack, which it throws; everything else that is wrong it answers. */
function withCedar<T>(use: (cedar: Cedar) => T): T {
  try {
    return reader.use(use);
  } catch (error) {
    if (error instanceof RangeError || error instanceof WebAssembly.RuntimeError) throw tooDeep();
    throw error;
  }
}

/** How deep brackets and `if` stand within each other, those in texts and comments aside; an `if` is open as long as its bracket. */
function nestingOf(source: string): number {
  const open: number[] = [];
  let [depth, deepest] = [0, 0];
  for (const [token] of source.matchAll(/"(?:\\[\s\S]|[^"\\])*"?|\/\/[^\n\r]*|[([{]|[)\]}]|\bif\b/g)) {
    if (/^[([{]/.test(token)) {
      open.push(depth);
      depth += 1;
    } else if (token === 'if') depth += 1;
    else if (/^[)\]}]/.test(token)) depth = open.pop() ?? 0;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** Without recursion, which it is there to prevent. */
function assertShallow(json: object): void {
  let level: object[] = [json];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEEPEST_JSON) throw tooDeep();
    level = level.flatMap((value) =>
      Object.values(value).filter((inner): inner is object => typeof inner === 'object' && inner !== null),
    );
  }
}

const tooDeep = (): GovernanceError =>
  refused(
    `An expression holds at most ${MOST_OPERATORS} operators within each other (a || b || c are two): give a set, such as [...].contains(...), or several statements.`,
  );

function readStatement({ text, index, domain }: { text: string; index: number; domain: string | null }): Statement {
  const parsed = withCedar((cedar) => cedar.policyToJson(text));
  if (parsed.type === 'failure') throw wrong(text, parsed.errors);
  const { json } = parsed;
  assertShallow(json);
  if (domain !== null && !isWithin(json, domain)) {
    throw refused(
      `Statement ${index + 1} is not kept to products of ${domain}: give it the scope \`resource in Domain::"${domain}"\`, or one of its products, \`resource == DataProduct::"${domain}/..."\`.`,
    );
  }
  const people = new Set<string>();
  const body = JSON.stringify(json, (_, value: unknown) => {
    if (isUser(value)) people.add(value.id);
    return value;
  });
  return {
    text,
    actions: actionsOf(json),
    reason: json.annotations?.reason || null,
    namesColumns: /"attr":"(name|table)"|"type":"Column"/.test(body),
    namesPeople: json.principal.op !== 'All' || body.includes('"Var":"principal"'),
    people: [...people],
  };
}

const isUser = (value: unknown): value is { type: 'User'; id: string } =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === 'User' && 'id' in value;

/** Whether the statement's own scope keeps it to a domain, whatever its conditions say. */
function isWithin({ resource }: PolicyJson, domain: string): boolean {
  const within = resource.op === 'is' ? resource.in : resource;
  if (within === undefined || !('entity' in within)) return false;
  const { type, id } = '__entity' in within.entity ? within.entity.__entity : within.entity;
  if (type === 'Domain') return id === domain;
  return (type === 'DataProduct' || type === 'Column') && id.startsWith(`${domain}/`);
}

function actionsOf({ action }: PolicyJson): readonly PolicyAction[] {
  if (action.op === 'All') return POLICY_ACTIONS;
  if ('slot' in action) return [];
  const entities = 'entities' in action ? action.entities : [action.entity];
  const ids = entities.map((entity) => ('__entity' in entity ? entity.__entity.id : entity.id));
  return POLICY_ACTIONS.filter((name) => ids.includes(name));
}

const refused = (reason: string): GovernanceError => invalid('source', `source: ${reason}`);

/** Cedar's messages with line and column, those that say the same once. */
function wrong(source: string, errors: DetailedError[]): GovernanceError {
  const texts = [...new Set(errors.map((error) => textOf(source, error)))];
  const violations = texts.map((reason) => ({ path: 'source', reason }));
  return new GovernanceError('VALIDATION', `source: ${texts.slice(0, 10).join(' ')}`, { path: 'source', violations });
}

function textOf(source: string, { message, help, sourceLocations = [] }: DetailedError): string {
  const said = message.replace(/^for policy `[^`]*`[,:] /, '');
  const [at] = sourceLocations;
  const label = at?.label ? ` (${at.label})` : '';
  const where = at === undefined ? '' : `${placeOf(source, at.start)}: `;
  return `${where}${said}${label}.${help ? ` ${help.charAt(0).toUpperCase()}${help.slice(1).replace(/([^.?!])$/, '$1.')}` : ''}`;
}

/** Cedar counts bytes of UTF-8; people count lines and characters. */
function placeOf(source: string, start: number): string {
  const before = Buffer.from(source, 'utf8').subarray(0, start).toString('utf8');
  const lines = before.split('\n');
  return `line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}`;
}
