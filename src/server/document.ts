import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { refusal } from './error.js';
import { inputRule } from './input-limits.js';
import { limits, limitsRule, parseLimits } from './limits.js';

/** The API's schema, and whether messages may name what the client did not. */
export interface DocumentRules {
  schema: GraphQLSchema;
  introspection: boolean;
}

/** Throws GRAPHQL_PARSE_FAILED. */
export function parseDocument(text: string): DocumentNode {
  try {
    return parse(text, parseLimits);
  } catch (error) {
    throw refusal('GRAPHQL_PARSE_FAILED', (error as Error).message);
  }
}

/** What is wrong with a document, as the schema and the limits have it. */
export function validationErrors(
  { schema, introspection }: DocumentRules,
  document: DocumentNode,
): readonly GraphQLError[] {
  const options = { maxErrors: limits.errors, hideSuggestions: !introspection };
  const errors = validate(schema, document, [...specifiedRules, limitsRule, inputRule], options);
  return errors.map(({ message, nodes }) => refusal('GRAPHQL_VALIDATION_FAILED', message, { nodes }));
}

/**
 * What is wrong with variables, as the operation declares them. Asked before they are used: GraphQL's own execution would tell fifty errors,
 * of which each holds all that was sent.
 */
export function coercionErrors(
  { schema, introspection }: DocumentRules,
  { operation, variables }: { operation: OperationDefinitionNode; variables: Readonly<Record<string, unknown>> },
): readonly GraphQLError[] {
  const options = { maxErrors: limits.errors, hideSuggestions: !introspection };
  const { errors = [] } = getVariableValues(schema, operation.variableDefinitions ?? [], variables, options);
  return errors.map(({ message, nodes }) => refusal('BAD_USER_INPUT', message, { nodes }));
}
