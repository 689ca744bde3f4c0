import { Field, ObjectType } from 'type-graphql';
import { Domain } from './domain.js';
import { DomainRole } from './enums.js';

@ObjectType({ description: 'A domain that you belong to.' })
export class Membership {
  @Field(() => Domain, { nullable: true, description: 'The domain.' })
  domain!: Domain | null;

  @Field(() => DomainRole, { description: 'Your role there.' })
  role!: DomainRole;
}

@ObjectType({ description: 'Who you are here, and what you may do.' })
export class Viewer {
  @Field(() => String, { description: 'The `sub` of your token.' })
  subject!: string;

  @Field(() => String, { nullable: true, description: 'Your name.' })
  name!: string | null;

  @Field(() => [String], { description: 'The groups that your token names.' })
  groups!: string[];

  @Field(() => Boolean, { description: 'Whether you are a platform admin.' })
  admin!: boolean;

  @Field(() => [Membership], { description: 'The domains that you belong to.' })
  memberships!: Membership[];

  @Field(() => [String], { description: 'What you may do that is not about one object: domain:register ...' })
  actions!: string[];
}
