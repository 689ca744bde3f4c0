import {
  CreateDataQualityRulesetCommand,
  DeleteDataQualityRulesetCommand,
  GetDataQualityRulesetCommand,
  UpdateDataQualityRulesetCommand,
} from '@aws-sdk/client-glue';
import type { SpecOf } from '../provisioning/kinds.js';
import type { AwsCall, Observation } from '../provisioning/provider.js';
import { compared, createOrCompare, differs, gone, oneByOne } from './attempt.js';
import type { AwsProvider, AwsSession } from './session.js';

type Spec = SpecOf<'QualityRuleset'>;

/**
 * The rules of a table, for AWS Glue Data Quality to evaluate (AWS Glue API reference, Data quality). An update cannot move a ruleset to
 * another table: it is deleted and made anew.
 */
export const qualityRuleset: AwsProvider<'QualityRuleset'> = oneByOne<'QualityRuleset'>({
  kind: 'QualityRuleset',
  width: 4,
  observe: (session, { spec }) => observe(session, spec),
  async apply(session, { item: { spec }, observation: seen }) {
    if (seen.state === 'DIFFERS' && seen.observed.table === placeOf(spec)) {
      await session.glue.send(new UpdateDataQualityRulesetCommand(updateInput(spec)));
      return;
    }
    if (seen.state === 'DIFFERS') await remove(session, spec);
    await createOrCompare(
      () => session.glue.send(new CreateDataQualityRulesetCommand(createInput(session.account, spec))),
      () => observe(session, spec),
    );
  },
  remove: (session, { spec }) => remove(session, spec),
  calls: (account, { spec, before }, action) => {
    if (action === 'UPDATE' && (!before || placeOf(before) === placeOf(spec)))
      return [call('UpdateDataQualityRuleset', updateInput(spec))];
    return [
      ...(action === 'CREATE' ? [] : [call('DeleteDataQualityRuleset', { Name: spec.name })]),
      ...(action === 'DELETE' ? [] : [call('CreateDataQualityRuleset', createInput(account, spec))]),
    ];
  },
});

function call(operation: string, parameters: object): AwsCall {
  return { service: 'glue', operation, parameters: { ...parameters } };
}

async function observe(session: AwsSession, spec: Spec): Promise<Observation> {
  const found = await session.glue.send(new GetDataQualityRulesetCommand({ Name: spec.name }));
  const { DatabaseName: database = '', TableName: table = '' } = found.TargetTable ?? {};
  const observed = { table: placeOf({ database, table }), ruleset: found.Ruleset ?? null };
  return compared(observed, [
    ...differs('table', observed.table, placeOf(spec)),
    ...differs('rules', found.Ruleset?.trim(), rulesetOf(spec)),
  ]);
}

const remove = (session: AwsSession, { name }: Spec) =>
  gone(() => session.glue.send(new DeleteDataQualityRulesetCommand({ Name: name })));

const placeOf = ({ database, table }: Pick<Spec, 'database' | 'table'>) => `${database}/${table}`;

/** A DQDL document (AWS Glue developer guide, DQDL reference). */
const rulesetOf = ({ rules }: Spec) => `Rules = [\n    ${rules.join(',\n    ')}\n]`;

const updateInput = (spec: Spec) => ({ Name: spec.name, Ruleset: rulesetOf(spec) });

function createInput(account: string, spec: Spec) {
  const { database: DatabaseName, table: TableName } = spec;
  return { ...updateInput(spec), TargetTable: { DatabaseName, TableName, CatalogId: account } };
}
