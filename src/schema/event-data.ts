import { type ClassType, Field, Float, ID, Int, ObjectType } from 'type-graphql';
import type { Field as DataField, Fields, ReferredType } from '../events/fields.js';
import { AccessGrant } from './access-grant.js';
import { AccessRequest } from './access-request.js';
import { DataContract } from './data-contract.js';
import { DataProduct } from './data-product.js';
import { Domain } from './domain.js';
import { DateTime, JSONScalar } from './scalars.js';

const REFERRED: Record<ReferredType, () => ClassType> = {
  Domain: () => Domain,
  DataProduct: () => DataProduct,
  DataContract: () => DataContract,
  AccessRequest: () => AccessRequest,
  AccessGrant: () => AccessGrant,
};

/** Objects within data, by name: several event types have the same. */
const objects = new Map<string, ClassType>();

/**
 * Gives a GraphQL type a field for each value of an event's data. All are nullable: an object that is referred to may be hidden, an
 * older event may lack a field, and a field of one name has one type in all events, so that a client can ask several at once.
 */
export function addDataFields(type: ClassType, data: Fields): void {
  for (const [name, field] of Object.entries(data)) {
    const graphqlType = typeOf(field);
    Field(() => graphqlType() as never, { nullable: true, description: field.says })(type.prototype as object, name);
  }
}

function typeOf(field: DataField): () => unknown {
  switch (field.kind) {
    case 'TEXT':
      return () => field.values ?? String;
    case 'INTEGER':
      return () => Int;
    case 'NUMBER':
      return () => Float;
    case 'FLAG':
      return () => Boolean;
    case 'TIME':
      return () => DateTime;
    case 'ID':
      return field.node ? REFERRED[field.node] : () => ID;
    case 'FREE':
      return () => JSONScalar;
    case 'LIST': {
      // JSON holds lists too.
      const item = typeOf(field.item as DataField);
      return () => (item() === JSONScalar ? JSONScalar : [item()]);
    }
    case 'OBJECT':
      return field.name === undefined ? () => JSONScalar : objectOf(field.name, field);
  }
}

function objectOf(name: string, { says, fields = {} }: DataField): () => ClassType {
  let type = objects.get(name);
  if (type === undefined) {
    type = { [name]: class {} }[name] as ClassType;
    objects.set(name, type);
    addDataFields(type, fields);
    ObjectType(name, { description: says })(type);
  }
  return () => type;
}
