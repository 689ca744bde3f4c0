import { Field, Int, ObjectType } from 'type-graphql';
import { ProvisioningState } from './enums.js';
import { Node } from './node.js';
import { Resource } from './resource.js';

@ObjectType({ description: 'How far the AWS objects of a domain, a product or a grant are: one step on their way.' })
export class ProvisioningProgress {
  @Field(() => Node, { nullable: true, description: 'The domain, product or grant.' })
  owner!: Node | null;

  @Field(() => ProvisioningState, { description: 'Whether there is more to come; the stream ends with the last step.' })
  state!: ProvisioningState;

  @Field(() => Int, { description: 'How many AWS objects it needs.' })
  total!: number;

  @Field(() => Int, { description: 'How many of them stand as they should.' })
  ready!: number;

  @Field(() => Int, { description: 'How many of them failed or are stuck.' })
  failed!: number;

  @Field(() => Int, { description: 'How many it has let go that AWS does not agree with yet.' })
  leaving!: number;

  @Field(() => [Resource], { description: 'Those that failed or are stuck, with the reason; the first 100.' })
  failures!: Resource[];
}
