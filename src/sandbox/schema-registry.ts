/** The AWS Glue schema registry for JSON Schema. AWS page: Glue API, "Schema registry". */
import { defined, entityNotFound, invalidInput, pageOf, requireMembers } from './lf-input.js';
import { regionalService } from './regional.js';
import { isEqual, readingProblems, schemaError } from './schema-registry-json.js';
import {
  arnOf,
  nameIn,
  putRegistry,
  type RegistryRecord,
  registries,
  registryOf,
  type SchemaRecord,
  schemaOf,
  schemas,
  type VersionRecord,
} from './schema-registry-store.js';
import { AwsError, type Call, type Service, type World } from './service.js';
import { sandboxSettings } from './settings.js';

const MODES = ['NONE', 'DISABLED', 'BACKWARD', 'BACKWARD_ALL', 'FORWARD', 'FORWARD_ALL', 'FULL', 'FULL_ALL'];

const MAX_DEFINITION = 170_000;

const OPERATIONS: Service = {
  CreateRegistry: createRegistry,
  GetRegistry: (call, world) => describeRegistry(registryOf(call, world, call.parameters.RegistryId)),
  DeleteRegistry: deleteRegistry,
  CreateSchema: createSchema,
  GetSchema: (call, world) => describeSchema(schemaOf(call, world)),
  UpdateSchema: updateSchema,
  DeleteSchema: deleteSchema,
  RegisterSchemaVersion: registerSchemaVersion,
  GetSchemaVersion: getSchemaVersion,
  GetSchemaByDefinition: getSchemaByDefinition,
  ListSchemaVersions: listSchemaVersions,
  CheckSchemaVersionValidity: checkSchemaVersionValidity,
};

/** The operations of the schema registry by name. */
export const schemaRegistry: Service = regionalService(OPERATIONS, { listings: {} });

function createRegistry(call: Call, world: World): unknown {
  const name = nameIn(call, 'RegistryName');
  const arn = arnOf(call, `registry/${name}`);
  if (registries(world).get(arn))
    throw new AwsError('AlreadyExistsException', `Registry already exists. RegistryName: ${name}`);
  const { Description: description } = call.parameters;
  putRegistry(call, world, { name, description });
  return defined({ RegistryArn: arn, RegistryName: name, Description: description, Tags: call.parameters.Tags });
}

function describeRegistry({ arn, name, description, createdAt }: RegistryRecord): object {
  return defined({
    RegistryName: name,
    RegistryArn: arn,
    Description: description,
    Status: 'AVAILABLE',
    CreatedTime: createdAt,
    UpdatedTime: createdAt,
  });
}

function deleteRegistry(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['RegistryId']);
  const { arn, name } = registryOf(call, world, call.parameters.RegistryId);
  for (const [key, schema] of [...schemas(world).entries()]) {
    if (schema.account === call.account && schema.registry === name) schemas(world).delete(key);
  }
  registries(world).delete(arn);
  return { RegistryName: name, RegistryArn: arn, Status: 'DELETING' };
}

function createSchema(call: Call, world: World): unknown {
  const name = nameIn(call, 'SchemaName');
  requireMembers(call.parameters, ['DataFormat']);
  const {
    Compatibility: compatibility = 'NONE',
    Description: description,
    SchemaDefinition: definition,
  } = call.parameters;
  if (!MODES.includes(compatibility)) throw invalidInput(`${compatibility} is no compatibility mode.`);
  refuseOtherFormats(call);
  const registry = registryOf(call, world, call.parameters.RegistryId);
  const arn = arnOf(call, `schema/${registry.name}/${name}`);
  if (schemas(world).get(arn))
    throw new AwsError('AlreadyExistsException', `Schema already exists. SchemaName: ${name}`);
  const versions = definition === undefined ? [] : [firstVersion(world, definition)];
  const createdAt = world.now().toISOString();
  const whose = { account: call.account, arn, name, registry: registry.name };
  const record = defined({ ...whose, compatibility, description, createdAt, versions }) as SchemaRecord;
  schemas(world).put(arn, record);
  const { CreatedTime: _created, UpdatedTime: _updated, ...described } = describeSchema(record);
  return defined({
    ...described,
    Tags: call.parameters.Tags,
    SchemaVersionId: versions[0]?.id,
    SchemaVersionStatus: versions[0] && 'AVAILABLE',
  });
}

function refuseOtherFormats(call: Call): void {
  const format: unknown = call.parameters.DataFormat;
  if (format !== 'JSON') throw invalidInput(`The sandbox keeps schemas of the format JSON, not ${String(format)}.`);
}

function firstVersion(world: World, definition: string): VersionRecord {
  refuseInvalid(definition);
  const now = world.now();
  return {
    id: world.id(),
    number: 1,
    definition,
    outcome: 'AVAILABLE',
    decidedAt: now.getTime(),
    createdAt: now.toISOString(),
  };
}

function refuseInvalid(definition: string): void {
  const error = definition.length > MAX_DEFINITION ? 'it is too long' : schemaError(definition);
  if (error) throw invalidInput(`Schema definition of JSON data format is invalid: ${error}`);
}

function describeSchema(record: SchemaRecord): Record<string, unknown> {
  const { arn, name, registry, compatibility, description, createdAt, versions } = record;
  const latest = versions.at(-1);
  return defined({
    RegistryName: registry,
    RegistryArn: arn.replace(/:schema\/.*$/, `:registry/${registry}`),
    SchemaName: name,
    SchemaArn: arn,
    Description: description,
    DataFormat: 'JSON',
    Compatibility: compatibility,
    SchemaCheckpoint: 1,
    LatestSchemaVersion: latest?.number ?? 0,
    NextSchemaVersion: (latest?.number ?? 0) + 1,
    SchemaStatus: 'AVAILABLE',
    CreatedTime: createdAt,
    UpdatedTime: latest?.createdAt ?? createdAt,
  });
}

/** Another compatibility needs a version as checkpoint; versions that are there are not compared again. */
function updateSchema(call: Call, world: World): unknown {
  const schema = schemaOf(call, world);
  const { Compatibility: compatibility, SchemaVersionNumber: checkpoint, Description: description } = call.parameters;
  if (compatibility !== undefined && !MODES.includes(compatibility))
    throw invalidInput(`${compatibility} is no compatibility mode.`);
  if (compatibility !== undefined && checkpoint === undefined)
    throw invalidInput('SchemaVersionNumber is required where Compatibility is given.');
  schemas(world).put(schema.arn, { ...schema, ...defined({ compatibility, description }) });
  return { SchemaArn: schema.arn, SchemaName: schema.name, RegistryName: schema.registry };
}

function deleteSchema(call: Call, world: World): unknown {
  const { arn, name } = schemaOf(call, world);
  schemas(world).delete(arn);
  return { SchemaArn: arn, SchemaName: name, Status: 'DELETING' };
}

/** The first version is there at once; a later one is PENDING while it is compared. A definition that is there is found again. */
function registerSchemaVersion(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['SchemaDefinition']);
  const schema = schemaOf(call, world);
  const definition: string = call.parameters.SchemaDefinition;
  refuseInvalid(definition);
  const same = versionWith(schema, definition);
  if (same) return registered(world, same);
  if (schema.compatibility === 'DISABLED' && schema.versions.length > 0) {
    throw invalidInput('Compatibility DISABLED does not allow versioning.');
  }
  const version =
    schema.versions.length === 0 ? firstVersion(world, definition) : nextVersion(world, schema, definition);
  schemas(world).put(schema.arn, { ...schema, versions: [...schema.versions, version] });
  return registered(world, version);
}

function registered(world: World, version: VersionRecord): object {
  return { SchemaVersionId: version.id, VersionNumber: version.number, Status: statusOf(world, version) };
}

function versionWith({ versions }: SchemaRecord, definition: string): VersionRecord | undefined {
  const wanted: unknown = JSON.parse(definition);
  return versions.find((each) => each.outcome === 'AVAILABLE' && isEqual(JSON.parse(each.definition), wanted));
}

function nextVersion(world: World, schema: SchemaRecord, definition: string): VersionRecord {
  const now = world.now();
  return {
    id: world.id(),
    number: (schema.versions.at(-1)?.number ?? 0) + 1,
    definition,
    outcome: isCompatible(schema, definition) ? 'AVAILABLE' : 'FAILURE',
    decidedAt: now.getTime() + sandboxSettings(world).schemaCheckMs,
    createdAt: now.toISOString(),
  };
}

/** BACKWARD: the new one reads what the last one wrote; FORWARD the other way round; FULL both; _ALL: of every version. */
function isCompatible({ compatibility, versions }: SchemaRecord, definition: string): boolean {
  const available = versions.filter(({ outcome }) => outcome === 'AVAILABLE');
  const others = compatibility.endsWith('_ALL') ? available : available.slice(-1);
  const [mode] = compatibility.split('_');
  return others.every((other) => {
    const backward = mode !== 'BACKWARD' && mode !== 'FULL' ? [] : readingProblems(definition, other.definition);
    const forward = mode !== 'FORWARD' && mode !== 'FULL' ? [] : readingProblems(other.definition, definition);
    return backward.length + forward.length === 0;
  });
}

function statusOf(world: World, { outcome, decidedAt }: VersionRecord): string {
  return world.now().getTime() < decidedAt ? 'PENDING' : outcome;
}

function getSchemaVersion(call: Call, world: World): unknown {
  const { SchemaVersionId: id, SchemaVersionNumber: wanted } = call.parameters;
  const schema = id === undefined ? schemaOf(call, world) : schemaWithVersion(call, world, id);
  const version = schema?.versions.find((each) => (id === undefined ? isWanted(schema, each, wanted) : each.id === id));
  if (!schema || !version) throw entityNotFound('Schema version is not found.');
  return {
    SchemaVersionId: version.id,
    SchemaDefinition: version.definition,
    DataFormat: 'JSON',
    SchemaArn: schema.arn,
    VersionNumber: version.number,
    Status: statusOf(world, version),
    CreatedTime: version.createdAt,
  };
}

function schemaWithVersion({ account }: Call, world: World, id: string): SchemaRecord | undefined {
  return [...schemas(world).values()].find(
    (schema) => schema.account === account && schema.versions.some((version) => version.id === id),
  );
}

function isWanted(
  { versions }: SchemaRecord,
  version: VersionRecord,
  wanted: { LatestVersion?: boolean; VersionNumber?: number } | undefined,
): boolean {
  if (!wanted) throw invalidInput('One of SchemaVersionId and SchemaVersionNumber is required.');
  return wanted.LatestVersion ? version === versions.at(-1) : version.number === wanted.VersionNumber;
}

function getSchemaByDefinition(call: Call, world: World): unknown {
  requireMembers(call.parameters, ['SchemaDefinition']);
  const schema = schemaOf(call, world);
  refuseInvalid(call.parameters.SchemaDefinition);
  const version = versionWith(schema, call.parameters.SchemaDefinition);
  if (!version) throw entityNotFound('Schema version is not found.');
  return {
    SchemaVersionId: version.id,
    SchemaArn: schema.arn,
    DataFormat: 'JSON',
    Status: statusOf(world, version),
    CreatedTime: version.createdAt,
  };
}

function listSchemaVersions(call: Call, world: World): unknown {
  const schema = schemaOf(call, world);
  const { MaxResults: max, NextToken: token } = call.parameters;
  const { page, next } = pageOf(schema.versions, { max, token, most: 100, refuse: invalidInput });
  const Schemas = page.map((version) => ({
    SchemaArn: schema.arn,
    SchemaVersionId: version.id,
    VersionNumber: version.number,
    Status: statusOf(world, version),
    CreatedTime: version.createdAt,
  }));
  return defined({ Schemas, NextToken: next });
}

function checkSchemaVersionValidity(call: Call): unknown {
  requireMembers(call.parameters, ['DataFormat', 'SchemaDefinition']);
  refuseOtherFormats(call);
  const error = schemaError(call.parameters.SchemaDefinition);
  return defined({ Valid: error === undefined, Error: error });
}
