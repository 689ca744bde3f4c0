/** Rules of EventBridge between accounts. Each test ends with the page of the EventBridge user guide that it comes from. */
import {
  CreateEventBusCommand,
  PutEventsCommand,
  PutPermissionCommand,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import { expect, test } from 'vitest';
import { C, clientsOf, control, G, P, REGION, sandboxOfTest } from '../testkit.js';

const busArn = (account: string) => `arn:aws:events:${REGION}:${account}:event-bus/mesh`;

/** A bus `mesh` in each account, open to the other two, and what arrived at one of them from elsewhere. */
async function buses() {
  const sandbox = await sandboxOfTest();
  const events = (account: string) => clientsOf(sandbox, account).events;
  const EventBusName = 'mesh';
  for (const account of [G, P, C]) {
    await events(account).send(new CreateEventBusCommand({ Name: EventBusName }));
    for (const Principal of [G, P, C].filter((other) => other !== account)) {
      const StatementId = `from-${Principal}`;
      await events(account).send(
        new PutPermissionCommand({ EventBusName, Action: 'events:PutEvents', Principal, StatementId }),
      );
    }
  }
  const forward = async (from: string, to: string) => {
    const Name = `to-${to}`;
    const target = { Id: 'one', Arn: busArn(to), RoleArn: `arn:aws:iam::${from}:role/events` };
    await events(from).send(new PutRuleCommand({ Name, EventBusName, EventPattern: '{"source":["shop"]}' }));
    await events(from).send(new PutTargetsCommand({ Rule: Name, EventBusName, Targets: [target] }));
  };
  const put = (as: string, to: string, detail: object = {}) => {
    const entry = { Source: 'shop', DetailType: 'SaleRecorded', Detail: JSON.stringify(detail) };
    return events(as).send(new PutEventsCommand({ Entries: [{ ...entry, EventBusName: busArn(to) }] }));
  };
  const arrived = async (account: string): Promise<{ event: { account: string; detail: object } }[]> =>
    (await control(sandbox, `/deliveries?account=${account}&bus=mesh`)).filter(
      ({ kind }: { kind: string }) => kind === 'arrival',
    );
  return { forward, put, arrived };
}

test('what came from one account is not sent on to a third (eb-cross-account)', async () => {
  const { forward, put, arrived } = await buses();
  await forward(G, C);
  await put(P, G);
  expect((await arrived(C)).length).toBe(0);
  await put(G, G);
  expect((await arrived(C)).length).toBe(1);
});

test('what came over from one bus is not sent on to a third bus (eb-bus-to-bus)', async () => {
  const { forward, put, arrived } = await buses();
  await forward(G, P);
  await forward(P, C);
  await put(G, G);
  expect([(await arrived(P)).length, (await arrived(C)).length]).toEqual([1, 0]);
});

test('the account of an event is that of its sender, set by the service, whatever he writes (eb-cross-account)', async () => {
  const { forward, put, arrived } = await buses();
  await forward(G, P);
  await put(G, G, { account: C });
  expect((await arrived(P))[0]?.event).toMatchObject({ account: G, detail: { account: C } });
});
