import { CreateEventBusCommand, DeleteEventBusCommand, DescribeEventBusCommand } from '@aws-sdk/client-eventbridge';
import { compared, createOrCompare, gone, oneByOne } from './attempt.js';

/** The default bus is AWS's own: it is there, and never deleted. */
const DEFAULT = 'default';

/** An event bus of the account. */
export const eventBus = oneByOne<'EventBus'>({
  kind: 'EventBus',
  width: 4,
  async observe(session, { spec }) {
    const { Arn: arn } = await session.eventBridge.send(new DescribeEventBusCommand({ Name: spec.name }));
    return compared({ arn: arn ?? null }, []);
  },
  async apply(session, { item }) {
    const { name } = item.spec;
    await createOrCompare(
      () => session.eventBridge.send(new CreateEventBusCommand({ Name: name })),
      async () => compared({ name }, []),
    );
  },
  async remove(session, { spec }) {
    if (spec.name === DEFAULT) return;
    await gone(() => session.eventBridge.send(new DeleteEventBusCommand({ Name: spec.name })));
  },
  calls: (_account, { spec }, action) => {
    if (action === 'UPDATE' || (action === 'DELETE' && spec.name === DEFAULT)) return [];
    const operation = action === 'DELETE' ? 'DeleteEventBus' : 'CreateEventBus';
    return [{ service: 'events', operation, parameters: { Name: spec.name } }];
  },
});
