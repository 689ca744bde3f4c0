import {
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isInterfaceType,
  isListType,
  isObjectType,
} from 'graphql';
import { expect, test } from 'vitest';
import { auditTrail } from '../../src/governance/read/audit.js';
import { domainList } from '../../src/governance/read/domain.js';
import { eventShape, nodeShapes } from '../../src/governance/read/event.js';
import { deadLetterList } from '../../src/governance/read/publisher.js';
import type { Relation, Shape } from '../../src/governance/read/select.js';
import { buildSchema } from '../../src/resolvers/schema.js';

/** Lists and JSON of a few words each: their number is bounded where they are given. */
const SHORT = [
  'AccessRequest.permissions',
  'DataProduct.tags',
  'EventRoute.targets',
  'ForeignGrant.grantable',
  'ForeignGrant.permissions',
  'PersonalAccessToken.scopes',
];

/** Every shape that can be reached from these. */
function reachable(from: Shape[]): Shape[] {
  const found = new Map<string, Shape>();
  const visit = (shape: Shape): void => {
    if (found.has(shape.type)) return;
    found.set(shape.type, shape);
    follow(shape.relations);
  };
  const follow = (relations: Record<string, Relation>): void => {
    for (const relation of Object.values(relations)) {
      if (relation.kind === 'computed') follow(relation.relations);
      else if (relation.kind === 'node') relation.shapes().forEach(visit);
      else visit(relation.kind === 'connection' ? relation.list().shape() : relation.shape());
    }
  };
  from.forEach(visit);
  return [...found.values()];
}

function fieldsOf(schema: GraphQLSchema, name: string): GraphQLField<unknown, unknown>[] {
  const type = schema.getType(name);
  if (isInterfaceType(type))
    return schema.getPossibleTypes(type).flatMap((possible) => Object.values(possible.getFields()));
  return isObjectType(type) ? Object.values(type.getFields()) : [];
}

const mayBeLarge = ({ type }: GraphQLField<unknown, unknown>): boolean =>
  getNamedType(type).name === 'JSON' || isListType(getNullableType(type));

test('each JSON and each list that is read as one column counts among the bytes of documents, but those of a few words', async () => {
  const schema = await buildSchema();
  const shapes = reachable([
    ...nodeShapes(),
    eventShape,
    ...[auditTrail, deadLetterList, domainList].map((list) => list.shape()),
  ]);
  const uncounted = shapes.flatMap(({ type, columns, documents = [] }) =>
    fieldsOf(schema, type)
      .filter((field) => field.name in columns && mayBeLarge(field) && !documents.includes(field.name))
      .map(({ name }) => `${type}.${name}`),
  );
  expect(shapes.length).toBeGreaterThan(30);
  expect([...new Set(uncounted)].sort()).toEqual(SHORT);
});
