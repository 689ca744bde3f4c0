import {
  CreateSchemaCommand,
  DeleteSchemaCommand,
  GetSchemaByDefinitionCommand,
  GetSchemaCommand,
  type GetSchemaResponse,
  GetSchemaVersionCommand,
  RegisterSchemaVersionCommand,
  UpdateSchemaCommand,
} from '@aws-sdk/client-glue';
import canonicalize from 'canonicalize';
import type { SpecOf } from '../provisioning/kinds.js';
import type { AwsCall, Observation } from '../provisioning/provider.js';
import { compared, createOrCompare, differs, gone, oneByOne, sameJson } from './attempt.js';
import { isNotFound, PermanentFailure } from './errors.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'SchemaRegistration'>;

/**
 * The registry compares nothing. What breaks consumers is decided once, by the mesh, before a contract comes into force; a registry
 * that decided again would leave a break that somebody acknowledged as a version that FAILED, for ever.
 */
const COMPATIBILITY = 'NONE';

/** What an observation carries; `refused` where the newest version is ours and the registry did not take it. */
interface Seen {
  compatibility: string | null;
  latestVersion: number | null;
  versionId: string | null;
  status: string | null;
  refused?: true;
}

/**
 * A JSON Schema and its versions (AWS Glue API reference, Schema registry). It agrees where a version has the definition: the registry
 * keeps each definition once, so that columns which come back are the version that they were.
 */
export const schemaRegistration: AwsProvider<'SchemaRegistration'> = oneByOne<'SchemaRegistration'>({
  kind: 'SchemaRegistration',
  width: 4,
  observe: (session, { spec }) => observe(session, spec),
  async apply(session, { item: { spec }, observation: seen }) {
    if (seen.state === 'MISSING') {
      await createOrCompare(
        () => session.glue.send(new CreateSchemaCommand(createInput(spec))),
        () => observe(session, spec),
      );
      return;
    }
    // Being deleted: nothing can be done with it before it is gone.
    if (seen.state !== 'DIFFERS') return;
    const { compatibility, refused, status } = seen.observed as unknown as Seen;
    const comparing = compatibility !== COMPATIBILITY;
    if (refused && !comparing) throw refusal(spec);
    if (comparing) await session.glue.send(new UpdateSchemaCommand(updateInput(spec)));
    if (status === null || refused) await register(session, spec);
  },
  remove: (session, { spec }) => gone(() => session.glue.send(new DeleteSchemaCommand(named(spec)))),
  calls: (_account, { spec }, action) => {
    if (action === 'DELETE') return [call('DeleteSchema', named(spec))];
    return [
      action === 'CREATE' ? call('CreateSchema', createInput(spec)) : call('RegisterSchemaVersion', version(spec)),
    ];
  },
});

function call(operation: string, parameters: object): AwsCall {
  return { service: 'glue', operation, parameters: { ...parameters } };
}

async function observe(session: AwsSession, spec: Spec): Promise<Observation> {
  const schema = await session.glue.send(new GetSchemaCommand(named(spec)));
  const seen = await see(session, spec, schema);
  const observed = { ...seen };
  if (schema.SchemaStatus === 'DELETING')
    return { state: 'WAITING', observed, waitingFor: `the schema ${spec.name}, which is being deleted, to be gone` };
  const compatibility = differs('compatibility', seen.compatibility, COMPATIBILITY);
  const format = differs('data format', schema.DataFormat, 'JSON');
  if (seen.status === 'PENDING' && compatibility.length + format.length === 0)
    return { state: 'WAITING', observed, waitingFor: `the registry to take the new version of ${spec.name}` };
  const taken = seen.status === 'AVAILABLE' || seen.status === 'PENDING';
  const lacking = seen.refused ? [refusal(spec).message] : taken ? [] : ['no version has the columns that are wanted'];
  return compared(observed, [...compatibility, ...format, ...lacking]);
}

async function see(session: AwsSession, spec: Spec, schema: GetSchemaResponse): Promise<Seen> {
  const about = { compatibility: schema.Compatibility ?? null, latestVersion: schema.LatestSchemaVersion ?? null };
  const found = await unlessNone(() => session.glue.send(new GetSchemaByDefinitionCommand(version(spec))));
  if (found && found.Status !== 'FAILURE')
    return { ...about, versionId: found.SchemaVersionId ?? null, status: found.Status ?? null };
  const latest = { ...named(spec), SchemaVersionNumber: { LatestVersion: true } };
  const last = await unlessNone(() => session.glue.send(new GetSchemaVersionCommand(latest)));
  const failed = last?.Status === 'FAILURE' && last.DataFormat === 'JSON';
  const refused = failed && sameJson(JSON.parse(last.SchemaDefinition ?? 'null'), spec.definition);
  if (!refused) return { ...about, versionId: null, status: null };
  return { ...about, versionId: last.SchemaVersionId ?? null, status: 'FAILURE', refused };
}

async function unlessNone<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** A version that is compared for a while is PENDING: the next look tells what became of it. */
async function register(session: AwsSession, spec: Spec): Promise<void> {
  const { Status: status } = await session.glue.send(new RegisterSchemaVersionCommand(version(spec)));
  if (status === 'FAILURE') throw refusal(spec);
}

const refusal = ({ registry, name }: Spec) =>
  new PermanentFailure(
    'SchemaVersionRefused',
    `The registry ${registry} refused the newest version of the schema ${name} (FAILURE). Delete that version there, then retry.`,
  );

function named({ registry, name }: Spec) {
  return { SchemaId: { RegistryName: registry, SchemaName: name } };
}

/** A text that is the same for the same definition, whatever the order of its members (RFC 8785). */
function version(spec: Spec) {
  return { ...named(spec), SchemaDefinition: canonicalize(spec.definition) as string };
}

function createInput(spec: Spec) {
  const { registry, name } = spec;
  const { SchemaDefinition } = version(spec);
  return {
    RegistryId: { RegistryName: registry },
    SchemaName: name,
    DataFormat: 'JSON',
    Compatibility: COMPATIBILITY,
    SchemaDefinition,
  } as const;
}

/** Glue wants a version as checkpoint with another compatibility (Glue API reference, UpdateSchema). */
function updateInput(spec: Spec) {
  return { ...named(spec), SchemaVersionNumber: { LatestVersion: true }, Compatibility: COMPATIBILITY } as const;
}
