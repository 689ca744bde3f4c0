import { beforeAll, describe, expect, test } from 'vitest';
import { payload, until } from '../src/demo/client.js';
import { GOVERNANCE_ACCOUNT } from '../src/demo/mesh.js';
import { graphql } from '../src/generated/graphql/gql.js';
import { type Flows, openFlows } from './testkit/flows.js';
import { productOfTest } from './testkit/product.js';

/** What a contract is in Glue, through the public API: from the plan to the end of the product. */

const product = productOfTest({ demo: false });
let flows: Flows;

const Register = graphql(`
  mutation ContractRegister($input: RegisterDataProductInput!) {
    registerDataProduct(input: $input) {
      __typename
      ... on RegisterDataProductPayload {
        dataProduct {
          id
          contract { notes }
          publishPlan { digest warnings refusals resources { kind key action awsCalls { service operation parameters } } }
        }
      }
      ... on UserError { code message }
    }
  }
`);
const Publish = graphql(`
  mutation ContractPublish($dataProduct: ID!, $planDigest: String) {
    publishDataProduct(input: { dataProduct: $dataProduct, planDigest: $planDigest }) {
      __typename
      ... on UserError { code message }
    }
  }
`);
const Import = graphql(`
  mutation ContractImport($input: ImportDataContractInput!) {
    importDataContract(input: $input) {
      __typename
      ... on ImportDataContractPayload {
        dataContract { id activationPlan { digest warnings resources { kind key action awsCalls { operation } } } }
      }
      ... on UserError { code message }
    }
  }
`);
const Activate = graphql(`
  mutation ContractActivate($input: ActivateDataContractInput!) {
    activateDataContract(input: $input) {
      __typename
      ... on UserError { code message }
    }
  }
`);
const Retire = graphql(`
  mutation ContractRetire($dataProduct: ID!) {
    retireDataProduct(input: { dataProduct: $dataProduct }) {
      __typename
      ... on UserError { code message }
    }
  }
`);
const Resources = graphql(`
  query ContractResources($kinds: [String!]) {
    resources(first: 50, filter: { kinds: $kinds }) {
      nodes { kind key status observed claims { released owner { id } } }
    }
  }
`);
const Health = graphql(`
  query ContractHealth($id: ID!) {
    dataProduct(by: { id: $id }) { health { status } progress { ready total } }
  }
`);

interface Promised {
  name: string;
  version: string;
  columns: [name: string, type: string, required?: boolean][];
  quality?: object[];
}

const contractOf = ({ name, version, columns, quality = [] }: Promised) =>
  JSON.stringify({
    apiVersion: 'v3.1.0',
    kind: 'DataContract',
    id: `urn:${name}`,
    name,
    version,
    status: 'active',
    servers: [{ server: 's3', type: 's3', location: `s3://alpha-lake/data/${name}/`, format: 'parquet' }],
    schema: [
      {
        name: 'rides',
        physicalType: 'table',
        properties: columns.map(([column, physicalType, required = false]) => ({
          name: column,
          physicalType,
          required,
        })),
        quality,
      },
    ],
  });

const rows = { metric: 'rowCount', mustBeGreaterThan: 10 };
const keys = { metric: 'duplicateValues', mustBe: 0, arguments: { properties: ['id', 'zone'] } };
const sql = { type: 'sql', description: 'No ride is free', query: 'SELECT 1', mustBe: 0 };
const KEYS = 'CustomSql "SELECT COUNT(`id`, `zone`) - COUNT(DISTINCT `id`, `zone`) FROM primary" = 0';

beforeAll(async () => {
  flows = await openFlows(await product);
}, 120_000);

async function register(promised: Promised, accessMode: 'NRAC' | 'LF_TBAC' = 'NRAC') {
  const { name } = promised;
  const fields = { domain: flows.alpha.id, name, description: name, owner: 'Rides', accessMode };
  const input = { ...fields, classification: 'INTERNAL' as const, contract: contractOf(promised) };
  const answer = payload((await flows.decider(Register, { input })).registerDataProduct);
  if (!('dataProduct' in answer) || !answer.dataProduct) throw new Error('not registered');
  return answer.dataProduct;
}

async function published(promised: Promised, accessMode?: 'NRAC' | 'LF_TBAC'): Promise<string> {
  const { id } = await register(promised, accessMode);
  payload((await flows.decider(Publish, { dataProduct: id, planDigest: null })).publishDataProduct);
  await flows.published(id);
  return id;
}

async function imported(dataProduct: string, promised: Promised) {
  const input = { dataProduct, document: contractOf(promised) };
  const answer = payload((await flows.decider(Import, { input })).importDataContract);
  if (!('dataContract' in answer) || !answer.dataContract) throw new Error('not imported');
  return answer.dataContract;
}

const activate = async (dataContract: string, more: { planDigest?: string } = {}) =>
  void payload(
    (await flows.decider(Activate, { input: { dataContract, acknowledgeBreaking: true, ...more } }))
      .activateDataContract,
  );

interface Registered {
  name: string;
  versions: { definition: string; outcome: string }[];
}
interface Ruleset {
  Name: string;
  Ruleset: string;
  TargetTable: { DatabaseName: string; TableName: string; CatalogId: string };
}

/** What stands in the governance account's Glue of a product. */
async function inGlue(name: string): Promise<{ schemas: Registered[]; rulesets: Ruleset[] }> {
  const url = `${(await product).sandbox}/_sandbox/state?account=${GOVERNANCE_ACCOUNT}`;
  const { glue } = (await (await fetch(url)).json()) as {
    glue: { schemas?: Registered[]; 'data-quality-rulesets'?: Ruleset[] };
  };
  const prefix = `alpha__${name.replaceAll('-', '_')}__`;
  return {
    schemas: (glue.schemas ?? []).filter((one) => one.name.startsWith(prefix)),
    rulesets: (glue['data-quality-rulesets'] ?? []).filter((one) => one.Name.startsWith(prefix)),
  };
}

const settled = (id: string) =>
  until('a product of which all stands', async () => {
    const { dataProduct } = await flows.decider(Health, { id });
    const { ready, total } = dataProduct?.progress ?? { ready: 0, total: 1 };
    return ready === total && dataProduct?.health?.status === 'HEALTHY' ? total : undefined;
  });

const propertiesIn = ({ versions }: Registered) =>
  versions.map(({ definition }) => (JSON.parse(definition) as { properties: object }).properties);

describe('a product with a contract', () => {
  const first: Promised = {
    name: 'rides',
    version: '1.0.0',
    columns: [
      ['id', 'bigint', true],
      ['zone', 'varchar(3)'],
    ],
    quality: [rows, keys, sql],
  };
  let id: string;

  test('shows before it is published which calls it comes to, names what Glue cannot check, and makes those calls', async () => {
    const draft = await register(first);
    id = draft.id;
    const told = expect.stringMatching(/"No ride is free" of rides is not part of the Glue ruleset: .* SQL/);
    expect(draft.contract?.notes).toEqual([told]);
    expect(draft.publishPlan).toMatchObject({ refusals: [], warnings: [told] });
    const planned = draft.publishPlan?.resources.filter(({ kind }) => /Schema|Quality/.test(kind)) ?? [];
    expect(planned.map(({ kind, key, action }) => [kind, key, action]).sort()).toEqual([
      ['QualityRuleset', 'alpha__rides__rides__nrac', 'CREATE'],
      ['SchemaRegistration', 'meshgate/alpha__rides__rides', 'CREATE'],
    ]);
    const planDigest = draft.publishPlan?.digest ?? null;
    const made = await flows.sandbox.callsDuring(async () => {
      payload((await flows.decider(Publish, { dataProduct: id, planDigest })).publishDataProduct);
      await flows.published(id);
    });
    const sent = made
      .filter(({ operation }) => /^(Create|Update|Register|Delete).*(Schema|Registry|Ruleset)/.test(operation))
      .map(({ service, operation, parameters }) => ({ service, operation, parameters }));
    const calls = planned.flatMap(({ awsCalls }) => awsCalls ?? []);
    const sorted = (list: { operation: string }[]) => list.toSorted((a, b) => (a.operation < b.operation ? -1 : 1));
    expect(sorted(sent)).toEqual(sorted(calls));
  });

  test('has the schema of its tables in the registry and its checks as a ruleset on its table', async () => {
    const { schemas, rulesets } = await inGlue('rides');
    expect(schemas).toMatchObject([{ name: 'alpha__rides__rides', registry: 'meshgate', compatibility: 'NONE' }]);
    expect(propertiesIn(schemas[0]!)).toEqual([
      { id: { type: 'integer' }, zone: { type: ['string', 'null'], maxLength: 3 } },
    ]);
    expect(rulesets).toMatchObject([
      {
        Name: 'alpha__rides__rides__nrac',
        Ruleset: `Rules = [\n    RowCount > 10,\n    ${KEYS}\n]`,
        TargetTable: { DatabaseName: 'alpha_nrac', TableName: 'rides', CatalogId: GOVERNANCE_ACCOUNT },
      },
    ]);
    const { resources } = await flows.decider(Resources, { kinds: ['SchemaRegistration', 'QualityRuleset'] });
    expect(resources.nodes.map(({ kind, status }) => [kind, status]).sort()).toEqual([
      ['QualityRuleset', 'READY'],
      ['SchemaRegistration', 'READY'],
    ]);
  });

  test('has other rules once another contract is in force, also where no column changes', async () => {
    const contract = await imported(id, { ...first, version: '1.1.0', quality: [{ ...rows, mustBeGreaterThan: 20 }] });
    expect(contract.activationPlan?.resources.filter(({ action }) => action !== 'NOOP')).toMatchObject([
      { kind: 'QualityRuleset', action: 'UPDATE', awsCalls: [{ operation: 'UpdateDataQualityRuleset' }] },
    ]);
    await activate(contract.id, { planDigest: contract.activationPlan?.digest as string });
    await settled(id);
    const { schemas, rulesets } = await inGlue('rides');
    expect(rulesets).toMatchObject([{ Ruleset: 'Rules = [\n    RowCount > 20\n]' }]);
    expect(schemas[0]?.versions).toHaveLength(1);
  });

  test('has another version of its schema once its columns change, however much that breaks', async () => {
    const contract = await imported(id, {
      ...first,
      version: '2.0.0',
      columns: [['id', 'string', true]],
      quality: [rows],
    });
    expect(contract.activationPlan?.resources.find(({ kind }) => kind === 'SchemaRegistration')).toMatchObject({
      action: 'UPDATE',
      awsCalls: [{ operation: 'RegisterSchemaVersion' }],
    });
    await activate(contract.id, { planDigest: contract.activationPlan?.digest as string });
    await settled(id);
    const { schemas } = await inGlue('rides');
    expect(schemas[0]?.versions.map(({ outcome }) => outcome)).toEqual(['AVAILABLE', 'AVAILABLE']);
    expect(propertiesIn(schemas[0]!)[1]).toEqual({ id: { type: 'string' } });
  });

  test('has no ruleset any more once its contract has no check that Glue can evaluate', async () => {
    const { id: contract } = await imported(id, {
      ...first,
      version: '2.1.0',
      columns: [['id', 'string', true]],
      quality: [sql],
    });
    await activate(contract);
    await until('no ruleset', async () => ((await inGlue('rides')).rulesets.length === 0 ? true : undefined));
    await settled(id);
  });

  test('has the registry repaired behind whose back a schema was deleted', async () => {
    const SchemaId = { RegistryName: 'meshgate', SchemaName: 'alpha__rides__rides' };
    await flows.sandbox.asAdministrator(GOVERNANCE_ACCOUNT, 'glue:DeleteSchema', { SchemaId });
    expect((await inGlue('rides')).schemas).toEqual([]);
    const { id: contract } = await imported(id, {
      ...first,
      version: '2.2.0',
      columns: [['id', 'bigint', true]],
      quality: [rows],
    });
    await activate(contract);
    await settled(id);
    expect(propertiesIn((await inGlue('rides')).schemas[0]!)).toEqual([{ id: { type: 'integer' } }]);
  });

  test('leaves nothing of it in Glue once it is retired, and the registry to the others', async () => {
    payload((await flows.decider(Retire, { dataProduct: id })).retireDataProduct);
    await until('nothing left', async () => {
      const { schemas, rulesets } = await inGlue('rides');
      return schemas.length + rulesets.length === 0 ? true : undefined;
    });
    const { resources } = await flows.decider(Resources, { kinds: ['SchemaRegistry'] });
    expect(resources.nodes).toMatchObject([{ key: 'meshgate', status: 'READY' }]);
  });
});

test('a product that goes over to tags has its ruleset on the table of the new mode, and its schema as it was', async () => {
  const id = await published({ name: 'trams', version: '1.0.0', columns: [['id', 'bigint']], quality: [rows] });
  await flows.update({ dataProduct: id, accessMode: 'LF_TBAC' });
  await until('the new mode alone', async () =>
    (await flows.state(id)).previousAccessMode === null && (await inGlue('trams')).rulesets.length === 1
      ? true
      : undefined,
  );
  const { schemas, rulesets } = await inGlue('trams');
  expect(rulesets).toMatchObject([{ Name: 'alpha__trams__rides__tbac', TargetTable: { DatabaseName: 'alpha_tbac' } }]);
  expect(schemas[0]?.versions).toHaveLength(1);
});

test('a product without a contract has neither schema nor ruleset', async () => {
  const id = await flows.register({ name: 'bare' });
  await flows.published(id);
  expect(await inGlue('bare')).toEqual({ schemas: [], rulesets: [] });
});
