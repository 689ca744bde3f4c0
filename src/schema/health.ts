import { Field, ObjectType } from 'type-graphql';
import { HealthStatus } from './enums.js';
import { Resource } from './resource.js';
import { DateTime } from './scalars.js';

@ObjectType({ description: 'An AWS object that is not as it should be, or of which nobody knows.' })
export class HealthReason {
  @Field(() => Resource, { nullable: true, description: 'Which; null where you may not see it.' })
  resource!: Resource | null;

  @Field(() => String, {
    description: 'The AWS error name, Drifted, DriftAcknowledged, NotObserved, or the state that it is in.',
  })
  code!: string;

  @Field(() => String, { description: 'What is wrong.' })
  message!: string;

  @Field(() => DateTime, { description: 'Since when.' })
  since!: string;
}

@ObjectType({
  description:
    'How the AWS objects of a domain, a product, a grant or a route are now, apart from the state that it is in.',
})
export class Health {
  @Field(() => HealthStatus, { description: 'The worst of them.' })
  status!: HealthStatus;

  @Field(() => DateTime, { nullable: true, description: 'Since when it is not HEALTHY.' })
  since!: string | null;

  @Field(() => [HealthReason], { description: 'What keeps it from being HEALTHY, longest first.' })
  reasons!: HealthReason[];
}
