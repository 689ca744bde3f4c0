import { DescribeEventBusCommand } from '@aws-sdk/client-eventbridge';
import { expect, test } from 'vitest';
import { buses } from '../../src/sandbox/events-buses.js';
import { rules } from '../../src/sandbox/events-rules.js';
import type { Observed } from '../../src/sandbox/front.js';
import { glue } from '../../src/sandbox/glue.js';
import { lakeformation } from '../../src/sandbox/lakeformation.js';
import { ram } from '../../src/sandbox/ram.js';
import { simpleQueueService } from '../../src/sandbox/sqs.js';
import { sts } from '../../src/sandbox/sts.js';
import { hasOperation, modelWitness, problemsOf } from './service-model.js';
import { clientsOf, sandboxOfTest } from './testkit.js';

function call(
  service: string,
  operation: string,
  given: { parameters?: object; answer?: object; status?: number },
): Observed {
  const { parameters = {}, answer = {}, status = 200 } = given;
  return {
    protocol: service === 'lakeformation' ? 'rest-json' : 'json1.1',
    service,
    operation,
    parameters: { ...parameters },
    answer: { status, headers: {}, body: JSON.stringify(answer) },
  };
}

test('a call and an answer as the model has them pass', async () => {
  const parameters = { DatabaseName: 'sales', Name: 'orders' };
  const answer = {
    Table: { Name: 'orders', CreateTime: 1.5, PartitionKeys: [{ Name: 'day' }], Parameters: { a: 'b' } },
  };
  expect(await problemsOf(call('glue', 'GetTable', { parameters, answer }))).toEqual([]);
});

test('a required member that is missing is found, at any depth', async () => {
  expect(await problemsOf(call('glue', 'GetTable', { parameters: { DatabaseName: 'sales' } }))).toEqual([
    'glue:GetTable request lacks Name',
  ]);
  const answer = { Table: { Name: 'orders', PartitionKeys: [{ Type: 'date' }] } };
  const parameters = { DatabaseName: 'sales', Name: 'orders' };
  expect(await problemsOf(call('glue', 'GetTable', { parameters, answer }))).toEqual([
    'glue:GetTable answer.Table.PartitionKeys[] lacks Name',
  ]);
});

test('a member that the model does not know is found in requests and answers', async () => {
  const parameters = { DatabaseName: 'sales', Name: 'orders', Region: 'x' };
  const answer = { Table: { Name: 'orders', StorageDescriptor: { Colour: 'red' } } };
  expect(await problemsOf(call('glue', 'GetTable', { parameters, answer }))).toEqual([
    'glue:GetTable request has the unknown member Region',
    'glue:GetTable answer.Table.StorageDescriptor has the unknown member Colour',
  ]);
});

test('a value of another type, a null and a value outside of its enumeration are found', async () => {
  const parameters = { DatabaseName: 7, Name: 'orders' };
  const answer = { Table: { Name: null, CreateTime: '2026-01-01', IsRegisteredWithLakeFormation: 'yes' } };
  expect(await problemsOf(call('glue', 'GetTable', { parameters, answer }))).toEqual([
    'glue:GetTable request.DatabaseName is number, not string',
    'glue:GetTable answer.Table lacks Name',
    'glue:GetTable answer.Table.Name is null',
    'glue:GetTable answer.Table.CreateTime is string, not number',
    'glue:GetTable answer.Table.IsRegisteredWithLakeFormation is string, not boolean',
  ]);
  const grant = {
    Principal: { DataLakePrincipalIdentifier: 'p' },
    Resource: { Catalog: {} },
    Permissions: ['SELECT', 'READ'],
  };
  expect(await problemsOf(call('lakeformation', 'GrantPermissions', { parameters: grant }))).toEqual([
    'lakeformation:GrantPermissions request.Permissions[] has the unknown value READ',
  ]);
});

test('errors need a name that AWS has, with the status that the model gives it', async () => {
  const refused = (code: string, status: number) =>
    problemsOf(call('lakeformation', 'GetDataLakeSettings', { status, answer: { __type: code } }));
  expect(await refused('EntityNotFoundException', 400)).toEqual([]);
  expect(await refused('EntityNotFoundException', 404)).toHaveLength(1);
  expect(await refused('NoSuchThing', 400)).toEqual([
    'lakeformation:GetDataLakeSettings answers the error NoSuchThing, which no model has',
  ]);
});

const SQS = simpleQueueService(() => '').service;

test.each(Object.entries({ events: { ...buses, ...rules }, glue, lakeformation, ram, sqs: SQS, sts }))(
  'every operation that the sandbox has of %s is one of AWS',
  async (service, operations) => {
    const unknown = [];
    for (const name of Object.keys(operations)) if (!(await hasOperation(service, name))) unknown.push(name);
    expect(unknown).toEqual([]);
  },
);

test('a witness sees what goes over the wire', async () => {
  const { observe, problems } = modelWitness();
  const sandbox = await sandboxOfTest({
    observe: (seen) =>
      observe({ ...seen, answer: { ...seen.answer, body: seen.answer.body.replace('"Arn"', '"Arm"') } }),
  });
  await clientsOf(sandbox).events.send(new DescribeEventBusCommand({}));
  expect(await problems()).toEqual(['events:DescribeEventBus answer has the unknown member Arm']);
});

test('an operation that AWS does not have is found', async () => {
  expect(await problemsOf(call('glue', 'GetTabel', {}))).toEqual(['glue has no operation GetTabel']);
});
