/** Registries, schemas and their versions as the sandbox keeps them. */
import { defined, entityNotFound, invalidInput, requireMembers } from './lf-input.js';
import type { Call, World } from './service.js';

/** A registry by its ARN. */
export interface RegistryRecord {
  account: string;
  arn: string;
  name: string;
  description?: string;
  createdAt: string;
}

/** A schema by its ARN. */
export interface SchemaRecord {
  account: string;
  arn: string;
  name: string;
  registry: string;
  compatibility: string;
  description?: string;
  createdAt: string;
  versions: VersionRecord[];
}

/** PENDING until `decidedAt` (milliseconds); from then on what the comparison came to. */
export interface VersionRecord {
  id: string;
  number: number;
  definition: string;
  outcome: 'AVAILABLE' | 'FAILURE';
  decidedAt: number;
  createdAt: string;
}

const DEFAULT_REGISTRY = 'default-registry';
const NAME = /^[\w$#.-]{1,255}$/;

/** All registries, by ARN. */
export function registries(world: World) {
  return world.table<RegistryRecord>('glue/registries');
}

/** All schemas, by ARN. */
export function schemas(world: World) {
  return world.table<SchemaRecord>('glue/schemas');
}

/** An ARN of the caller's account and region. */
export function arnOf({ region, account }: Call, path: string): string {
  return `arn:aws:glue:${region}:${account}:${path}`;
}

/** The name that a call gives, checked. */
export function nameIn(call: Call, member: 'RegistryName' | 'SchemaName'): string {
  requireMembers(call.parameters, [member]);
  const name: unknown = call.parameters[member];
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw invalidInput(
    `The parameter value contains one or more characters that are not valid. Parameter Name: ${member}`,
  );
}

/** Stores a registry. */
export function putRegistry(call: Call, world: World, { name, description }: { name: string; description?: string }) {
  const arn = arnOf(call, `registry/${name}`);
  const createdAt = world.now().toISOString();
  const record = defined({ account: call.account, arn, name, description, createdAt }) as RegistryRecord;
  registries(world).put(arn, record);
  return record;
}

/** A registry by name or ARN; the default one is there once it is needed. */
export function registryOf(
  call: Call,
  world: World,
  id: { RegistryName?: string; RegistryArn?: string } = {},
): RegistryRecord {
  const name = id.RegistryArn?.split(':registry/')[1] ?? id.RegistryName ?? DEFAULT_REGISTRY;
  const found = registries(world).get(id.RegistryArn ?? arnOf(call, `registry/${name}`));
  if (found?.account === call.account) return found;
  if (name === DEFAULT_REGISTRY) return putRegistry(call, world, { name });
  throw entityNotFound(`Registry is not found. RegistryName: ${name}`);
}

/** The schema that a call names by ARN, or by name and registry. */
export function schemaOf(call: Call, world: World): SchemaRecord {
  requireMembers(call.parameters, ['SchemaId']);
  const id: { SchemaArn?: string; SchemaName?: string; RegistryName?: string } = call.parameters.SchemaId;
  const arn = id.SchemaArn ?? arnOf(call, `schema/${id.RegistryName ?? DEFAULT_REGISTRY}/${id.SchemaName}`);
  const found = schemas(world).get(arn);
  if (found?.account === call.account) return found;
  throw entityNotFound(
    `Schema is not found. RegistryName: ${id.RegistryName}, SchemaName: ${id.SchemaName}, SchemaArn: ${arn}`,
  );
}
