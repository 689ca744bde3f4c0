import { type ClassType, createUnionType, Field, InterfaceType, ObjectType } from 'type-graphql';
import { ContractViolation } from './data-contract.js';

@InterfaceType({
  description: 'A failure that a person can cause: the message says what is wrong and what to do.',
  resolveType: (error: { __typename: string }) => error.__typename,
})
export abstract class UserError {
  @Field(() => String, { description: 'Stable: NOT_FOUND, FORBIDDEN, CONFLICT, VALIDATION, POLICY_DENIED or STATE.' })
  code!: string;

  @Field(() => String, { description: 'What is wrong and what to do.' })
  message!: string;
}

@ObjectType({ implements: UserError, description: 'Something named does not exist, or you may not see it.' })
export class NotFoundError extends UserError {}

@ObjectType({ implements: UserError, description: 'You see it but may not do this to it.' })
export class ForbiddenError extends UserError {}

@ObjectType({ implements: UserError, description: 'It contradicts something that is already so.' })
export class ConflictError extends UserError {}

@ObjectType({ implements: UserError, description: 'An input is not as it must be.' })
export class ValidationError extends UserError {
  @Field(() => String, { nullable: true, description: 'The input field, dotted: tables.0.columns.' })
  path!: string | null;

  @Field(() => [ContractViolation], { description: 'Every place that is wrong, as far as one can be named.' })
  violations!: ContractViolation[];
}

@ObjectType({ implements: UserError, description: 'A policy does not allow it.' })
export class PolicyDeniedError extends UserError {
  @Field(() => [String], { description: 'The policies that decided.' })
  policies!: string[];
}

@ObjectType({ implements: UserError, description: 'Its state does not allow it.' })
export class StateError extends UserError {
  @Field(() => String, { description: 'The state that it is in.' })
  state!: string;
}

export const userErrors = [
  NotFoundError,
  ForbiddenError,
  ConflictError,
  ValidationError,
  PolicyDeniedError,
  StateError,
] as const;

/** The result of a mutation: its payload, or one of the errors that a person can cause. */
export function resultType(name: string, payload: ClassType) {
  return createUnionType({
    name,
    description: `What ${name.replace(/Result$/, '')} answers: its payload, or why not.`,
    types: () => [payload, ...userErrors] as const,
    resolveType: (value) => (value as { __typename: string }).__typename,
  });
}
