import {
  type ASTVisitor,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
  visit,
} from 'graphql';
import { refusal } from './error.js';

/** What one document may ask for at most. Fragments count where they are spread, however often. */
export const limits = {
  tokens: 1_000,
  /** `edges`, `node` and `nodes` are not counted. */
  depth: 10,
  /** The standard introspection query is 15 deep and has 230 fields. */
  introspectionDepth: 16,
  aliases: 15,
  directives: 8,
  fields: 300,
  operations: 1,
  /** Objects that an answer may hold: `first` times children; a list without `first` counts as `plainList`. */
  nodes: 10_000,
  plainList: 10,
  first: 100,
  /** Validation stops here: more errors help nobody. */
  errors: 5,
} as const;

/**
 * Fields that take more work than the objects they answer, as so many objects, each time: a plan asks the policies a request's questions, a
 * trial twice those of each past request, and facets count a whole list by every value.
 */
const WORK: Readonly<Record<string, number>> = {
  'AccessRequest.plan': 100,
  'Query.planAccess': 100,
  'Query.tryPolicy': 50,
  'DataProductConnection.facets': 500,
  'QuarantinedEventConnection.facets': 500,
};

/** Parser options that go with the limits. */
export const parseLimits = { maxTokens: limits.tokens } as const;

const transparent = new Set(['edges', 'node', 'nodes']);
const introspective = new Set(['__schema', '__type']);

interface Shape {
  depth: number;
  introspectionDepth: number;
  fields: number;
  aliases: number;
}

/** Refuses documents that are too large by their shape alone. Reports errors and never throws: a rule that throws is HTTP 500. */
export function limitsRule(context: ValidationContext): ASTVisitor {
  return {
    Document(document) {
      const report = (message: string): void => context.reportError(new GraphQLError(message));
      const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
      if (operations.length > limits.operations)
        report(`Send ${limits.operations} operation, not ${operations.length}.`);
      const directives = countDirectives(document);
      if (directives > limits.directives) report(`${directives} directives are more than ${limits.directives}.`);
      const measure = measurer(document);
      for (const { selectionSet } of operations) {
        const shape = measure(selectionSet, false);
        if (shape.depth > limits.depth) report(`The query is ${shape.depth} levels deep, more than ${limits.depth}.`);
        if (shape.introspectionDepth > limits.introspectionDepth) report('The introspection is too deep.');
        if (shape.aliases > limits.aliases) report(`${shape.aliases} aliases are more than ${limits.aliases}.`);
        if (shape.fields > limits.fields) report(`${shape.fields} fields are more than ${limits.fields}.`);
      }
    },
  };
}

function countDirectives(document: DocumentNode): number {
  let count = 0;
  visit(document, {
    Directive() {
      count += 1;
    },
  });
  return count;
}

type Measure = (selections: SelectionSetNode | undefined, introspecting: boolean) => Shape;

/** Each fragment is measured once, so that a chain of fragments that double costs no time; one in a cycle measures nothing. */
function measurer(document: DocumentNode): Measure {
  const fragments = fragmentsOf(document);
  const measured = new Map<string, Shape>();
  const empty: Shape = { depth: 0, introspectionDepth: 0, fields: 0, aliases: 0 };

  function measureFragment(name: string, introspecting: boolean): Shape {
    const key = `${name} ${introspecting}`;
    const known = measured.get(key);
    if (known) return known;
    measured.set(key, empty); // what a cycle finds; another rule refuses the cycle itself
    const shape = measure(fragments.get(name)?.selectionSet, introspecting);
    measured.set(key, shape);
    return shape;
  }

  function measureField(field: FieldNode, introspecting: boolean): Shape {
    const name = field.name.value;
    const inside = introspecting || introspective.has(name);
    const shape = measure(field.selectionSet, inside);
    const step = transparent.has(name) ? 0 : 1;
    return {
      depth: inside ? shape.depth : shape.depth + step,
      introspectionDepth: inside ? shape.introspectionDepth + 1 : shape.introspectionDepth,
      fields: shape.fields + 1,
      aliases: shape.aliases + (field.alias ? 1 : 0),
    };
  }

  function measure(selections: SelectionSetNode | undefined, introspecting: boolean): Shape {
    const total = { ...empty };
    for (const selection of selections?.selections ?? []) {
      let shape: Shape;
      if (selection.kind === Kind.FIELD) shape = measureField(selection, introspecting);
      else if (selection.kind === Kind.INLINE_FRAGMENT) shape = measure(selection.selectionSet, introspecting);
      else shape = measureFragment(selection.name.value, introspecting);
      total.depth = Math.max(total.depth, shape.depth);
      total.introspectionDepth = Math.max(total.introspectionDepth, shape.introspectionDepth);
      total.fields += shape.fields;
      total.aliases += shape.aliases;
    }
    return total;
  }
  return measure;
}

/** What the cost depends on: a valid document, the operation that runs, and the variables as the client sent them. */
export interface CostedOperation {
  schema: GraphQLSchema;
  document: DocumentNode;
  operation: OperationDefinitionNode;
  variables: Readonly<Record<string, unknown>>;
}

/** How many objects the answer may hold. Throws QUERY_TOO_COSTLY for `first` outside 1 to 100 and for too many objects. */
export function costOf(costed: CostedOperation): number {
  const cost = coster(costed);
  const root = costed.schema.getRootType(costed.operation.operation);
  if (!root) return 0;
  const { nodes, badFirst } = cost(costed.operation.selectionSet, root.name, 1);
  if (badFirst) throw refusal('QUERY_TOO_COSTLY', `\`first\` must be from 1 to ${limits.first}.`);
  if (nodes <= limits.nodes) return nodes;
  throw refusal(
    'QUERY_TOO_COSTLY',
    `The answer may hold ${nodes} objects, more than ${limits.nodes}: ask for smaller pages, or for less within them.`,
  );
}

interface Cost {
  nodes: number;
  badFirst: boolean;
}
type CostOf = (selections: SelectionSetNode, typeName: string, page: number) => Cost;

/** `page` is the length of the connection's page that the selections stand in. */
function coster({ schema, document, operation, variables }: CostedOperation): CostOf {
  const fragments = fragmentsOf(document);
  const known = new Map<string, Cost>();

  function costOfField(field: FieldNode, typeName: string, page: number): Cost {
    const definition = definitionOf(schema, typeName, field.name.value);
    if (!definition || !field.selectionSet || !isCompositeType(getNamedType(definition.type)))
      return { nodes: 0, badFirst: false };
    const first = firstOf(field, operation, variables);
    const badFirst = first !== undefined && !(Number.isInteger(first) && first >= 1 && first <= limits.first);
    const length = badFirst ? limits.first : first;
    const pageful = field.name.value === 'edges' || field.name.value === 'nodes' ? page : limits.plainList;
    const times = isList(definition.type) ? (length ?? pageful) : 1;
    const inner = costOf(field.selectionSet, getNamedType(definition.type).name, length ?? limits.plainList);
    const coordinate = `${typeName}.${field.name.value}`;
    const work = (WORK[coordinate] ?? 0) * (length ?? 1);
    return { nodes: work + times * (1 + inner.nodes), badFirst: badFirst || inner.badFirst };
  }

  function costOfFragment(name: string, page: number): Cost {
    const key = `${name} ${page}`;
    const done = known.get(key);
    if (done) return done;
    known.set(key, { nodes: 0, badFirst: false });
    const fragment = fragments.get(name);
    const cost = fragment
      ? costOf(fragment.selectionSet, fragment.typeCondition.name.value, page)
      : { nodes: 0, badFirst: false };
    known.set(key, cost);
    return cost;
  }

  function costOf(selections: SelectionSetNode, typeName: string, page: number): Cost {
    const total: Cost = { nodes: 0, badFirst: false };
    for (const selection of selections.selections) {
      let cost: Cost;
      if (selection.kind === Kind.FIELD) cost = costOfField(selection, typeName, page);
      else if (selection.kind === Kind.INLINE_FRAGMENT) {
        cost = costOf(selection.selectionSet, selection.typeCondition?.name.value ?? typeName, page);
      } else cost = costOfFragment(selection.name.value, page);
      total.nodes += cost.nodes;
      total.badFirst ||= cost.badFirst;
    }
    return total;
  }
  return costOf;
}

/** The value of `first`, undefined where it is not given, NaN where it is no number. */
function firstOf(
  field: FieldNode,
  operation: OperationDefinitionNode,
  variables: CostedOperation['variables'],
): number | undefined {
  const value = field.arguments?.find((argument) => argument.name.value === 'first')?.value;
  if (!value || value.kind === Kind.NULL) return undefined;
  if (value.kind === Kind.INT) return Number(value.value);
  if (value.kind !== Kind.VARIABLE) return Number.NaN;
  const sent = variables[value.name.value];
  if (sent !== undefined) return sent === null ? undefined : typeof sent === 'number' ? sent : Number.NaN;
  const byDefault = operation.variableDefinitions?.find(
    (one) => one.variable.name.value === value.name.value,
  )?.defaultValue;
  return byDefault?.kind === Kind.INT ? Number(byDefault.value) : undefined;
}

function definitionOf(
  schema: GraphQLSchema,
  typeName: string,
  field: string,
): GraphQLField<unknown, unknown> | undefined {
  const type = schema.getType(typeName);
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[field] : undefined;
}

function isList(type: GraphQLOutputType): boolean {
  return isListType(isNonNullType(type) ? type.ofType : type);
}

function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  return new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
}
