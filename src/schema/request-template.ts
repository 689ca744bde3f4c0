import { Field, Int, ObjectType } from 'type-graphql';
import { DateTime, JSONScalar } from './scalars.js';

@ObjectType({ description: 'What a product asks those who request access to it.' })
export class RequestTemplate {
  @Field(() => Int, { description: 'Counts from 1; every change is a new version.' })
  version!: number;

  @Field(() => JSONScalar, {
    description: 'The questions: a JSON Schema (draft 7) of the object that `answers` has to be.',
  })
  questions!: unknown;

  @Field(() => DateTime, { description: 'From when on it was asked.' })
  createdAt!: string;
}
