import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { DomainRole } from './enums.js';
import { MutationInput } from './mutation.input.js';
import { Node } from './node.js';
import { DateTime } from './scalars.js';

@ObjectType({
  implements: Node,
  description: 'Somebody who decides requests for an owner or steward of a domain, for a while.',
})
export class Deputy extends Node {
  @Field(() => String, { description: "Who decides: the `sub` of the deputy's tokens." })
  deputy!: string;

  @Field(() => String, { description: 'For whom: the owner or steward who named him.' })
  standsInFor!: string;

  @Field(() => DateTime, { description: 'From when.' })
  from!: string;

  @Field(() => DateTime, { description: 'Until when, at the latest.' })
  until!: string;

  @Field(() => Boolean, { description: 'Whether he may decide now.' })
  inForce!: boolean;

  @Field(() => DomainRole, {
    nullable: true,
    description:
      'The role in which he decides: what `standsInFor` is now. Null once it is over, or that one decides no more.',
  })
  role!: string | null;

  @Field(() => DateTime, { description: 'When he was named.' })
  createdAt!: string;

  @Field(() => DateTime, { nullable: true, description: 'When it ended, early or by the clock.' })
  endedAt!: string | null;

  @Field(() => String, { nullable: true, description: 'Who ended it; `meshgate` where its time was over.' })
  endedBy!: string | null;
}

@InputType({ description: 'A deputy for you. Not with a token of Meshgate: sign in at your issuer.' })
export class NameDeputyInput extends MutationInput {
  @Field(() => ID, { description: 'The domain of which you are owner or steward.' })
  domain!: string;

  @Field(() => String, { description: 'Who shall decide for you: the `sub` of his tokens. A person.' })
  deputy!: string;

  @Field(() => DateTime, { nullable: true, description: 'From when; default now.' })
  from?: Date;

  @Field(() => DateTime, { description: 'Until when; 366 days at most.' })
  until!: Date;
}

@InputType({ description: 'A deputy to be one no more.' })
export class EndDeputyInput extends MutationInput {
  @Field(() => ID, { description: 'Which.' })
  deputy!: string;
}
