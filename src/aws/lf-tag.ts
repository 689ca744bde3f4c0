import {
  CreateLFTagCommand,
  DeleteLFTagCommand,
  GetLFTagCommand,
  UpdateLFTagCommand,
} from '@aws-sdk/client-lakeformation';
import { chunksOf } from '../provisioning/group.js';
import type { SpecOf } from '../provisioning/kinds.js';
import type { AwsCall } from '../provisioning/provider.js';
import { compared, createOrCompare, gone, look, oneByOne } from './attempt.js';
import { isNotFound } from './errors.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'LfTag'>;

/** Values in one CreateLFTag or UpdateLFTag (Lake Formation API reference). */
const VALUES = 50;

/** An LF-tag has at least our values; those of others stay. */
export const lfTag: AwsProvider<'LfTag'> = oneByOne<'LfTag'>({
  kind: 'LfTag',
  width: 1,
  async observe(session, { spec }) {
    const values = await readValues(session, spec);
    const missing = missingValues(spec, values);
    if (values === null || missing.length === spec.values.length) return { state: 'MISSING' };
    return compared({ values }, missing.length > 0 ? [`lacks the values ${missing.join(', ')}`] : []);
  },
  async apply(session, { item }) {
    const { spec } = item;
    let values = await readValues(session, spec);
    if (values === null) {
      const [first] = createInputs(session.account, spec);
      if (!first) return;
      await createOrCompare(
        () => session.lakeFormation.send(new CreateLFTagCommand(first)),
        () => look(async () => (await lfTag.observe(session, [item]))[0] ?? { state: 'MISSING' }),
      );
      values = first.TagValues;
    }
    for (const input of addInputs(session.account, spec.key, missingValues(spec, values))) {
      await session.lakeFormation.send(new UpdateLFTagCommand(input));
    }
  },
  remove: (session, { spec }) =>
    gone(async () => {
      const values = await readValues(session, spec);
      if (values === null) return;
      const ours = folded(spec.values);
      const foreign = values.filter((value) => !ours.includes(value));
      const named = { CatalogId: session.account, TagKey: spec.key };
      if (foreign.length === 0) {
        await session.lakeFormation.send(new DeleteLFTagCommand(named));
        return;
      }
      // Deleting the key would take others' values, with every attachment and grant on them.
      for (const some of chunksOf(
        values.filter((value) => ours.includes(value)),
        VALUES,
      )) {
        await session.lakeFormation.send(new UpdateLFTagCommand({ ...named, TagValuesToDelete: some }));
      }
    }),
  calls: (account, { spec, before }, action) => {
    if (action === 'DELETE') return [call('DeleteLFTag', { CatalogId: account, TagKey: spec.key })];
    if (action === 'UPDATE')
      return addInputs(account, spec.key, missingValues(spec, before ? folded(before.values) : null)).map((input) =>
        call('UpdateLFTag', input),
      );
    const [first, ...rest] = createInputs(account, spec);
    const adds = rest.flatMap(({ TagValues }) => addInputs(account, spec.key, TagValues));
    return [...(first ? [call('CreateLFTag', first)] : []), ...adds.map((input) => call('UpdateLFTag', input))];
  },
});

function call(operation: string, parameters: object): AwsCall {
  return { service: 'lakeformation', operation, parameters: { ...parameters } };
}

async function readValues(session: AwsSession, spec: Spec): Promise<string[] | null> {
  try {
    const answer = await session.lakeFormation.send(
      new GetLFTagCommand({ CatalogId: session.account, TagKey: spec.key }),
    );
    return folded(answer.TagValues ?? []);
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

/** Lake Formation keeps tag values in lower case. */
function folded(values: string[]): string[] {
  return values.map((value) => value.toLowerCase());
}

function missingValues(spec: Spec, values: string[] | null): string[] {
  return folded(spec.values).filter((value) => !values?.includes(value));
}

function createInputs(account: string, spec: Spec) {
  return chunksOf(folded(spec.values), VALUES).map((values) => ({
    CatalogId: account,
    TagKey: spec.key,
    TagValues: values,
  }));
}

function addInputs(account: string, key: string, values: string[]) {
  return chunksOf(values, VALUES).map((some) => ({ CatalogId: account, TagKey: key, TagValuesToAdd: some }));
}
