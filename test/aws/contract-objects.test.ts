import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SpecOf } from '../../src/provisioning/kinds.js';
import { sandboxOfTest } from '../sandbox/testkit.js';
import { startAnswerer } from './answerer.js';
import * as mesh from './mesh.js';
import { awsOver, callsOf, changing, control, drift, driver, G, itemOf, laneTo } from './testkit.js';

/** What a contract is in Glue: the schemas of its tables and the rules of their quality. */

const sandbox = await sandboxOfTest();
const aws = awsOver(sandbox);
const done = [{ ok: true }];

beforeAll(async () => {
  await mesh.govern(aws);
  await mesh.publish(aws);
});

describe('the registry', () => {
  const registries = driver(aws, 'SchemaRegistry', G);

  test('is made once, by the call that the plan shows, and stays when nobody needs it', async () => {
    expect(await registries.observe(mesh.registry)).toEqual([{ state: 'MISSING' }]);
    const calls = await callsOf(sandbox, async () => expect(await registries.apply(mesh.registry)).toEqual(done));
    expect(changing(calls)).toEqual(['CreateRegistry']);
    expect(registries.calls('CREATE', mesh.registry).map(({ parameters }) => parameters)).toEqual(
      calls.filter(({ operation }) => operation === 'CreateRegistry').map(({ parameters }) => parameters),
    );
    const removing = await callsOf(sandbox, async () => expect(await registries.remove(mesh.registry)).toEqual(done));
    expect(removing).toEqual([]);
    expect(registries.calls('DELETE', mesh.registry)).toEqual([]);
    expect(await registries.observe(mesh.registry)).toMatchObject([{ state: 'AGREES' }]);
  });

  test('that was made at the same moment is ours too', async () => {
    const session = await aws.open(laneTo(G));
    const item = itemOf('SchemaRegistry', G, mesh.registry);
    const outcomes = await aws.providers.SchemaRegistry.apply(session, [{ item, observation: { state: 'MISSING' } }]);
    expect(outcomes).toEqual(done);
  });
});

describe('a schema', () => {
  const schemas = driver(aws, 'SchemaRegistration', G);
  const definition = (properties: object) => ({ ...mesh.ordersSchema.definition, properties });
  const named = (name: string, properties: object): SpecOf<'SchemaRegistration'> => ({
    ...mesh.ordersSchema,
    name,
    definition: definition(properties),
  });
  const idOf = ({ registry, name }: SpecOf<'SchemaRegistration'>) => ({ RegistryName: registry, SchemaName: name });
  const number = { id: { type: 'number' } };
  const text = { id: { type: 'string' } };
  const checking = (schemaCheckMs: number) => control(sandbox, '/settings', { schemaCheckMs });
  const settled = (spec: SpecOf<'SchemaRegistration'>) =>
    expect.poll(async () => (await schemas.observe(spec))[0]?.state, { timeout: 5_000 }).not.toBe('WAITING');

  beforeAll(async () => {
    await driver(aws, 'SchemaRegistry', G).apply(mesh.registry);
  });
  beforeEach(() => checking(0));

  test('has another version once its columns change, which is waited for while it is PENDING', async () => {
    await checking(300);
    await schemas.apply(named('changing', number));
    const calls = await callsOf(sandbox, async () =>
      expect(await schemas.apply(named('changing', text))).toEqual(done),
    );
    expect(changing(calls)).toEqual(['RegisterSchemaVersion']);
    expect(await schemas.observe(named('changing', text))).toMatchObject([
      { state: 'WAITING', waitingFor: expect.stringMatching(/the new version of changing/) },
    ]);
    await settled(named('changing', text));
    expect(await schemas.observe(named('changing', text))).toMatchObject([
      { state: 'AGREES', observed: { latestVersion: 2, compatibility: 'NONE' } },
    ]);
  });

  test('whose columns come back agrees with the version that had them', async () => {
    for (const properties of [number, text]) await schemas.apply(named('back', properties));
    const calls = await callsOf(sandbox, () => schemas.apply(named('back', number)));
    expect(changing(calls)).toEqual([]);
    expect(await schemas.observe(named('back', number))).toMatchObject([{ state: 'AGREES' }]);
  });

  test('is the same whatever the order of its members', async () => {
    const members = Object.entries(mesh.ordersSchema.definition);
    await schemas.apply({ ...mesh.ordersSchema, name: 'order' });
    const turned = { ...mesh.ordersSchema, name: 'order', definition: Object.fromEntries(members.reverse()) };
    expect(await schemas.observe(turned)).toMatchObject([{ state: 'AGREES' }]);
  });

  test('that somebody made compare its versions takes a break all the same', async () => {
    await schemas.apply(named('strict', number));
    const SchemaVersionNumber = { LatestVersion: true };
    const comparing = { SchemaId: idOf(named('strict', {})), SchemaVersionNumber, Compatibility: 'FULL_ALL' };
    await drift(sandbox, G, ['glue', 'UpdateSchema', comparing]);
    expect(await schemas.observe(named('strict', text))).toMatchObject([
      { state: 'DIFFERS', differences: [expect.stringMatching(/FULL_ALL/), expect.stringMatching(/no version has/)] },
    ]);
    const calls = await callsOf(sandbox, async () => expect(await schemas.apply(named('strict', text))).toEqual(done));
    expect(changing(calls)).toEqual(['UpdateSchema', 'RegisterSchemaVersion']);
    expect(await schemas.observe(named('strict', text))).toMatchObject([{ state: 'AGREES' }]);
  });

  test('that was refused (FAILURE) while somebody made it compare is registered again', async () => {
    await schemas.apply(named('refused', number));
    const SchemaVersionNumber = { LatestVersion: true };
    const SchemaId = idOf(named('refused', {}));
    const SchemaDefinition = JSON.stringify(definition(text));
    await drift(
      sandbox,
      G,
      ['glue', 'UpdateSchema', { SchemaId, SchemaVersionNumber, Compatibility: 'BACKWARD' }],
      ['glue', 'RegisterSchemaVersion', { SchemaId, SchemaDefinition }],
    );
    expect(await schemas.observe(named('refused', text))).toMatchObject([
      { state: 'DIFFERS', observed: { status: 'FAILURE' }, differences: [expect.anything(), expect.anything()] },
    ]);
    expect(await schemas.apply(named('refused', text))).toEqual(done);
    expect(await schemas.observe(named('refused', text))).toMatchObject([
      { state: 'AGREES', observed: { latestVersion: 3 } },
    ]);
  });

  test('that was refused for another reason is a permanent failure that says what to do, and can be removed', async () => {
    await schemas.apply(named('lost', number));
    const SchemaVersionNumber = { LatestVersion: true };
    const SchemaId = idOf(named('lost', {}));
    await drift(
      sandbox,
      G,
      ['glue', 'UpdateSchema', { SchemaId, SchemaVersionNumber, Compatibility: 'BACKWARD' }],
      ['glue', 'RegisterSchemaVersion', { SchemaId, SchemaDefinition: JSON.stringify(definition(text)) }],
      ['glue', 'UpdateSchema', { SchemaId, SchemaVersionNumber, Compatibility: 'NONE' }],
    );
    const calls = await callsOf(sandbox, async () =>
      expect(await schemas.apply(named('lost', text))).toMatchObject([
        {
          ok: false,
          error: {
            treatment: 'PERMANENT',
            code: 'SchemaVersionRefused',
            message: expect.stringMatching(/mesh refused the newest version of the schema lost \(FAILURE\)/),
          },
        },
      ]),
    );
    expect(changing(calls)).toEqual([]);
    expect(await schemas.remove(named('lost', text))).toEqual(done);
    expect(await schemas.observe(named('lost', text))).toEqual([{ state: 'MISSING' }]);
  });

  test('of our name with other columns is not overwritten where it was made since we looked', async () => {
    await schemas.apply(named('race', number));
    const item = itemOf('SchemaRegistration', G, named('race', text));
    const session = await aws.open(laneTo(G));
    const [outcome] = await aws.providers.SchemaRegistration.apply(session, [
      { item, observation: { state: 'MISSING' } },
    ]);
    expect(outcome).toMatchObject({ ok: false, error: { code: 'Conflict', untouched: true } });
  });

  test('that is being deleted is waited for, and one in a registry that is not there yet is tried again', async () => {
    const answerer = await startAnswerer();
    answerer.script('GetSchema', { json: { SchemaStatus: 'DELETING', Compatibility: 'NONE', DataFormat: 'JSON' } });
    const answered = driver(awsOver(answerer), 'SchemaRegistration', G);
    expect(await answered.observe(mesh.ordersSchema)).toMatchObject([{ state: 'WAITING' }]);
    await answerer.close();
    expect(await schemas.apply({ ...mesh.ordersSchema, registry: 'nowhere' })).toMatchObject([
      { ok: false, error: { treatment: 'PROPAGATION', code: 'EntityNotFoundException' } },
    ]);
  });

  test('is refused for good where the registry does not take it, and names the quota where it is used up', async () => {
    expect(await schemas.apply({ ...mesh.ordersSchema, name: 'bad', definition: { type: 'table' } })).toMatchObject([
      {
        ok: false,
        error: {
          treatment: 'PERMANENT',
          code: 'InvalidInputException',
          message: expect.stringMatching(/table is no type/),
        },
      },
    ]);
    const answerer = await startAnswerer();
    answerer.script('GetSchema', { error: 'EntityNotFoundException' });
    answerer.script('CreateSchema', { error: 'ResourceNumberLimitExceededException' });
    expect(await driver(awsOver(answerer), 'SchemaRegistration', G).apply(mesh.ordersSchema)).toMatchObject([
      { error: { treatment: 'PERMANENT', message: expect.stringMatching(/quota is used up/) } },
    ]);
    await answerer.close();
  });
});

describe('a ruleset', () => {
  const rulesets = driver(aws, 'QualityRuleset', G);

  test('on another table is deleted and made anew, as an update cannot move it', async () => {
    await drift(sandbox, G, [
      'glue',
      'CreateDataQualityRuleset',
      {
        Name: mesh.ordersRules.name,
        Ruleset: 'Rules = [ RowCount > 1 ]',
        TargetTable: { DatabaseName: 'sales_nrac', TableName: 'other' },
      },
    ]);
    expect(await rulesets.observe(mesh.ordersRules)).toMatchObject([
      { state: 'DIFFERS', differences: [expect.stringMatching(/sales_nrac\/other/), expect.stringMatching(/^rules/)] },
    ]);
    const calls = await callsOf(sandbox, async () => expect(await rulesets.apply(mesh.ordersRules)).toEqual(done));
    expect(changing(calls)).toEqual(['DeleteDataQualityRuleset', 'CreateDataQualityRuleset']);
    expect(await rulesets.observe(mesh.ordersRules)).toMatchObject([{ state: 'AGREES' }]);
  });

  test('that Glue does not read is refused for good, with its reason', async () => {
    expect(await rulesets.apply({ ...mesh.ordersRules, name: 'bad', rules: ['Nonsense'] })).toMatchObject([
      { ok: false, error: { treatment: 'PERMANENT', message: expect.stringMatching(/not valid DQDL.*Nonsense/) } },
    ]);
  });
});
