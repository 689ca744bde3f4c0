import { type ClassType, Field, ID, Int, InterfaceType, ObjectType } from 'type-graphql';

/** Relay's Node: an object with an opaque id that `node(id)` finds again. */
@InterfaceType({
  description: 'An object that can be found again by its id.',
  resolveType: (value: { __typename: string }) => value.__typename,
})
export abstract class Node {
  @Field(() => ID, { description: 'Opaque, unique over all types, stable.' })
  id!: string;
}

@ObjectType({ description: 'Where a page stands in its list (Relay Cursor Connections).' })
export class PageInfo {
  @Field(() => Boolean, { description: 'Whether there is more after this page.' })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: 'Whether this page was asked for after a cursor.' })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: 'Cursor of the first edge.' })
  startCursor!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Cursor of the last edge: give it as `after` to get the next page.',
  })
  endCursor!: string | null;
}

@ObjectType({ description: 'How many objects of a list have one value.' })
export class FacetValue {
  @Field(() => String, { description: 'The value.' })
  value!: string;

  @Field(() => Int, { description: 'How many objects of the whole list have it.' })
  count!: number;
}

@ObjectType({ description: 'The values of one field over a whole list, most frequent first, 50 at most.' })
export class Facet {
  @Field(() => String, { description: 'The field: domain, status, accessMode, classification or tag.' })
  field!: string;

  @Field(() => [FacetValue], { description: 'Its values.' })
  values!: FacetValue[];
}

/** The Relay connection of a node type: `edges`, `nodes`, `pageInfo`, a capped `totalCount`, and facets where they are computed. */
export function connectionType<T extends object>(
  name: string,
  node: () => ClassType<T> | object,
  options: { facets?: boolean } = {},
) {
  @ObjectType(`${name}Edge`, { description: `A ${name} with its cursor.` })
  class Edge {
    @Field(() => String, { description: 'The place of this node in the list.' })
    cursor!: string;

    @Field(() => node() as ClassType<T>, { description: 'The object.' })
    node!: T;
  }

  @ObjectType(`${name}Connection`, { description: `A page of ${name} objects.` })
  class Connection {
    @Field(() => [Edge], { description: 'The objects with their cursors.' })
    edges!: Edge[];

    @Field(() => [node() as ClassType<T>], { description: 'The objects alone.' })
    nodes!: T[];

    @Field(() => PageInfo, { description: 'Where this page stands.' })
    pageInfo!: PageInfo;

    @Field(() => Int, { nullable: true, description: 'How many there are in all; counting stops at 10,000.' })
    totalCount!: number | null;
  }

  if (options.facets) {
    Field(() => [Facet], { description: 'Counts by value over the whole list.' })(Connection.prototype, 'facets');
  }
  return Connection;
}
