import { defaultFieldResolver, type GraphQLField, GraphQLObjectType, type GraphQLSchema } from 'graphql';
import { can, type Subjects } from '../governance/authorization.js';
import { type FieldGuard, guardOf, ruleOf } from '../governance/read/field-rules.js';
import { tokenAllows } from '../governance/token-scope.js';
import type { RequestContext } from './context.js';

type May = (root: never, rc: RequestContext) => boolean;

const readsDetails = (root: Omit<Subjects['Access'], 'type'>, { ctx }: RequestContext) => {
  const { requestedBy, productDomainId, consumerDomainId } = root;
  const subject = { type: 'Access' as const, requestedBy, productDomainId, consumerDomainId };
  return can(ctx.viewer, 'access-request:read-details', subject);
};
const isSeen = ({ seesResources }: { seesResources: boolean }) => seesResources;

/** Who reads the fields that no column or relation of a shape answers, but a resolver: of what is under a guard, all of them. */
const RESOLVED: Record<string, Partial<Record<FieldGuard, { fields: readonly string[]; may: May }>>> = {
  AccessRequest: { DETAILS: { fields: ['plan'], may: readsDetails } },
  AccessPlan: { STEERS: { fields: ['quotas'], may: isSeen } },
  DataProductPlan: { STEERS: { fields: ['quotas'], may: isSeen } },
  EventRoutePlan: { STEERS: { fields: ['quotas'], may: isSeen } },
  PlannedResource: {
    STEERS: { fields: ['account', 'after', 'awsCalls', 'before', 'diff', 'key', 'region'], may: isSeen },
  },
  Viewer: { TOKENS: { fields: ['tokens'], may: (_, { ctx }) => tokenAllows(ctx.viewer, 'token:read') } },
};

/** The fields of a schema that have no rule: nobody may read them. */
export function fieldsWithoutRule(schema: GraphQLSchema): string[] {
  return objectTypes(schema).flatMap(({ name, fields }) =>
    Object.keys(fields)
      .filter((field) => ruleOf(name, field) === undefined)
      .map((field) => `${name}.${field}`),
  );
}

/** Puts the rules before the resolvers. Throws where a field has none, so that nothing is served that nobody decided on. */
export function applyFieldRules(schema: GraphQLSchema): void {
  const bare = fieldsWithoutRule(schema);
  if (bare.length > 0)
    throw new Error(`These fields have no rule in governance/read/field-table.ts: ${bare.join(', ')}`);
  for (const { name, fields } of objectTypes(schema)) for (const field of Object.values(fields)) guard(name, field);
}

function guard(type: string, field: GraphQLField<unknown, RequestContext>): void {
  const rule = guardOf(type, field.name);
  const resolved = rule && RESOLVED[type]?.[rule];
  if (!resolved?.fields.includes(field.name)) return;
  const resolve = field.resolve ?? defaultFieldResolver;
  field.resolve = (root, args, rc, info) => (resolved.may(root as never, rc) ? resolve(root, args, rc, info) : null);
}

function objectTypes(schema: GraphQLSchema) {
  return Object.values(schema.getTypeMap())
    .filter((type) => type instanceof GraphQLObjectType && !type.name.startsWith('__'))
    .map((type) => ({ name: type.name, fields: (type as GraphQLObjectType).getFields() }));
}
