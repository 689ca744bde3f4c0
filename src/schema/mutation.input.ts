import { Field, InputType } from 'type-graphql';

/** What every mutation may be given. No input of the API itself: nothing but classes that extend it names it. */
@InputType()
export abstract class MutationInput {
  @Field(() => String, {
    nullable: true,
    description: 'Repeating a mutation with the same key within 24 hours does nothing twice.',
  })
  idempotencyKey?: string;
}

/** What a mutation may be given that has a plan. */
@InputType()
export abstract class PlannedInput extends MutationInput {
  @Field(() => String, {
    nullable: true,
    description:
      '`digest` of the plan that was looked at: where it would come to something else by now, it is refused as StateError.',
  })
  planDigest?: string;

  @Field(() => Boolean, { nullable: true, description: 'Do it also where the plan has changed since.' })
  acceptChangedPlan?: boolean;
}
