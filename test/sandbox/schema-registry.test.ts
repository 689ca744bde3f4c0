import {
  CheckSchemaVersionValidityCommand,
  type Compatibility,
  CreateDataQualityRulesetCommand,
  CreateRegistryCommand,
  CreateSchemaCommand,
  DeleteDataQualityRulesetCommand,
  DeleteRegistryCommand,
  DeleteSchemaCommand,
  GetDataQualityRulesetCommand,
  GetRegistryCommand,
  GetSchemaByDefinitionCommand,
  GetSchemaCommand,
  GetSchemaVersionCommand,
  GlueClient,
  ListDataQualityRulesetsCommand,
  ListSchemaVersionsCommand,
  RegisterSchemaVersionCommand,
  UpdateDataQualityRulesetCommand,
  UpdateSchemaCommand,
} from '@aws-sdk/client-glue';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readingProblems, schemaError } from '../../src/sandbox/schema-registry-json.js';
import { C, clientOf, control, errorOf, G, REGION, sandboxOfTest } from './testkit.js';

const sandbox = await sandboxOfTest();
const glue = clientOf(GlueClient, sandbox);
await glue.send(new CreateRegistryCommand({ RegistryName: 'mesh' }));
await control(sandbox, '/settings', { schemaCheckMs: 30 });

const text = (schema: object): string => JSON.stringify(schema);
const orders = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: { id: { type: 'integer' }, note: { type: 'string' } },
  required: ['id'],
};

let unique = 0;

async function schemaWith(
  mode: Compatibility,
  definition: object = orders,
): Promise<{ RegistryName: string; SchemaName: string }> {
  unique += 1;
  const id = { RegistryName: 'mesh', SchemaName: `orders-${unique}` };
  await glue.send(
    new CreateSchemaCommand({
      RegistryId: { RegistryName: 'mesh' },
      SchemaName: id.SchemaName,
      DataFormat: 'JSON',
      Compatibility: mode,
      SchemaDefinition: text(definition),
    }),
  );
  return id;
}

async function register(SchemaId: object, definition: object) {
  return glue.send(new RegisterSchemaVersionCommand({ SchemaId, SchemaDefinition: text(definition) }));
}

/** What becomes of a version in the end. */
async function decided(SchemaVersionId: string | undefined): Promise<string | undefined> {
  const status = async () => (await glue.send(new GetSchemaVersionCommand({ SchemaVersionId }))).Status;
  await expect.poll(status, { interval: 10, timeout: 15_000 }).not.toBe('PENDING');
  return status();
}

describe('the registry', () => {
  test('the first version is there at once, a later one is PENDING and then AVAILABLE', async () => {
    const SchemaId = await schemaWith('BACKWARD');
    const wider = { ...orders, properties: { ...orders.properties, note: { type: ['string', 'null'] } } };
    const { SchemaVersionId, Status, VersionNumber } = await register(SchemaId, wider);
    expect([Status, VersionNumber]).toEqual(['PENDING', 2]);
    expect(await decided(SchemaVersionId)).toBe('AVAILABLE');
    expect(await glue.send(new GetSchemaCommand({ SchemaId }))).toMatchObject({
      RegistryName: 'mesh',
      SchemaArn: `arn:aws:glue:${REGION}:${G}:schema/mesh/${SchemaId.SchemaName}`,
      Compatibility: 'BACKWARD',
      LatestSchemaVersion: 2,
      NextSchemaVersion: 3,
    });
    const latest = await glue.send(
      new GetSchemaVersionCommand({ SchemaId, SchemaVersionNumber: { LatestVersion: true } }),
    );
    expect(latest).toMatchObject({ SchemaDefinition: text(wider), VersionNumber: 2, Status: 'AVAILABLE' });
  });

  test('a version that breaks its readers ends in FAILURE, and the next is compared with the last that is AVAILABLE', async () => {
    const SchemaId = await schemaWith('BACKWARD');
    const broken = await register(SchemaId, { ...orders, required: ['id', 'note'] });
    expect(await decided(broken.SchemaVersionId)).toBe('FAILURE');
    const { SchemaVersionId } = await register(SchemaId, { ...orders, required: [] });
    expect(await decided(SchemaVersionId)).toBe('AVAILABLE');
    const { Schemas = [] } = await glue.send(new ListSchemaVersionsCommand({ SchemaId }));
    expect(Schemas.map(({ Status }) => Status)).toEqual(['AVAILABLE', 'FAILURE', 'AVAILABLE']);
  });

  test.each([
    ['NONE', 'AVAILABLE', 'AVAILABLE'],
    ['BACKWARD', 'FAILURE', 'AVAILABLE'],
    ['FORWARD', 'AVAILABLE', 'FAILURE'],
    ['FULL', 'FAILURE', 'FAILURE'],
  ] as const)('%s answers %s to a narrower type and %s to a wider one', async (mode, narrower, wider) => {
    const number = { type: 'object', properties: { v: { type: 'number' } } };
    const integer = { type: 'object', properties: { v: { type: 'integer' } } };
    expect(await decided((await register(await schemaWith(mode, number), integer)).SchemaVersionId)).toBe(narrower);
    expect(await decided((await register(await schemaWith(mode, integer), number)).SchemaVersionId)).toBe(wider);
  });

  test('another compatibility counts from then on, and needs a version as checkpoint', async () => {
    const SchemaId = await schemaWith('BACKWARD');
    expect(await errorOf(glue.send(new UpdateSchemaCommand({ SchemaId, Compatibility: 'NONE' })))).toMatchObject({
      name: 'InvalidInputException',
    });
    await glue.send(
      new UpdateSchemaCommand({ SchemaId, Compatibility: 'NONE', SchemaVersionNumber: { LatestVersion: true } }),
    );
    expect(await glue.send(new GetSchemaCommand({ SchemaId }))).toMatchObject({ Compatibility: 'NONE' });
    const { SchemaVersionId } = await register(SchemaId, { ...orders, required: ['id', 'note'] });
    expect(await decided(SchemaVersionId)).toBe('AVAILABLE');
  });

  test('BACKWARD looks at the last version alone, BACKWARD_ALL at every one', async () => {
    const steps = [{ type: 'integer' }, { type: ['integer', 'string'] }, { type: ['string', 'integer', 'null'] }];
    for (const mode of ['BACKWARD', 'BACKWARD_ALL'] as const) {
      const SchemaId = await schemaWith(mode, { enum: [1, 2] });
      for (const step of steps)
        expect(await decided((await register(SchemaId, step)).SchemaVersionId)).toBe('AVAILABLE');
    }
  });

  test('a definition that is there already is found, whatever its order and spaces', async () => {
    const SchemaId = await schemaWith('NONE');
    const { required, ...rest } = orders;
    const again = await register(SchemaId, { required, ...rest });
    expect(again).toMatchObject({ VersionNumber: 1, Status: 'AVAILABLE' });
    const found = await glue.send(new GetSchemaByDefinitionCommand({ SchemaId, SchemaDefinition: text(orders) }));
    expect(found.SchemaVersionId).toBe(again.SchemaVersionId);
  });

  test('DISABLED takes no second version', async () => {
    const SchemaId = await schemaWith('DISABLED');
    expect(await errorOf(register(SchemaId, { type: 'string' }))).toMatchObject({ name: 'InvalidInputException' });
  });

  test('CheckSchemaVersionValidity tells a JSON Schema from what is none', async () => {
    const check = (SchemaDefinition: string) =>
      glue.send(new CheckSchemaVersionValidityCommand({ DataFormat: 'JSON', SchemaDefinition }));
    expect(await check(text(orders))).toMatchObject({ Valid: true });
    for (const wrong of [
      '{',
      '[]',
      '{"type":"text"}',
      '{"properties":{"a":{"required":"a"}}}',
      '{"$schema":"http://x"}',
    ]) {
      expect(await check(wrong)).toMatchObject({ Valid: false, Error: expect.any(String) });
    }
  });

  test('registries and schemas are made once, kept by account, and go', async () => {
    expect((await errorOf(glue.send(new CreateRegistryCommand({ RegistryName: 'mesh' })))).name).toBe(
      'AlreadyExistsException',
    );
    expect(await glue.send(new GetRegistryCommand({ RegistryId: { RegistryName: 'mesh' } }))).toMatchObject({
      RegistryArn: `arn:aws:glue:${REGION}:${G}:registry/mesh`,
      Status: 'AVAILABLE',
    });
    const inC = clientOf(GlueClient, sandbox, C).send(new GetRegistryCommand({ RegistryId: { RegistryName: 'mesh' } }));
    expect((await errorOf(inC)).name).toBe('EntityNotFoundException');
    const SchemaId = await schemaWith('NONE');
    expect(await glue.send(new DeleteSchemaCommand({ SchemaId }))).toMatchObject({ Status: 'DELETING' });
    expect((await errorOf(register(SchemaId, orders))).name).toBe('EntityNotFoundException');
    await glue.send(new CreateRegistryCommand({ RegistryName: 'short' }));
    await glue.send(new DeleteRegistryCommand({ RegistryId: { RegistryName: 'short' } }));
    const gone = glue.send(new GetRegistryCommand({ RegistryId: { RegistryName: 'short' } }));
    expect((await errorOf(gone)).name).toBe('EntityNotFoundException');
  });
});

describe('what reads what', () => {
  const object = (properties: object, more: object = {}) => text({ type: 'object', properties, ...more });
  const id = { type: 'integer' };

  test.each([
    ['an optional field more', object({ id, n: id }), object({ id }), true],
    ['a field less', object({ id }), object({ id, n: id }), true],
    ['a required field more', object({ id, n: id }, { required: ['n'] }), object({ id }), false],
    [
      'a required field more with a default',
      object({ id, n: { ...id, default: 0 } }, { required: ['n'] }),
      object({ id }),
      true,
    ],
    ['a required field less', object({ id }), object({ id }, { required: ['id'] }), true],
    [
      'a field less where others are forbidden',
      object({ id }, { additionalProperties: false }),
      object({ id, n: id }, { additionalProperties: false }),
      false,
    ],
    ['a value less in an enumeration', text({ enum: ['a'] }), text({ enum: ['a', 'b'] }), false],
    ['a value more in an enumeration', text({ enum: ['a', 'b'] }), text({ const: 'a' }), true],
    ['a shorter text', text({ type: 'string', maxLength: 3 }), text({ type: 'string', maxLength: 5 }), false],
    ['a larger number', text({ type: 'number', maximum: 9 }), text({ type: 'number', maximum: 5 }), true],
    ['a bound that is new', text({ minimum: 0 }), text({ type: 'number' }), false],
    ['other elements', text({ type: 'array', items: id }), text({ type: 'array', items: { type: 'string' } }), false],
    ['one alternative more', text({ oneOf: [id, { type: 'string' }] }), text(id), true],
    ['one alternative less', text(id), text({ anyOf: [id, { type: 'string' }] }), false],
    [
      'what stands behind a reference',
      text({ $ref: '#/definitions/a', definitions: { a: { type: 'string' } } }),
      text(id),
      false,
    ],
  ])('%s', (_change, reader, writer, reads) => {
    expect(readingProblems(reader, writer).length === 0).toBe(reads);
  });

  test('a schema that leads to itself is compared to an end', () => {
    const tree = (leaf: string) =>
      text({
        $ref: '#/definitions/t',
        definitions: { t: { type: 'object', properties: { v: { type: leaf }, t: { $ref: '#/definitions/t' } } } },
      });
    expect(readingProblems(tree('string'), tree('string'))).toEqual([]);
    expect(readingProblems(tree('integer'), tree('string')).length).toBeGreaterThan(0);
  });

  test('where nothing is found, every document of the one fits the other', () => {
    const simple = fc.constantFrom<object>(
      { type: 'integer' },
      { type: 'number' },
      { type: ['string', 'null'] },
      { type: 'string', maxLength: 2 },
      { enum: ['a', 1] },
      { type: 'integer', minimum: 1 },
      { anyOf: [{ type: 'integer' }, { type: 'string' }] },
    );
    const schema = fc
      .record({ a: simple, b: simple, required: fc.subarray(['a', 'b']), withB: fc.boolean() })
      .map(({ a, b, required, withB }) => ({
        type: 'object',
        properties: withB ? { a, b } : { a },
        required: withB ? required : required.filter((name) => name === 'a'),
        additionalProperties: false,
      }));
    const values = [1, 0, 1.5, 'a', 'abc', null, undefined];
    const documents = values.flatMap((a) => values.map((b) => JSON.parse(JSON.stringify({ a, b }))));
    const ajv = new Ajv({ allowUnionTypes: true });
    let compared = 0;
    fc.assert(
      fc.property(schema, schema, (reader, writer) => {
        if (readingProblems(text(reader), text(writer)).length > 0) return;
        const [reads, writes] = [ajv.compile(reader), ajv.compile(writer)];
        for (const document of documents.filter((each) => writes(each))) {
          expect(reads(document)).toBe(true);
          compared += 1;
        }
      }),
      { numRuns: 500 },
    );
    expect(compared).toBeGreaterThan(50);
  });

  test('every schema reads what it wrote, and is a schema', () => {
    expect(readingProblems(text(orders), text(orders))).toEqual([]);
    expect(schemaError(text(orders))).toBeUndefined();
  });
});

describe('data quality rulesets', () => {
  const Ruleset = `
    # what must hold
    Rules = [
      IsComplete "id",
      (RowCount > 0) or ((IsUnique "id") and (ColumnValues "state" in ["NEW", "DONE"] with threshold > 0.9)),
      CustomSql "select count(*) from primary" between 1 and 10
    ]
    Analyzers = [ RowCount, Completeness "id" ]`;
  const create = (Name: string, text = Ruleset, more: object = {}) =>
    glue.send(new CreateDataQualityRulesetCommand({ Name, Ruleset: text, ...more }));

  test('are kept, listed by table, changed and gone', async () => {
    const TargetTable = { DatabaseName: 'sales', TableName: 'orders' };
    await create('orders', Ruleset, { TargetTable, Description: 'first' });
    await create('other');
    expect(await glue.send(new GetDataQualityRulesetCommand({ Name: 'orders' }))).toMatchObject({
      Ruleset,
      TargetTable,
    });
    const { Rulesets } = await glue.send(new ListDataQualityRulesetsCommand({ Filter: { TargetTable } }));
    expect(Rulesets).toMatchObject([{ Name: 'orders', Description: 'first', RuleCount: 3 }]);
    await glue.send(new UpdateDataQualityRulesetCommand({ Name: 'orders', Ruleset: 'Rules = [ RowCount > 1 ]' }));
    expect((await glue.send(new GetDataQualityRulesetCommand({ Name: 'orders' }))).Ruleset).toBe(
      'Rules = [ RowCount > 1 ]',
    );
    await glue.send(new DeleteDataQualityRulesetCommand({ Name: 'orders' }));
    expect((await errorOf(glue.send(new GetDataQualityRulesetCommand({ Name: 'orders' })))).name).toBe(
      'EntityNotFoundException',
    );
  });

  test('names are taken once, but a repeated call with its token finds what it made', async () => {
    await create('once', Ruleset, { ClientToken: 'token-1' });
    expect((await create('once', Ruleset, { ClientToken: 'token-1' })).Name).toBe('once');
    expect((await errorOf(create('once', Ruleset, { ClientToken: 'token-2' }))).name).toBe('AlreadyExistsException');
  });

  test.each([
    ['no list', 'IsComplete "id"'],
    ['an unknown rule type', 'Rules = [ IsFine "id" ]'],
    ['another case', 'Rules = [ isComplete "id" ]'],
    ['an open bracket', 'Rules = [ IsComplete "id"'],
    ['nothing in the list', 'Rules = [ ]'],
    ['no column', 'Rules = [ IsComplete ]'],
    ['no comparison', 'Rules = [ RowCount ]'],
    ['two rules without a comma', 'Rules = [ (IsComplete "a") (IsComplete "b") ]'],
  ])('a text with %s is no ruleset', async (_what, text) => {
    expect((await errorOf(create('wrong', text))).name).toBe('InvalidInputException');
  });
});
