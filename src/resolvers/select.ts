import {
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  type GraphQLNamedType,
  type GraphQLResolveInfo,
  GraphQLSkipDirective,
  getArgumentValues,
  getDirectiveValues,
  isAbstractType,
  isInterfaceType,
  isObjectType,
  type SelectionSetNode,
} from 'graphql';
import { type Selection, valueKey } from '../governance/read/select.js';
import { decodeArgs } from './decode.js';

/** What of `info` the walk needs. */
type Walk = Pick<GraphQLResolveInfo, 'schema' | 'fragments' | 'variableValues'>;

/** What the client asks of this field, neutral of GraphQL: one look ahead feeds one SQL statement. */
export function selectionOf(info: GraphQLResolveInfo): Selection {
  const [node] = info.fieldNodes;
  const field = info.parentType.getFields()[info.fieldName];
  const args = field && node ? getArgumentValues(field, node, info.variableValues) : {};
  return selection(info, { field: info.fieldName, args: decodeArgs(args), nodes: info.fieldNodes });
}

/** The key under which the value of the field being resolved stands in its parent. */
export function keyOf(info: GraphQLResolveInfo): string {
  const [node] = info.fieldNodes;
  const field = info.parentType.getFields()[info.fieldName];
  return valueKey(info.fieldName, field && node ? decodeArgs(getArgumentValues(field, node, info.variableValues)) : {});
}

function selection(
  walk: Walk,
  asked: { field: string; args: Record<string, unknown>; nodes: readonly FieldNode[] },
): Selection {
  return {
    field: asked.field,
    args: asked.args,
    on: (type) => asked.nodes.flatMap((node) => (node.selectionSet ? fieldsOn(walk, type, node.selectionSet) : [])),
  };
}

function fieldsOn(walk: Walk, typeName: string, set: SelectionSetNode): Selection[] {
  const type = walk.schema.getType(typeName);
  if (!isObjectType(type) && !isInterfaceType(type)) return [];
  return set.selections.flatMap((node) => {
    if (!isIncluded(walk, node)) return [];
    if (node.kind === 'Field') {
      const field = type.getFields()[node.name.value];
      if (!field) return [];
      const args = decodeArgs(getArgumentValues(field, node, walk.variableValues));
      return [selection(walk, { field: node.name.value, args, nodes: [node] })];
    }
    const fragment =
      node.kind === 'InlineFragment' ? node : (walk.fragments[node.name.value] as FragmentDefinitionNode);
    const condition = fragment.typeCondition ? walk.schema.getType(fragment.typeCondition.name.value) : type;
    if (!condition || !overlaps(walk, type, condition)) return [];
    // Of several types at once (events) also what is asked of one of them alone.
    return fieldsOn(walk, isObjectType(condition) ? condition.name : typeName, fragment.selectionSet);
  });
}

function isIncluded(walk: Walk, node: Parameters<typeof getDirectiveValues>[1]): boolean {
  if (getDirectiveValues(GraphQLSkipDirective, node, walk.variableValues)?.if === true) return false;
  return getDirectiveValues(GraphQLIncludeDirective, node, walk.variableValues)?.if !== false;
}

/** Whether a fragment on `condition` can apply to `type`, which may itself be abstract (events). */
function overlaps({ schema }: Walk, type: GraphQLNamedType, condition: GraphQLNamedType): boolean {
  if (type === condition) return true;
  if (isAbstractType(condition) && (isObjectType(type) || isInterfaceType(type)) && schema.isSubType(condition, type))
    return true;
  return (
    isAbstractType(type) && (isObjectType(condition) || isInterfaceType(condition)) && schema.isSubType(type, condition)
  );
}
