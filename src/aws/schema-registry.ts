import { CreateRegistryCommand, GetRegistryCommand } from '@aws-sdk/client-glue';
import type { SpecOf } from '../provisioning/kinds.js';
import type { Observation } from '../provisioning/provider.js';
import { createOrCompare, oneByOne } from './attempt.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'SchemaRegistry'>;

/** A registry of schemas (AWS Glue API reference, Schema registry). It stays when nobody needs it: deleting it deletes all that is in it. */
export const schemaRegistry: AwsProvider<'SchemaRegistry'> = oneByOne<'SchemaRegistry'>({
  kind: 'SchemaRegistry',
  width: 1,
  observe: (session, { spec }) => read(session, spec),
  apply: (session, { item: { spec } }) =>
    createOrCompare(
      () => session.glue.send(new CreateRegistryCommand(input(spec))),
      () => read(session, spec),
    ),
  remove: async () => {},
  calls: (_account, { spec }, action) =>
    action === 'CREATE' ? [{ service: 'glue', operation: 'CreateRegistry', parameters: input(spec) }] : [],
});

async function read(session: AwsSession, { name }: Spec): Promise<Observation> {
  const { Status: status } = await session.glue.send(new GetRegistryCommand({ RegistryId: { RegistryName: name } }));
  const observed = { status: status ?? null };
  if (status !== 'DELETING') return { state: 'AGREES', observed };
  return { state: 'WAITING', observed, waitingFor: `the registry ${name}, which somebody deleted, to be gone` };
}

const input = ({ name }: Spec) => ({ RegistryName: name, Description: 'Schemas of the data products of the mesh' });
