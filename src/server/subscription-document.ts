import { createHash } from 'node:crypto';
import {
  type ArgumentNode,
  type DocumentNode,
  type GraphQLError,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  visit,
} from 'graphql';
import { type DocumentRules, parseDocument, validationErrors } from './document.js';
import { refusal } from './error.js';

/** The document of a subscription, parsed and checked. */
export interface SubscriptionDocument {
  text: string;
  document: DocumentNode;
  operation: OperationDefinitionNode;
  /** The variables on which results depend: all but those that only say after which event to go on. */
  variables: string[];
}

/** The document is not valid, for these reasons. */
export class InvalidDocument extends Error {
  constructor(readonly errors: readonly GraphQLError[]) {
    super('The document is not valid.');
  }
}

/** Documents that are kept for each server, and of so many characters at most: clients that come back send the same ones. */
const KEPT = 200;
const LONGEST_KEPT = 10_000;
const kept = new WeakMap<DocumentRules, Map<string, SubscriptionDocument>>();

/** Reads one; throws InvalidDocument, or a refusal for what is no subscription. */
export function readSubscription(
  rules: DocumentRules,
  { text, operationName }: { text: string; operationName: string | null | undefined },
): SubscriptionDocument {
  const documents = kept.get(rules) ?? new Map<string, SubscriptionDocument>();
  kept.set(rules, documents);
  const known = documents.get(text);
  if (known && (operationName ?? known.operation.name?.value) === known.operation.name?.value) return known;
  const document = parseDocument(text);
  const invalid = validationErrors(rules, document);
  if (invalid.length > 0) throw new InvalidDocument(invalid);
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== 'subscription') {
    throw refusal('BAD_REQUEST', 'Send queries and mutations to /graphql: here are subscriptions alone.');
  }
  const read = { text, document, operation, variables: variablesOf(document, operation) };
  if (text.length <= LONGEST_KEPT) documents.set(text, read);
  const [oldest] = documents.keys();
  if (documents.size > KEPT && oldest !== undefined) documents.delete(oldest);
  return read;
}

function variablesOf(document: DocumentNode, operation: OperationDefinitionNode): string[] {
  const places = new Set<ArgumentNode>();
  for (const selection of operation.selectionSet.selections) {
    if (selection.kind !== Kind.FIELD) continue;
    for (const argument of selection.arguments ?? []) if (argument.name.value === 'after') places.add(argument);
  }
  const names = new Set<string>();
  visit(document, {
    VariableDefinition: () => false,
    Argument: (argument) => (places.has(argument) ? false : undefined),
    Variable: ({ name }) => void names.add(name.value),
  });
  return [...names].sort();
}

/** The same text for subscriptions whose results are the same for the same viewer. */
export function resultKey({ text, variables }: SubscriptionDocument, given: Readonly<Record<string, unknown>>): string {
  // One that is not given has its default, and null has none.
  const values = variables.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]]));
  return createHash('sha256')
    .update(JSON.stringify([text, values]))
    .digest('base64url');
}
