import { DescribeEventBusCommand } from '@aws-sdk/client-eventbridge';
import { describe, expect, test } from 'vitest';
import { describeFaults } from './faults-of-any.js';
import { clientsOf, control, errorOf, sandboxOfTest } from './testkit.js';

const sandbox = await sandboxOfTest();

describe('faults of the sandbox', () => describeFaults(sandbox));

test('a fault stays over a restart, goes on in its sequence, and ends with DELETE', async () => {
  const { events } = clientsOf(sandbox);
  const outcomes = async (calls: number): Promise<string> => {
    let text = '';
    for (let i = 0; i < calls; i += 1) {
      text += await events.send(new DescribeEventBusCommand({})).then(
        () => '.',
        () => 'x',
      );
    }
    return text;
  };
  const fault = { service: 'events', operation: '*', kind: 'internal', rate: 0.5, seed: 21 };
  await control(sandbox, '/faults', [fault]);
  const whole = await outcomes(20);
  await control(sandbox, '/faults', undefined, 'DELETE');
  await control(sandbox, '/faults', [fault]);
  const before = await outcomes(8);
  await sandbox.restart();
  expect(before + (await outcomes(12))).toBe(whole);
  expect(await control(sandbox, '/faults')).toMatchObject([{ ...fault, draws: 20 }]);
  await control(sandbox, '/faults', undefined, 'DELETE');
  await sandbox.restart();
  expect(await outcomes(10)).toBe('..........');
});

test('two faults on one call each keep to their own seed, and the first to fire wins', async () => {
  const { events } = clientsOf(sandbox);
  const describeBus = () => errorOf(events.send(new DescribeEventBusCommand({})));
  await control(sandbox, '/faults', [
    { service: 'events', kind: 'throttle', count: 1 },
    { service: '*', kind: 'access-denied', count: 1 },
  ]);
  expect((await describeBus()).name).toBe('ThrottlingException');
  expect((await describeBus()).name).toBe('AccessDeniedException');
  expect((await events.send(new DescribeEventBusCommand({}))).Name).toBe('default');
});
